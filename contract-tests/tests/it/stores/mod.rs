//! What every topic's store promises, on both engines: one suite a topic, each test once an engine.

mod access;
mod agreement;
pub(crate) mod audit;
mod batches;
mod catalogue;
mod checkpoints;
mod dossier_list;
mod dossiers;
mod erasure;
mod export;
mod idempotency;
mod inbox;
mod keyring;
mod keys;
mod lanes;
mod leader;
mod leases;
mod links;
mod member;
mod migrations;
mod outbox;
mod postgres;
mod qd766;
mod replicas;
mod retention;
mod search;
mod sqlite;
mod upstream_sessions;
mod webhooks;
mod writes;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lienthong::access::idempotency::store::ReplyStore;
use lienthong::access::store::AccessStore;
use lienthong::audit::Recorder;
use lienthong::audit::store::AuditStore;
use lienthong::dossiers::store::DossierStore;
use lienthong::outbox::NewItem;
use lienthong::outbox::store::OutboxStore;
use lienthong::replicas::Leadership;
use lienthong::replicas::store::ReplicaStore;
use lienthong::storage::backlog::Backlog;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::disk::{DiskWatch, LeastFree};
use lienthong::storage::keys::Keys;
use lienthong::storage::migrations::{MIGRATIONS, Migration};
use lienthong::storage::postgres::Postgres;
use lienthong::storage::sqlite::Sqlite;
use lienthong::storage::{self, Database, StoreError};
use lienthong::webhooks::Listening;
use lienthong_contract_tests::postgres::{fresh_database, server_for_tests};
use lienthong_domain::time::{Clock, SystemClock, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// Runs each of these tests on both engines.
macro_rules! on_both_engines {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() { super::$test(super::super::Stores::on_sqlite().await).await })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() { super::$test(super::super::Stores::on_postgres().await).await })+
        }
    };
}
pub(crate) use on_both_engines;

/// Runs each of these tests on PostgreSQL: what only several replicas can show.
macro_rules! only_on_postgres {
    ($($test:ident),+ $(,)?) => {
        mod only_on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() { super::$test(super::super::Stores::on_postgres().await).await })+
        }
    };
}
pub(crate) use only_on_postgres;

/// Where a database is, so that it can be opened more than once.
#[derive(Clone)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(storage::postgres::Settings),
}

/// How to reach a database of the test server.
pub(crate) fn postgres_settings(url: String) -> storage::postgres::Settings {
    storage::postgres::Settings {
        url,
        password: None,
        ca_file: None,
        most_connections: 12,
        connect_timeout: Duration::from_secs(5),
        statement_timeout: Duration::from_secs(5),
    }
}

pub(crate) const POSTGRES_LIMITS: storage::postgres::Limits =
    storage::postgres::Limits { write_queue: 1000, batch_items: 100, writers: 2 };

pub(crate) const SQLITE_LIMITS: storage::sqlite::Limits = storage::sqlite::Limits {
    write_queue: 1000,
    batch_items: 100,
    readers: 2,
    busy_timeout: Duration::from_secs(5),
    wal_bytes: 1 << 20,
    cache_bytes: 1 << 20,
};

impl Place {
    pub(crate) fn in_folder(folder: &TempDir) -> Self {
        Self::Sqlite(folder.path().join("lienthong.sqlite"))
    }

    /// A database of its own on the test server.
    pub(crate) async fn on_server() -> Self {
        let server = server_for_tests().unwrap_or_else(|reason| panic!("{reason}"));
        Self::Postgres(postgres_settings(fresh_database(&server).await.unwrap()))
    }

    pub(crate) async fn open(&self, known: &'static [Migration], may_migrate: bool) -> Result<Database, StoreError> {
        let backlog = Arc::new(Backlog::new(100));
        match self {
            Self::Sqlite(file) => {
                let disk = Arc::new(DiskWatch::new(file.parent().unwrap().to_owned(), LeastFree::default()));
                Sqlite::open(file, &SQLITE_LIMITS, disk, backlog, known, may_migrate).map(Database::Sqlite)
            }
            Self::Postgres(settings) => {
                let opened = Postgres::open(settings, POSTGRES_LIMITS, backlog, known, may_migrate);
                opened.await.map(Database::Postgres)
            }
        }
    }

    pub(crate) fn settings(&self) -> &storage::postgres::Settings {
        match self {
            Self::Sqlite(_) => panic!("only PostgreSQL is reached by an address"),
            Self::Postgres(settings) => settings,
        }
    }

    /// A connection that belongs to no gateway.
    pub(crate) async fn outsider(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.settings().url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// All stores of a database, with one replica that has joined.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) folder: Arc<TempDir>,
    pub(crate) place: Place,
    pub(crate) database: Database,
    pub(crate) bodies: Arc<Bodies>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) access: Arc<dyn AccessStore>,
    pub(crate) outbox: Arc<dyn OutboxStore>,
    /// Nobody, until a test says so.
    pub(crate) listening: Arc<Listening>,
    pub(crate) dossiers: Arc<dyn DossierStore>,
    pub(crate) replies: Arc<dyn ReplyStore>,
    pub(crate) audit: Arc<dyn AuditStore>,
    pub(crate) replicas: Arc<dyn ReplicaStore>,
    pub(crate) replica: Uuid,
}

impl Stores {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let place = Place::in_folder(&folder);
        Self::at(folder, place).await
    }

    pub(crate) async fn on_postgres() -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), Place::on_server().await).await
    }

    pub(crate) async fn at(folder: Arc<TempDir>, place: Place) -> Self {
        let database = place.open(MIGRATIONS, true).await.unwrap();
        let stores = Self::of(folder, place, database, Uuid::now_v7());
        stores.replicas.join(stores.replica, Duration::from_secs(600)).await.unwrap();
        stores
    }

    /// Stores of an open database; the replica has still to join.
    pub(crate) fn of(folder: Arc<TempDir>, place: Place, database: Database, replica: Uuid) -> Self {
        let keys = Arc::new(Keys::open(&folder.path().join("keys"), true, &[]).unwrap());
        let bodies = Arc::new(Bodies::new(Arc::clone(&keys)));
        let listening = Arc::<Listening>::default();
        let recorder = Arc::new(Recorder::new("test".into(), Arc::clone(&keys), Arc::new(SystemClock)));
        for half_year in recorder.half_years() {
            keys.make(&keys.names(&half_year)).unwrap();
        }
        Self {
            access: lienthong::access::store::open(&database),
            outbox: lienthong::outbox::store::open(&database, &bodies, &recorder, &listening),
            listening,
            dossiers: lienthong::dossiers::store::open(&database, &recorder),
            replies: lienthong::access::idempotency::store::open(&database),
            audit: lienthong::audit::store::open(&database),
            replicas: lienthong::replicas::store::open(&database),
            folder,
            place,
            database,
            bodies,
            recorder,
            replica,
        }
    }

    /// Another replica on the same database. SQLite has only one: there it is the same one once more.
    pub(crate) async fn beside(&self) -> Self {
        let (folder, place) = (Arc::clone(&self.folder), self.place.clone());
        match &self.database {
            Database::Sqlite(_) => Self::of(folder, place, self.database.clone(), self.replica),
            Database::Postgres(_) => Self::at(folder, place).await,
        }
    }

    /// Enqueues items in one transaction, as a topic's store does.
    pub(crate) async fn enqueue(&self, items: &[NewItem]) {
        match &self.database {
            Database::Sqlite(database) => {
                let items = items.to_vec();
                let work = move |transaction: &mut storage::sqlite::Transaction<'_>| {
                    items.iter().try_for_each(|item| lienthong::outbox::store::sqlite::enqueue(transaction, item))
                };
                database.writer.accept(work).await.unwrap();
            }
            Database::Postgres(database) => {
                let mut connection = database.connection().await.unwrap();
                let transaction = storage::postgres::Transaction::begin(&mut connection).await.unwrap();
                let items: Vec<&NewItem> = items.iter().collect();
                lienthong::outbox::store::postgres::enqueue(&transaction, &items).await.unwrap();
                transaction.commit().await.unwrap();
            }
        }
    }

    pub(crate) async fn enqueue_full_state(&self, item: &NewItem) {
        match &self.database {
            Database::Sqlite(database) => {
                let (item, recorder) = (item.clone(), Arc::clone(&self.recorder));
                let work = move |transaction: &mut storage::sqlite::Transaction<'_>| {
                    lienthong::outbox::store::sqlite::enqueue_full_state(transaction, &item, &recorder)
                };
                database.writer.accept(work).await.unwrap();
            }
            Database::Postgres(database) => {
                let mut connection = database.connection().await.unwrap();
                let transaction = storage::postgres::Transaction::begin(&mut connection).await.unwrap();
                lienthong::outbox::store::postgres::enqueue_full_states(&transaction, &[item], &self.recorder)
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
        }
    }

    pub(crate) async fn lead(&self) -> Leadership {
        let epoch = self.replicas.hold("leader", self.replica).await.unwrap().unwrap();
        Leadership { holder: self.replica, epoch }
    }

    /// Everything in the audit log, in its order, after every record was given its place.
    pub(crate) async fn log(&self) -> Vec<Value> {
        let leadership = self.lead().await;
        while self.audit.place(leadership, 100).await.unwrap() > 0 {}
        let mut log = Vec::new();
        for shard in self.audit.shards().await.unwrap() {
            for record in self.audit.records(&shard, 0, 100_000).await.unwrap() {
                log.push(serde_json::from_slice(&record.bytes).unwrap());
            }
        }
        log
    }

    /// What a statement in the words of both engines counts.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        match &self.database {
            Database::Sqlite(database) => {
                let read =
                    move |connection: &rusqlite::Connection| Ok(connection.query_row(sql, [], |row| row.get(0))?);
                database.readers.read(read).await.unwrap()
            }
            Database::Postgres(database) => database.query(sql, &[]).await.unwrap()[0].get(0),
        }
    }
}

/// Tries again until it holds; a promise about something that happens by itself.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(std::time::Instant::now() < deadline, "not after 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A clock that is set by hand.
pub(crate) struct Hand(pub(crate) Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub(crate) fn instant(text: &str) -> Timestamp {
    lienthong_domain::scalar::Scalar::parse(text).unwrap()
}
