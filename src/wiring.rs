//! From a configuration to a running gateway: the only place that sees everything.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lienthong_adapter_kit::breaker::Breaker;
use lienthong_adapter_kit::card::{Card, Tools};
use lienthong_domain::time::Clock;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::access::idempotency::Replies;
use crate::access::idempotency::store::SqliteReplies;
use crate::access::{Client, Clients};
use crate::audit::Recorder;
use crate::config::{Loaded, Settings};
use crate::dossiers::store::SqliteDossiers;
use crate::dossiers::{Dossiers, Limits, PortalDelivery};
use crate::http::health::Health;
use crate::http::layers::HttpLimits;
use crate::http::router::{self, Topics};
use crate::outbox::http::Operations;
use crate::outbox::store::{OutboxStore, SqliteOutbox};
use crate::outbox::{RetrySchedule, Worker, WorkerSettings};
use crate::storage::backlog::Backlog;
use crate::storage::bodies::Bodies;
use crate::storage::disk::DiskWatch;
use crate::storage::keys::Keys;
use crate::storage::sqlite::{self, Sqlite};

/// The stores of a deployment, open. Commands that only look or decide need nothing else.
pub struct Stores {
    pub outbox: Arc<dyn OutboxStore>,
    database: Sqlite,
    disk: Arc<DiskWatch>,
    backlog: Arc<Backlog>,
    keys: Arc<Keys>,
    bodies: Arc<Bodies>,
    recorder: Arc<Recorder>,
}

/// Name of the database file in the data folder.
const DATABASE: &str = "lienthong.sqlite";

impl Stores {
    /// For commands beside a gateway: a store that is not there is a mistake in the configuration, not a new store.
    pub fn open_existing(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let file = Path::new(&settings.storage.data_folder).join(DATABASE);
        if !file.exists() {
            bail!("{}: there is no such database; is storage.data_folder right?", file.display());
        }
        Self::open(settings, clock)
    }

    pub fn open(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let storage = &settings.storage;
        let folder = PathBuf::from(&storage.data_folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("data folder {}", folder.display()))?;
        let file = folder.join(DATABASE);
        let keys = Arc::new(Keys::open(Path::new(&storage.keys_folder), !file.exists())?);
        let disk = Arc::new(DiskWatch::new(folder, storage.least_free_bytes, storage.least_free_percent));
        let limits = sqlite::Limits {
            write_queue: storage.write_queue,
            batch_items: storage.batch_items,
            readers: storage.readers,
            busy_timeout: Duration::from_millis(storage.busy_timeout_ms),
            wal_bytes: storage.wal_bytes,
        };
        let backlog = Arc::new(Backlog::new(settings.outbox.most_open));
        let database = Sqlite::open(&file, &limits, Arc::clone(&disk), Arc::clone(&backlog))?;
        let bodies = Arc::new(Bodies::new(Arc::clone(&keys)));
        let recorder = Arc::new(Recorder::new(settings.deployment.name.clone(), Arc::clone(&keys), Arc::clone(clock)));
        let (half_year, shard) = recorder.present_shard();
        if database.has_audit_shard(&shard) {
            keys.require_shard(&half_year)?;
        }
        let outbox = Arc::new(SqliteOutbox::new(database.clone(), Arc::clone(&bodies), Arc::clone(&recorder)));
        Ok(Self { outbox, database, disk, backlog, keys, bodies, recorder })
    }
}

/// A running gateway.
pub struct Gateway {
    address: SocketAddr,
    server: axum_server::Handle<SocketAddr>,
    drain: Duration,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Held while this process serves the data folder.
    _lock: std::fs::File,
}

impl Gateway {
    /// Opens the stores, takes back what an earlier process left, and serves.
    pub async fn start(loaded: &Loaded, cards: &[Card], clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let settings = &loaded.settings;
        // Before anything is read: a second gateway on this folder must not even migrate it.
        let lock = lock_folder(Path::new(&settings.storage.data_folder))?;
        let stores = Stores::open(settings, &clock)?;
        let now = clock.now();
        let look_up_at = now.plus_millis(settings.outbox.look_up_delay_ms.into());
        let taken_back = stores.outbox.take_back_leases(now, look_up_at).await?;
        tracing::info!(taken_back, "recovered");
        let wake = Arc::new(Notify::new());
        let worker = worker(loaded, cards, &stores, &clock, &wake)?;
        let topics = topics(settings, &stores, &clock, &wake)?;

        let listener = std::net::TcpListener::bind(&settings.server.listen)
            .with_context(|| format!("cannot listen on {}", settings.server.listen))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let handle = axum_server::Handle::new();
        let mut server = axum_server::from_tcp(listener)?.handle(handle.clone());
        // HTTP/1.1 only: the other protocol has limits of its own that nobody has set.
        *server.http_builder() = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new()).http1_only();
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(settings.http.header_read_timeout_ms));
        let routes = router::all(&topics, &http_limits(settings)).into_make_service();
        let serve = tokio::spawn(async move {
            if let Err(error) = server.serve(routes).await {
                tracing::error!(%error, "the server ended");
            }
        });

        let (stop, stopped) = watch::channel(false);
        let deliver = tokio::spawn(worker.run(stopped.clone()));
        let keep_house = tokio::spawn(keep_house(
            stores,
            Arc::clone(&topics.dossiers.replies),
            settings.idempotency.keep_hours,
            clock,
            stopped,
        ));
        tracing::info!(%address, "serving");
        Ok(Self {
            address,
            server: handle,
            drain: Duration::from_millis(settings.server.drain_ms),
            stop,
            tasks: vec![serve, deliver, keep_house],
            _lock: lock,
        })
    }

    /// Returns when a part of the gateway has ended by itself: then nothing serves or delivers any more.
    pub async fn ended(&mut self) {
        let _ = futures::future::select_all(&mut self.tasks).await;
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets what is in flight finish, and leaves the rest durable.
    pub async fn stop(self) {
        self.server.graceful_shutdown(Some(self.drain));
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        tracing::info!("stopped");
    }
}

/// The API document, without starting anything but the topics' stores in a folder that is thrown away.
pub fn api_document(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<utoipa::openapi::OpenApi> {
    let stores = Stores::open(settings, &clock)?;
    Ok(router::document(&topics(settings, &stores, &clock, &Arc::new(Notify::new()))?))
}

fn topics(settings: &Settings, stores: &Stores, clock: &Arc<dyn Clock>, wake: &Arc<Notify>) -> anyhow::Result<Topics> {
    let agencies = Arc::new(settings.agency_register());
    let clients = settings.clients.iter().map(|client| {
        (Client { id: client.id.clone(), agencies: client.agencies.clone() }, client.key.expose().to_owned())
    });
    let dossiers = Dossiers {
        store: Arc::new(SqliteDossiers::new(stores.database.clone(), Arc::clone(&stores.recorder))),
        outbox: Arc::clone(&stores.outbox),
        replies: Arc::new(Replies::new(Arc::new(SqliteReplies::new(stores.database.clone())))),
        recorder: Arc::clone(&stores.recorder),
        bodies: Arc::clone(&stores.bodies),
        keys: Arc::clone(&stores.keys),
        clock: Arc::clone(clock),
        agencies: Arc::clone(&agencies),
        procedures: Arc::new(settings.procedure_register()),
        status_maps: Arc::new(settings.status_maps()?),
        wake: Arc::clone(wake),
        limits: Limits {
            batch_items: settings.dossiers.batch_items,
            steps_per_request: settings.dossiers.steps_per_request,
            page_items: settings.dossiers.page_items,
        },
    };
    Ok(Topics {
        dossiers: Arc::new(dossiers),
        operations: Arc::new(Operations { outbox: Arc::clone(&stores.outbox), agencies, clock: Arc::clone(clock) }),
        health: Arc::new(Health { outbox: Arc::clone(&stores.outbox), disk: Arc::clone(&stores.disk) }),
        clients: Arc::new(Clients::new(clients)),
    })
}

fn worker(
    loaded: &Loaded,
    cards: &[Card],
    stores: &Stores,
    clock: &Arc<dyn Clock>,
    wake: &Arc<Notify>,
) -> anyhow::Result<Arc<Worker>> {
    let name = loaded.settings.portal.adapter.as_str();
    let card = cards.iter().find(|card| card.name == name).ok_or_else(|| anyhow!("no adapter {name}"))?;
    let ports = (card.build)(&loaded.adapters[card.name], &Tools { clock: Arc::clone(clock) })?;
    let portal = ports.dossier_portal.ok_or_else(|| anyhow!("adapter {name} offers no dossier portal"))?;
    let outbox = &loaded.settings.outbox;
    let settings = WorkerSettings {
        most_in_flight: outbox.most_in_flight,
        claim_batch: outbox.claim_batch,
        lease_ms: outbox.lease_ms.into(),
        attempt_timeout: Duration::from_millis(outbox.attempt_timeout_ms.into()),
        poll: Duration::from_millis(outbox.poll_ms),
        retry: RetrySchedule {
            delays_ms: outbox.retry_delays_ms.iter().map(|delay| i64::from(*delay)).collect(),
            jitter_percent: outbox.retry_jitter_percent.into(),
            give_up_after_ms: i64::from(outbox.give_up_after_hours) * 3_600_000,
        },
        look_up_delay_ms: outbox.look_up_delay_ms.into(),
        credential_pause_ms: outbox.credential_pause_ms.into(),
        drain: Duration::from_millis(loaded.settings.server.drain_ms),
        most_lost_leases: outbox.most_lost_leases.into(),
    };
    Ok(Arc::new(Worker {
        store: Arc::clone(&stores.outbox),
        delivery: Arc::new(PortalDelivery::new(portal)),
        clock: Arc::clone(clock),
        settings,
        breaker: Mutex::new(Breaker::new(outbox.breaker.clone())),
        started: Instant::now(),
        rests_until: AtomicI64::new(i64::MIN),
        wake: Arc::clone(wake),
    }))
}

fn http_limits(settings: &Settings) -> HttpLimits {
    HttpLimits {
        body_bytes: settings.http.body_bytes,
        request_timeout: Duration::from_millis(settings.http.request_timeout_ms),
        header_read_timeout: Duration::from_millis(settings.http.header_read_timeout_ms),
        concurrent_requests: settings.http.concurrent_requests,
    }
}

/// One process serves a data folder: two would each take the other's leases for orphans.
fn lock_folder(folder: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::create_dir_all(folder).with_context(|| format!("data folder {}", folder.display()))?;
    let path = folder.join("gateway.lock");
    let file = std::fs::File::create(&path).with_context(|| format!("{}", path.display()))?;
    file.try_lock().map_err(|_| anyhow!("another gateway serves {}: stop it first", folder.display()))?;
    Ok(file)
}

/// Small duties: the disk and the outbox are watched every second, old answers are forgotten every minute.
async fn keep_house(
    stores: Stores,
    replies: Arc<Replies>,
    keep_hours: u32,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    let mut second = 0_u64;
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = stop.changed() => return,
        }
        stores.disk.look();
        match stores.outbox.counts().await {
            Ok(counts) => stores.backlog.counted(counts.by_status.iter().map(|(_, count)| count.unsigned_abs()).sum()),
            Err(error) => tracing::warn!(%error, "the outbox could not be counted"),
        }
        second += 1;
        if second.is_multiple_of(60) {
            let before = clock.now().plus_millis(-i64::from(keep_hours) * 3_600_000);
            if let Err(error) = replies.forget(before).await {
                tracing::warn!(%error, "old answers could not be forgotten");
            }
        }
    }
}
