//! The stores as the gateway has them, driven in process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;
use lienthong::audit::store::AuditStore;
use lienthong::audit::{Draft, Kind, Outcome, Recorder};
use lienthong::dossiers::store::{DossierRow, DossierStore, PutDossier};
use lienthong::outbox::store::{OutboxStore, Settlement};
use lienthong::outbox::{Claimed, Learned, NewItem, Status};
use lienthong::replicas::Leadership;
use lienthong::replicas::store::ReplicaStore;
use lienthong::storage::backlog::Backlog;
use lienthong::storage::bodies::Bodies;
use lienthong::storage::disk::{DiskWatch, LeastFree};
use lienthong::storage::keys::Keys;
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::postgres::{self, Postgres};
use lienthong::storage::sqlite::{self, Sqlite};
use lienthong::storage::{Database, StoreError};
use lienthong_domain::dossier::DossierState;
use lienthong_domain::port::Presence;
use lienthong_domain::time::{Clock, SystemClock};
use tempfile::TempDir;
use uuid::Uuid;

/// Bytes of a body, as a small dossier has them.
const BODY: [u8; 1024] = [b'x'; 1024];

/// Items of a claim, and claims at a time.
const CLAIM: usize = 128;
const CLAIMERS: usize = 4;

/// Callers that only fill the store.
const FILLERS: usize = 1024;

pub(crate) struct Stores {
    _folder: TempDir,
    database: Database,
    maker: Arc<Maker>,
    dossiers: Arc<dyn DossierStore>,
    outbox: Arc<dyn OutboxStore>,
    audit: Arc<dyn AuditStore>,
    replicas: Arc<dyn ReplicaStore>,
    replica: Uuid,
}

/// Makes the values of new dossiers, each with a code of its own.
pub(crate) struct Maker {
    bodies: Bodies,
    recorder: Arc<Recorder>,
    series: String,
    next: AtomicUsize,
}

impl Maker {
    pub(crate) fn new(folder: &std::path::Path) -> Result<Self> {
        let keys = Arc::new(Keys::open(folder, true, &[])?);
        let recorder = Arc::new(Recorder::new("bench".into(), Arc::clone(&keys), Arc::new(SystemClock)));
        for half_year in recorder.half_years() {
            keys.make(&keys.names(&half_year))?;
        }
        let series = format!("{:08x}", fastrand::u32(..));
        Ok(Self { bodies: Bodies::new(keys), recorder, series, next: AtomicUsize::new(1) })
    }

    pub(crate) fn put(&self) -> Result<PutDossier, StoreError> {
        let code = format!("H15.50-{}-{:08}", self.series, self.next.fetch_add(1, Ordering::Relaxed));
        let (now, body) = (SystemClock.now(), self.bodies.seal(&BODY)?);
        let (operation_id, agency_id) = (Uuid::now_v7(), "000.00.50.H15".to_owned());
        let item = NewItem {
            id: Uuid::now_v7(),
            operation_id,
            client_id: "bench".into(),
            agency_id: agency_id.clone(),
            route: "dossier-portal",
            lane: code.clone(),
            kind: "dossier.sync",
            ordinal: 1,
            body_id: body.id,
            accepted_at: now,
            // As of every request that a gateway accepts.
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".into()),
        };
        let outcome = Outcome { status: Some(202), ..Outcome::decided("accepted") };
        let mut draft = Draft::new(Kind::Accept, "dossier.sync", outcome).client("bench", &agency_id).subject(&code);
        draft.person = Some("001099012345");
        draft.procedure = Some("1.001612");
        draft.dir = Some("in");
        draft = draft.body(&body);
        let record = self.recorder.seal(&draft)?;
        let row = DossierRow {
            code,
            client_id: "bench".into(),
            agency_id,
            procedure_code: "1.001612".into(),
            revision: 1,
            digest: [7; 32],
            state: DossierState::Received,
            step_state: None,
            steps: 0,
            body_id: body.id,
            operation_id,
            accepted_at: now,
            updated_at: now,
        };
        Ok(PutDossier { row, expected_revision: None, body, item, report: None, record })
    }
}

impl Stores {
    pub(crate) async fn on_sqlite() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let disk = Arc::new(DiskWatch::new(folder.path().to_owned(), LeastFree::default()));
        let limits = sqlite::Limits {
            write_queue: 8192,
            batch_items: 2048,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            wal_bytes: 64 << 20,
            cache_bytes: 64 << 20,
        };
        let file = folder.path().join("lienthong.sqlite");
        let backlog = Arc::new(Backlog::new(u64::MAX));
        let database = Database::Sqlite(Sqlite::open(&file, &limits, disk, backlog, MIGRATIONS, true)?);
        Self::of(folder, database).await
    }

    pub(crate) async fn on_postgres(url: &str) -> Result<Self> {
        let settings = postgres::Settings {
            url: url.to_owned(),
            password: None,
            ca_file: None,
            most_connections: 20,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(60),
        };
        let limits = postgres::Limits { write_queue: 8192, batch_items: 2048, writers: 2 };
        let backlog = Arc::new(Backlog::new(u64::MAX));
        let database = Postgres::open(&settings, limits, backlog, MIGRATIONS, true).await?;
        Self::of(tempfile::tempdir()?, Database::Postgres(database)).await
    }

    async fn of(folder: TempDir, database: Database) -> Result<Self> {
        let maker = Arc::new(Maker::new(&folder.path().join("keys"))?);
        let recorder = Arc::clone(&maker.recorder);
        let bodies = Arc::new(Bodies::new(Arc::new(Keys::open(&folder.path().join("keys"), false, &[])?)));
        let replicas = lienthong::replicas::store::open(&database);
        let replica = Uuid::now_v7();
        replicas.join(replica, Duration::from_secs(3600)).await?;
        Ok(Self {
            dossiers: lienthong::dossiers::store::open(&database, &recorder),
            outbox: lienthong::outbox::store::open(&database, &bodies, &recorder, &Arc::default()),
            audit: lienthong::audit::store::open(&database),
            replicas,
            replica,
            maker,
            database,
            _folder: folder,
        })
    }

    /// Accepts a second, each value made by its caller.
    pub(crate) async fn accepts(&self, callers: usize, length: Duration) -> Result<f64> {
        let started = Instant::now();
        let tasks = (0..callers).map(|_| {
            let (dossiers, maker) = (Arc::clone(&self.dossiers), Arc::clone(&self.maker));
            tokio::spawn(async move {
                let mut accepted = 0_u64;
                while started.elapsed() < length {
                    dossiers.put(maker.put()?).await?;
                    accepted += 1;
                }
                Ok::<_, StoreError>(accepted)
            })
        });
        sum(tasks, started).await
    }

    /// The same with values that were made before the clock ran.
    pub(crate) async fn accepts_of_ready_values(&self, callers: usize, length: Duration) -> Result<f64> {
        let ready = (0..200_000).map(|_| self.maker.put()).collect::<Result<Vec<_>, _>>()?;
        let ready = Arc::new(Mutex::new(ready.into_iter()));
        let started = Instant::now();
        let tasks = (0..callers).map(|_| {
            let (dossiers, ready) = (Arc::clone(&self.dossiers), Arc::clone(&ready));
            tokio::spawn(async move {
                let mut accepted = 0_u64;
                while started.elapsed() < length {
                    let Some(value) = ready.lock().unwrap_or_else(PoisonError::into_inner).next() else { break };
                    dossiers.put(value).await?;
                    accepted += 1;
                }
                Ok::<_, StoreError>(accepted)
            })
        });
        sum(tasks, started).await
    }

    /// So many accepts, a second.
    pub(crate) async fn accepts_of(&self, rows: usize, callers: usize) -> Result<f64> {
        let started = Instant::now();
        self.fill(rows, callers).await?;
        Ok(rows as f64 / started.elapsed().as_secs_f64())
    }

    /// Items claimed and settled as delivered, a second; as many as are claimed in this time.
    pub(crate) async fn claims(&self, length: Duration) -> Result<f64> {
        // Enough to do for all of the time.
        self.fill_waiting(200_000).await?;
        self.claim_while(move |started, _| started.elapsed() < length).await
    }

    /// The same for so many items.
    pub(crate) async fn claims_of(&self, items: usize) -> Result<f64> {
        self.claim_while(move |_, settled| settled < items).await
    }

    async fn claim_while(&self, goes_on: impl Fn(Instant, usize) -> bool + Copy + Send + 'static) -> Result<f64> {
        let (started, settled) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..CLAIMERS).map(|_| {
            let (outbox, replica, settled) = (Arc::clone(&self.outbox), self.replica, Arc::clone(&settled));
            tokio::spawn(async move {
                let mut mine = 0;
                while goes_on(started, settled.load(Ordering::Relaxed)) {
                    let claimed = outbox.claim(replica, SystemClock.now(), 600_000, CLAIM).await?;
                    if claimed.is_empty() {
                        break;
                    }
                    let outcomes = claimed.iter().map(|claimed| outbox.settle(delivered(claimed)));
                    let done = try_join_all(outcomes).await?.len();
                    settled.fetch_add(done, Ordering::Relaxed);
                    mine += done as u64;
                }
                Ok::<_, StoreError>(mine)
            })
        });
        sum(tasks, started).await
    }

    /// Audit records given their places, a second; nothing where that happens as they are written.
    pub(crate) async fn places(&self) -> Result<Option<f64>> {
        if matches!(self.database, Database::Sqlite(_)) {
            return Ok(None);
        }
        let epoch = self.replicas.hold("leader", self.replica).await?.unwrap_or_default();
        let (leadership, started) = (Leadership { holder: self.replica, epoch }, Instant::now());
        let mut placed = 0;
        loop {
            match self.audit.place(leadership, 5000).await? {
                0 => return Ok(Some(placed as f64 / started.elapsed().as_secs_f64())),
                some => placed += some,
            }
        }
    }

    pub(crate) async fn fill_up_to(&self, rows: usize) -> Result<()> {
        let stored = self.maker.next.load(Ordering::Relaxed);
        self.fill(rows.saturating_sub(stored), FILLERS).await?;
        self.places().await.map(drop)
    }

    async fn fill_waiting(&self, most: usize) -> Result<()> {
        let waiting: i64 = self.outbox.counts().await?.by_status.iter().map(|(_, count)| count).sum();
        self.fill(most.saturating_sub(usize::try_from(waiting)?), FILLERS).await?;
        self.places().await.map(drop)
    }

    async fn fill(&self, rows: usize, callers: usize) -> Result<()> {
        let left = Arc::new(AtomicUsize::new(rows));
        let tasks = (0..callers).map(|_| {
            let (dossiers, maker, left) = (Arc::clone(&self.dossiers), Arc::clone(&self.maker), Arc::clone(&left));
            tokio::spawn(async move {
                while left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    dossiers.put(maker.put()?).await?;
                }
                Ok::<_, StoreError>(0)
            })
        });
        sum(tasks, Instant::now()).await.map(drop)
    }
}

fn delivered(claimed: &Claimed) -> Settlement {
    Settlement {
        id: claimed.item.id,
        fence: claimed.item.fence,
        operation: "bench",
        to: Status::Delivered,
        due_at: None,
        problem: None,
        learned: Learned { presence: Some(Presence::Present), acknowledged_revision: Some(1) },
        now: SystemClock.now(),
    }
}

async fn sum(
    tasks: impl Iterator<Item = tokio::task::JoinHandle<Result<u64, StoreError>>>,
    started: Instant,
) -> Result<f64> {
    let mut total = 0;
    for counted in try_join_all(tasks).await? {
        total += counted?;
    }
    Ok(total as f64 / started.elapsed().as_secs_f64())
}
