//! Stores in a folder that is thrown away.

use std::sync::Arc;
use std::time::Duration;

use lienthong::audit::Recorder;
use lienthong::storage::backlog::Backlog;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::disk::DiskWatch;
use lienthong::storage::keys::Keys;
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::sqlite::{Limits, Sqlite};
use lienthong_domain::time::SystemClock;
use tempfile::TempDir;

pub(crate) struct Stores {
    pub(crate) folder: TempDir,
    pub(crate) database: Sqlite,
    pub(crate) bodies: Arc<Bodies>,
    pub(crate) recorder: Arc<Recorder>,
}

impl Stores {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::open(&folder.path().join("keys"), true).unwrap());
        let disk = Arc::new(DiskWatch::new(folder.path().to_owned(), 0, 0));
        let limits = Limits {
            write_queue: 1000,
            batch_items: 100,
            readers: 2,
            busy_timeout: Duration::from_secs(5),
            wal_bytes: 1 << 20,
            cache_bytes: 1 << 20,
        };
        let database = Sqlite::open(
            &folder.path().join("lienthong.sqlite"),
            &limits,
            disk,
            Arc::new(Backlog::new(100)),
            MIGRATIONS,
            true,
        )
        .unwrap();
        let bodies = Arc::new(Bodies::new(Arc::clone(&keys)));
        let recorder = Arc::new(Recorder::new("test".into(), Arc::clone(&keys), Arc::new(SystemClock)));
        for half_year in recorder.half_years() {
            keys.make_shard(&half_year).unwrap();
        }
        Self { folder, database, bodies, recorder }
    }

    /// A second connection, as an auditor would open it.
    pub(crate) fn read(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("lienthong.sqlite")).unwrap()
    }
}
