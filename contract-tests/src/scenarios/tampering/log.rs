//! The log that is tampered with: signed often, at sizes of every kind, with an older state of it kept beside.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use lienthong::audit::cms::Roots;
use lienthong::audit::export::Folder;
use lienthong::audit::log::{Note, VerifierKey};
use lienthong::audit::memory::Memory;
use lienthong::audit::publish::Publisher;
use lienthong::audit::signer::Signer;
use lienthong::audit::store::AuditStore;
use lienthong::audit::verify::Trust;
use lienthong::audit::{self, Draft, Kind, Outcome, Recorder};
use lienthong::replicas::Leadership;
use lienthong::storage::Database;
use lienthong::storage::backlog::Backlog;
use lienthong::storage::disk::{DiskWatch, LeastFree};
use lienthong::storage::keys::Keys;
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::sqlite::{Limits, Sqlite};
use lienthong_domain::time::SystemClock;
use tempfile::TempDir;
use uuid::Uuid;

/// Records of the log, and of its older state.
const RECORDS: u64 = 1500;
const YESTERDAY: u64 = 900;
/// Records between two checkpoints at most.
const MOST_BETWEEN: u64 = 60;
/// Alone, nobody asks under which leadership.
const ALONE: Leadership = Leadership { holder: Uuid::nil(), epoch: 0 };

pub(super) struct Original {
    folder: TempDir,
    pub(super) database: PathBuf,
    /// The same log when it was shorter.
    pub(super) yesterday: PathBuf,
    /// A copy with a write-ahead log beside it.
    pub(super) with_wal: PathBuf,
    pub(super) exported: PathBuf,
    pub(super) shard: String,
    pub(super) size: u64,
    /// Where checkpoints were signed.
    pub(super) signed: Vec<u64>,
    pub(super) most_between: u64,
    key: VerifierKey,
    newest: Note,
}

pub(super) fn open(file: &Path) -> Result<Arc<dyn AuditStore>> {
    let limits = Limits {
        write_queue: 100,
        batch_items: 100,
        readers: 1,
        busy_timeout: Duration::from_secs(5),
        wal_bytes: 1 << 26,
        cache_bytes: 1 << 20,
    };
    let disk = Arc::new(DiskWatch::new(file.parent().context("no folder")?.to_owned(), LeastFree::default()));
    let backlog = Arc::new(Backlog::new(u64::MAX));
    let database = Database::Sqlite(Sqlite::open(file, &limits, disk, backlog, MIGRATIONS, true)?);
    Ok(audit::store::open(&database))
}

/// Whoever may write and sign.
struct Insider {
    store: Arc<dyn AuditStore>,
    recorder: Recorder,
    publisher: Publisher,
}

impl Insider {
    fn new(file: &Path, keys: &Path, memory: &Path) -> Result<Self> {
        let keys = Arc::new(Keys::open(keys, false, &[])?);
        let store = open(file)?;
        std::fs::create_dir_all(memory)?;
        let (signer, memory) = (Arc::new(Signer::new(Arc::clone(&keys))), Arc::new(Memory::new(memory)));
        let publisher = Publisher::new(Arc::clone(&store), signer, memory, Arc::new(SystemClock));
        Ok(Self { store, publisher, recorder: Recorder::new("test".into(), keys, Arc::new(SystemClock)) })
    }

    async fn grow(&self, count: u64) -> Result<()> {
        let record = |n| {
            let outcome = Outcome { code: Some(format!("{n}")), ..Outcome::decided("accepted") };
            let code = format!("H15.50-{n}");
            let draft = Draft::new(Kind::Accept, "dossier.sync", outcome).client("one-stop", "H15.50").subject(&code);
            self.recorder.seal(&draft)
        };
        let records = (0..count).map(record).collect::<Result<Vec<_>, _>>()?;
        try_join_all(records.into_iter().map(|record| self.store.append_always(record))).await?;
        Ok(self.publisher.turn(ALONE).await?)
    }
}

impl Original {
    pub(super) async fn make() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let keys = Keys::open(&path("keys"), true, &[])?;
        let half_years = Recorder::new("test".into(), Arc::new(keys), Arc::new(SystemClock)).half_years();
        let keys = Keys::open(&path("keys"), false, &[])?;
        half_years.iter().try_for_each(|half_year| keys.make(&keys.names(half_year)))?;
        let shard = format!("test/audit/{}", half_years[0]);
        let (live, database, yesterday) = (path("live.sqlite"), path("log.sqlite"), path("yesterday.sqlite"));
        let insider = Insider::new(&live, &path("keys"), &path("memory"))?;
        let reader = rusqlite::Connection::open(&live)?;
        let (mut rng, mut size, mut signed) = (fastrand::Rng::with_seed(1), 0, Vec::new());
        while size < RECORDS {
            let until = if size < YESTERDAY { YESTERDAY } else { RECORDS };
            let count = rng.u64(1..=MOST_BETWEEN).min(until - size);
            insider.grow(count).await?;
            size += count;
            signed.push(size);
            if size == YESTERDAY {
                copy_of(&live, &yesterday)?;
                // Whoever reads this state keeps all that follows in the write-ahead log.
                reader.execute_batch("BEGIN; SELECT count(*) FROM audit_record")?;
            }
        }
        copy_of(&live, &database)?;
        let with_wal = path("with-wal.sqlite");
        for end in ["", "-wal"] {
            let from = PathBuf::from(format!("{}{end}", live.display()));
            std::fs::copy(from, format!("{}{end}", with_wal.display()))?;
        }
        let note = insider.store.signed(&shard).await?.context("nothing was signed")?.note;
        let exported = path("export");
        let key = insider.publisher.signer.verifiers(&shard)?.remove(0);
        let export = Folder::new(&exported);
        export.write_keys(std::slice::from_ref(&key), &Roots::default())?;
        export.write(&*insider.store, &shard, None, &mut |_| {}).await?;
        Ok(Self {
            key,
            newest: Note::parse(&note)?,
            size,
            signed,
            most_between: MOST_BETWEEN,
            shard,
            database,
            yesterday,
            with_wal,
            exported,
            folder,
        })
    }

    pub(super) fn half_year(&self) -> &str {
        self.shard.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn with_outside(&self) -> Trust {
        Trust {
            keys: vec![self.key.clone()],
            witnesses: Vec::new(),
            authorities: None,
            outside: vec![self.newest.clone()],
        }
    }

    pub(super) fn without_outside(&self) -> Trust {
        Trust { outside: Vec::new(), ..self.with_outside() }
    }

    /// Lets whoever has the keys go on with a copy of the database, which must not be open anywhere.
    pub(super) fn go_on(&self, file: &Path, count: u64) -> Result<()> {
        let memory = file.with_extension("memory");
        let insider = Insider::new(file, &self.folder.path().join("keys"), &memory)?;
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(insider.grow(count)))
    }
}

/// A copy of a database that is open, in one file.
fn copy_of(live: &Path, to: &Path) -> Result<()> {
    let connection = rusqlite::Connection::open(live)?;
    connection.execute("VACUUM INTO ?1", [to.display().to_string()])?;
    Ok(())
}
