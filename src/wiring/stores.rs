//! The stores of a deployment on the engine that its configuration names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use lienthong_adapter_kit::Secret;
use lienthong_domain::time::Clock;

use super::lock_folder;
use crate::access::administer::Administration;
use crate::access::{self, store::AccessStore};
use crate::agreement::{self, qd766, store::AgreementStore};
use crate::audit::continuation::Continuation;
use crate::audit::memory::Memory;
use crate::audit::signer::Signer;
use crate::audit::store::AuditStore;
use crate::audit::{self, Recorder};
use crate::catalogue::{self, store::CatalogueStore};
use crate::config::{Engine, Settings};
use crate::dossiers;
use crate::erasure::{self, Eraser};
use crate::inbox::{self, links::store::LinkStore};
use crate::keyring::{self, Keyring};
use crate::outbox::{self, store::OutboxStore};
use crate::replicas::store::ReplicaStore;
use crate::replicas::{self, Bell};
use crate::storage::backlog::Backlog;
use crate::storage::bodies::Bodies;
use crate::storage::copy;
use crate::storage::disk::DiskWatch;
use crate::storage::generations::{KeyName, Purpose, in_use};
use crate::storage::keys::{Keys, check_value};
use crate::storage::migrations::{MIGRATIONS, Migration};
use crate::storage::postgres::{self, Postgres};
use crate::storage::sqlite::{self, Sqlite};
use crate::storage::{Database, StoreError};
use crate::webhooks::{self, Listening, store::WebhookStore};

/// The stores of a deployment, open. Commands that only look or decide need nothing else.
pub struct Stores {
    pub access: Arc<dyn AccessStore>,
    pub outbox: Arc<dyn OutboxStore>,
    /// What anybody is told of.
    pub listening: Arc<Listening>,
    pub audit: Arc<dyn AuditStore>,
    pub replicas: Arc<dyn ReplicaStore>,
    pub bell: Bell,
    pub(super) database: Database,
    /// Only where the database is a file here.
    pub(super) disk: Option<Arc<DiskWatch>>,
    pub(super) backlog: Arc<Backlog>,
    pub(super) keys: Arc<Keys>,
    pub(super) bodies: Arc<Bodies>,
    pub recorder: Arc<Recorder>,
}

/// Name of the database file in the data folder.
pub const DATABASE: &str = "lienthong.sqlite";

impl Stores {
    /// For commands beside a gateway: a store that is not there is a mistake in the configuration, not a new store.
    pub async fn open_existing(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let file = database_file(settings);
        if settings.storage.engine == Engine::Sqlite && !file.exists() {
            bail!("{}: there is no such database; is storage.sqlite.data_folder right?", file.display());
        }
        Self::open_with(settings, clock, false, false).await
    }

    pub async fn open(settings: &Settings, clock: &Arc<dyn Clock>, may_migrate: bool) -> anyhow::Result<Self> {
        Self::open_with(settings, clock, may_migrate, true).await
    }

    async fn open_with(
        settings: &Settings,
        clock: &Arc<dyn Clock>,
        may_migrate: bool,
        may_make: bool,
    ) -> anyhow::Result<Self> {
        let backlog = Arc::new(Backlog::new(settings.outbox.most_open));
        let (database, disk) = open_database(settings, &backlog, may_migrate).await?;
        refuse_part_of_a_copy(&database).await?;
        let known_keys = database.known_keys().await?;
        if known_keys.is_empty() && !may_make {
            bail!("no gateway has served this database yet: start one first");
        }
        let folder = Path::new(&settings.storage.keys_folder);
        let keys = Arc::new(Keys::open(folder, known_keys.is_empty(), &database.generations().await?)?);
        let bodies = Arc::new(Bodies::new(Arc::clone(&keys)));
        let recorder = Arc::new(Recorder::new(settings.deployment.name.clone(), Arc::clone(&keys), Arc::clone(clock)));
        let listening = Arc::<Listening>::default();
        listening.to(settings.webhooks.events());
        let stores = Self {
            access: access::store::open(&database),
            outbox: outbox::store::open(&database, &bodies, &recorder, &listening),
            listening,
            audit: audit::store::open(&database),
            replicas: replicas::store::open(&database),
            bell: Bell::of(&database),
            database,
            disk,
            backlog,
            keys,
            bodies,
            recorder,
        };
        let [present, next] = stores.recorder.half_years();
        stores.check_keys(&present).await?;
        if may_make && let Err(error) = stores.check_keys(&next).await {
            tracing::error!(%error, "a key that will be needed from the next half-year on");
        }
        Ok(stores)
    }

    /// Signs the audit log.
    pub fn signer(&self) -> Signer {
        Signer::new(Arc::clone(&self.keys))
    }

    /// Changes keys.
    pub fn keyring(&self, clock: &Arc<dyn Clock>) -> Keyring {
        Keyring {
            store: keyring::store::open(&self.database),
            database: self.database.clone(),
            keys: Arc::clone(&self.keys),
            bodies: Arc::clone(&self.bodies),
            recorder: Arc::clone(&self.recorder),
            clock: Arc::clone(clock),
        }
    }

    /// Destroys what other replicas have destroyed: keys that were retired, and those of the pseudonyms of logs whose records are
    /// not kept any more.
    pub(super) async fn destroy_old_keys(&self, clock: &Arc<dyn Clock>) -> Result<(), StoreError> {
        self.keyring(clock).destroy_retired().await?;
        for log in self.audit.closed().await?.iter().filter(|log| log.dropped_at.is_some()) {
            self.keys.destroy_shard(&log.shard)?;
        }
        Ok(())
    }

    /// Goes on with the keys that are in use now; returns which of them are here, and the number of the one
    /// that wraps contents; or which one is missing, without which this replica must not go on.
    pub(super) async fn take_up_keys(&self) -> Result<Result<(String, Option<i64>), String>, StoreError> {
        let generations = self.database.generations().await?;
        let known = self.database.key_values().await?;
        let is_right = |name: &KeyName| {
            let known = known.get(&name.file());
            known.is_some_and(|known| check_value(self.keys.folder(), &name.file()).is_ok_and(|value| value == **known))
        };
        let here: Vec<KeyName> = self.keys.files()?.into_iter().filter(is_right).collect();
        for purpose in Purpose::ALL {
            if let Some(missing) = in_use(&generations, purpose).into_iter().find(|name| !here.contains(name)) {
                let folder = self.keys.folder().display();
                return Ok(Err(format!(
                    "{missing} is in use, and in {folder} it is not, or it is another one: copy it from a replica that works"
                )));
            }
        }
        self.keys.take_up(&generations)?;
        let here: Vec<String> = here.iter().map(KeyName::to_string).collect();
        Ok(Ok((here.join(" "), Some(self.keys.wrapping()?.0))))
    }

    /// Lets logs go on under another name.
    pub fn continuation(&self) -> Continuation {
        Continuation {
            store: Arc::clone(&self.audit),
            recorder: Arc::clone(&self.recorder),
            signer: self.signer(),
            memory: Memory::new(self.keys.folder()),
        }
    }

    /// The copy of the national catalogue.
    pub fn catalogue(&self) -> Arc<dyn CatalogueStore> {
        catalogue::store::open(&self.database)
    }

    /// Checks whether province and nation agree, and what differs.
    pub fn agreement(&self) -> Arc<dyn AgreementStore> {
        agreement::store::open(&self.database, &self.bodies)
    }

    /// Files that messages name by an address.
    pub fn links(&self) -> Arc<dyn LinkStore> {
        inbox::links::store::open(&self.database)
    }

    pub fn webhooks(&self) -> Arc<dyn WebhookStore> {
        webhooks::store::open(&self.database)
    }

    /// Makes reports of what the nation holds.
    pub fn qd766(
        &self,
        settings: &Settings,
        copy: &Arc<catalogue::Copy>,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<qd766::Compile> {
        Ok(qd766::Compile {
            store: qd766::store::open(&self.database, &self.bodies),
            procedures: Arc::new(catalogue::Facts { copy: Arc::clone(copy), store: self.catalogue() }),
            agencies: Arc::new(settings.agency_register()),
            terms: settings.reports.terms(),
            calendar: settings.reports.calendar().context("reports.holidays_file")?,
            clock: Arc::clone(clock),
        })
    }

    /// Decides about what differs.
    pub fn agreement_decisions(&self, clock: &Arc<dyn Clock>) -> agreement::Decisions {
        agreement::Decisions {
            store: self.agreement(),
            dossiers: dossiers::store::open(&self.database, &self.recorder),
            outbox: Arc::clone(&self.outbox),
            recorder: Arc::clone(&self.recorder),
            clock: Arc::clone(clock),
            bell: self.bell.clone(),
        }
    }

    /// Erases contents.
    pub fn eraser(&self) -> Eraser {
        Eraser { store: erasure::store::open(&self.database), recorder: Arc::clone(&self.recorder) }
    }

    /// What is left of erased contents, and where: for whoever has erased some.
    pub fn what_erasure_leaves(&self) -> &'static str {
        match self.database {
            Database::Sqlite(_) => {
                "Tệp cơ sở dữ liệu không còn gì; bản sao lưu cũ thì còn, đến khi hủy. / The database files have nothing left of \
                 it; older backups have, until they are destroyed (docs/operations/erasure.md)."
            }
            Database::Postgres(_) => {
                "WAL, bản sao và sao lưu của PostgreSQL còn giữ bản mã đến khi đổi khóa nội dung. / PostgreSQL's log, standbys \
                 and backups keep the ciphertext; it can be read until the key of contents is changed (docs/operations/erasure.md)."
            }
        }
    }

    /// What operators do with clients.
    pub fn administration(&self, clock: &Arc<dyn Clock>) -> Administration {
        Administration {
            store: Arc::clone(&self.access),
            keys: Arc::clone(&self.keys),
            recorder: Arc::clone(&self.recorder),
            clock: Arc::clone(clock),
        }
    }

    /// The keys that this half-year needs: made if no replica has made them yet, and the same as theirs.
    pub(super) async fn check_keys(&self, half_year: &str) -> Result<(), StoreError> {
        let names = self.keys.names(half_year);
        let known = self.database.known_keys().await?;
        // One that was taken into use or retired is never made anew: here it would be another one.
        let generations = self.database.generations().await?;
        let was_used = |name: &str| generations.iter().any(|generation| generation.key.file() == name);
        self.keys.make(names.iter().filter(|name| !known.contains(name) && !was_used(name)))?;
        self.database.check_keys(&self.keys, &names).await
    }
}

fn database_file(settings: &Settings) -> PathBuf {
    Path::new(&settings.storage.sqlite.data_folder).join(DATABASE)
}

async fn open_database(
    settings: &Settings,
    backlog: &Arc<Backlog>,
    may_migrate: bool,
) -> anyhow::Result<(Database, Option<Arc<DiskWatch>>)> {
    match settings.storage.engine {
        Engine::Sqlite => {
            let sqlite = &settings.storage.sqlite;
            let folder = PathBuf::from(&sqlite.data_folder);
            std::fs::create_dir_all(&folder).with_context(|| format!("data folder {}", folder.display()))?;
            let disk = Arc::new(DiskWatch::new(folder, settings.least_free()));
            let (file, limits, backlog) = (database_file(settings), sqlite_limits(settings), Arc::clone(backlog));
            let database = Sqlite::open(&file, &limits, Arc::clone(&disk), backlog, MIGRATIONS, may_migrate)?;
            Ok((Database::Sqlite(database), Some(disk)))
        }
        Engine::Postgres => {
            let limits = postgres::Limits {
                write_queue: settings.storage.write_queue,
                batch_items: settings.storage.batch_items,
                writers: settings.storage.postgres.writers,
            };
            let backlog = Arc::clone(backlog);
            let address = postgres_settings(settings);
            let database = Postgres::open(&address, limits, backlog, MIGRATIONS, may_migrate).await?;
            Ok((Database::Postgres(database), None))
        }
    }
}

/// Brings the database to this program's schema; returns the migrations that were run.
pub async fn migrate(settings: &Settings) -> anyhow::Result<Vec<&'static Migration>> {
    match settings.storage.engine {
        Engine::Sqlite => {
            let folder = Path::new(&settings.storage.sqlite.data_folder);
            let _lock = lock_folder(folder)?;
            Ok(Sqlite::migrate(&database_file(settings), &sqlite_limits(settings), MIGRATIONS)?)
        }
        Engine::Postgres => Ok(Postgres::migrate(&postgres_settings(settings), MIGRATIONS).await?),
    }
}

/// Before anything is written: a copy that is not finished must find what it has left.
pub(super) async fn refuse_part_of_a_copy(database: &Database) -> Result<(), StoreError> {
    match database {
        Database::Sqlite(_) => Ok(()),
        Database::Postgres(database) => copy::refuse_unfinished(database).await,
    }
}

fn sqlite_limits(settings: &Settings) -> sqlite::Limits {
    let storage = &settings.storage;
    sqlite::Limits {
        write_queue: storage.write_queue,
        batch_items: storage.batch_items,
        readers: storage.sqlite.readers,
        busy_timeout: Duration::from_millis(storage.sqlite.busy_timeout_ms),
        wal_bytes: storage.sqlite.wal_bytes,
        cache_bytes: storage.sqlite.cache_bytes,
    }
}

/// How to reach the server that the configuration names.
pub fn postgres_settings(settings: &Settings) -> postgres::Settings {
    let postgres = &settings.storage.postgres;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    postgres::Settings {
        url: postgres.url.clone(),
        password: given(postgres.password.expose()).map(Secret::new),
        ca_file: given(&postgres.ca_file).map(PathBuf::from),
        most_connections: postgres.most_connections,
        connect_timeout: Duration::from_millis(postgres.connect_timeout_ms),
        statement_timeout: Duration::from_millis(postgres.statement_timeout_ms),
    }
}
