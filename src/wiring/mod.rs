//! From a configuration to a running gateway: the only place that sees everything.

mod duties;
mod stores;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::{Context, anyhow};
use hyper_util::rt::TokioTimer;
use lienthong_adapter_kit::breaker::RouteBreaker;
use lienthong_adapter_kit::card::{Card, Ports, Tools};
use lienthong_adapter_kit::standing::Standing;
use lienthong_adapter_kit::upstream_quota::UpstreamQuotas;
use lienthong_domain::time::Clock;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use duties::{duties, keep_house, rotate, take_back_orphans};
use stores::refuse_part_of_a_copy;
pub use stores::{DATABASE, Stores, migrate, postgres_settings};

use crate::access::Access;
use crate::access::idempotency::{self, Replies};
use crate::access::issuers::Issuers;
use crate::access::oauth::{TokenEndpoint, http::TOKEN_PATH};
use crate::access::quotas::{Quotas, Shared, SharedSettings};
use crate::access::register::Register;
use crate::access::tokens::TokenSettings;
use crate::catalogue::Catalogue;
use crate::config::{Engine, Loaded, Settings};
use crate::dossiers::{self, Dossiers, Limits, PortalDelivery};
use crate::http::health::Health;
use crate::http::json::BodyLimit;
use crate::http::layers::HttpLimits;
use crate::http::listener::{Acceptor, ConnectionLimits};
use crate::http::router::{self, Topics};
use crate::http::tls::{Tls, TlsFiles};
use crate::outbox::http::Operations;
use crate::outbox::{InFlight, RetrySchedule, Worker, WorkerSettings};
use crate::replicas::{Leader, Member};
use crate::storage::Database;
use crate::telemetry::metrics;
use crate::upstream_sessions::{self, UpstreamSessions};

/// A running gateway.
pub struct Gateway {
    address: SocketAddr,
    server: axum_server::Handle<SocketAddr>,
    drain: Duration,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    member: Arc<Member>,
    /// Ends the membership, last of all.
    end: watch::Sender<bool>,
    renew: JoinHandle<()>,
    /// Held while this process serves the data folder, where the database is a file.
    _lock: Option<std::fs::File>,
}

impl Gateway {
    /// Opens the stores, takes back what an earlier process left, and serves.
    pub async fn start(loaded: &Loaded, cards: &[Card], clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let settings = &loaded.settings;
        // Before anything is read: a second gateway on this folder must not even migrate it.
        let lock = match settings.storage.engine {
            Engine::Sqlite => Some(lock_folder(Path::new(&settings.storage.sqlite.data_folder))?),
            Engine::Postgres => None,
        };
        let stores = Arc::new(Stores::open(settings, &clock, settings.storage.migrate_at_start).await?);
        let replica_lease = Duration::from_millis(settings.replicas.lease_ms);
        let member = match stores.database {
            Database::Sqlite(_) => Member::alone(Arc::clone(&stores.replicas)).await?,
            Database::Postgres(_) => Member::join(Arc::clone(&stores.replicas), replica_lease).await?,
        };
        // Asked again: a copy begins only where nobody has joined, and this one has joined now.
        refuse_part_of_a_copy(&stores.database).await?;
        let counts = metrics::start();
        let quotas = Arc::new(Quotas::new(settings.quota_table(), shared_quotas(settings)?));
        let ports = ports(loaded, cards, &stores, &clock, &member, &quotas)?;
        let worker = worker(settings, &ports, &stores, &clock, &member)?;
        // Before anyone is asked for a token: there must be a key to sign it with.
        let rotate = rotate(settings, &stores, &clock);
        while rotate.turn().await? {}
        let topics = topics(settings, &ports, &stores, &clock, quotas, counts.clone()).await?;
        let (end, ended) = watch::channel(false);
        let renew = tokio::spawn(Arc::clone(&member).run(ended));
        if lock.is_some() {
            // Whoever held leases before this process has gone.
            take_back_orphans(&stores, &clock, settings.outbox.look_up_delay_ms).await?;
        }

        let listener = std::net::TcpListener::bind(&settings.server.listen)
            .with_context(|| format!("cannot listen on {}", settings.server.listen))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let handle = axum_server::Handle::new();
        let tls = tls(settings)?;
        let connections = ConnectionLimits {
            all: settings.server.most_connections,
            of_one_address: settings.server.most_connections_of_one_address,
            handshake_timeout: Duration::from_millis(settings.server.tls.handshake_timeout_ms),
            write_timeout: Duration::from_millis(settings.http.write_timeout_ms),
        };
        let acceptor = Acceptor::new(connections, tls.clone());
        // HTTP/1.1 only: the other protocol has limits of its own that nobody has set, and whoever says nothing from which
        // it could be told which one it speaks would be waited for without end.
        let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).http1_only().handle(handle.clone());
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(settings.http.header_read_timeout_ms));
        let routes = router::all(&topics, &http_limits(settings))?.into_make_service();
        let serve = tokio::spawn(async move {
            if let Err(error) = server.serve(routes).await {
                tracing::error!(%error, "the server ended");
            }
        });

        let (stop, stopped) = watch::channel(false);
        let deliver = tokio::spawn(worker.run(stopped.clone()));
        let leader = Leader {
            store: Arc::clone(&stores.replicas),
            member: Arc::clone(&member),
            // Alone, there is nobody to take the lease from.
            every: if lock.is_some() { Duration::from_secs(60) } else { replica_lease / 5 },
            duties: duties(&stores, rotate, &topics.dossiers.replies, settings, &clock),
        };
        let lead = tokio::spawn(leader.run(stopped.clone()));
        let register = Arc::clone(&topics.access.register);
        let watch = tokio::spawn(register.watch(Duration::from_millis(settings.access.refresh_ms), stopped.clone()));
        let issuers = Arc::clone(&topics.access.issuers);
        let look = tokio::spawn(issuers.watch(settings.issuer_key_limits().fresh, stopped.clone()));
        let mut tasks = vec![serve, deliver, lead, watch, look];
        if let Some(tls) = tls {
            let every = Duration::from_millis(settings.server.tls.reload_ms);
            tasks.push(tokio::spawn(tls.watch(every, stopped.clone())));
        }
        tasks.push(tokio::spawn(keep_house(stores, clock, counts, stopped)));
        tracing::info!(%address, "serving");
        Ok(Self {
            address,
            server: handle,
            drain: Duration::from_millis(settings.server.drain_ms),
            stop,
            tasks,
            member,
            end,
            renew,
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
        let _ = self.end.send(true);
        let _ = self.renew.await;
        self.member.leave().await;
        tracing::info!("stopped");
    }
}

/// The API document, without starting anything but the topics' stores in a folder that is thrown away.
pub async fn api_document(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<utoipa::openapi::OpenApi> {
    let stores = Stores::open(settings, &clock, true).await?;
    let quotas = Arc::new(Quotas::new(settings.quota_table(), None));
    let topics = topics(settings, &Ports::default(), &stores, &clock, quotas, metrics::start()).await?;
    Ok(router::document(&topics)?.0)
}

async fn topics(
    settings: &Settings,
    ports: &Ports,
    stores: &Stores,
    clock: &Arc<dyn Clock>,
    quotas: Arc<Quotas>,
    counts: PrometheusHandle,
) -> anyhow::Result<Topics> {
    let agencies = Arc::new(settings.agency_register());
    let register = Register::open(Arc::clone(&stores.access), Arc::clone(&stores.bodies)).await?;
    let access = Arc::new(Access::new(
        Arc::new(register),
        TokenSettings {
            issuer: settings.server.public_url.clone(),
            lifetime_ms: i64::from(settings.access.token_lifetime_s) * 1000,
            skew_ms: i64::from(settings.access.clock_skew_s) * 1000,
        },
        Arc::new(issuers(settings)?),
        Arc::clone(clock),
        settings.access.remember_token_ms.into(),
        settings.access.remembered_tokens,
    ));
    let token_endpoint = TokenEndpoint {
        quotas: Arc::clone(&quotas),
        access: Arc::clone(&access),
        store: Arc::clone(&stores.access),
        keys: Arc::clone(&stores.keys),
        url: format!("{}{TOKEN_PATH}", settings.server.public_url),
    };
    let dossiers = Dossiers {
        store: dossiers::store::open(&stores.database, &stores.recorder),
        outbox: Arc::clone(&stores.outbox),
        audit: Arc::clone(&stores.audit),
        replies: Arc::new(Replies::new(idempotency::store::open(&stores.database), settings.replies_in_memory())),
        recorder: Arc::clone(&stores.recorder),
        bodies: Arc::clone(&stores.bodies),
        keys: Arc::clone(&stores.keys),
        clock: Arc::clone(clock),
        agencies: Arc::clone(&agencies),
        procedures: Arc::new(settings.procedure_register()),
        status_maps: Arc::new(settings.status_maps()?),
        bell: stores.bell.clone(),
        limits: Limits {
            batch_items: settings.dossiers.batch_items,
            steps_per_request: settings.dossiers.steps_per_request,
            page_items: settings.dossiers.page_items,
        },
    };
    Ok(Topics {
        dossiers: Arc::new(dossiers),
        catalogue: Arc::new(Catalogue { procedures: ports.procedure_catalogue.clone() }),
        operations: Arc::new(Operations { outbox: Arc::clone(&stores.outbox), agencies, clock: Arc::clone(clock) }),
        health: Arc::new(Health { outbox: Arc::clone(&stores.outbox), disk: stores.disk.clone() }),
        counts,
        access,
        quotas,
        token_endpoint: Arc::new(token_endpoint),
    })
}

/// What the adapter of the portal offers.
fn ports(
    loaded: &Loaded,
    cards: &[Card],
    stores: &Stores,
    clock: &Arc<dyn Clock>,
    member: &Arc<Member>,
    quotas: &Arc<Quotas>,
) -> anyhow::Result<Ports> {
    let name = loaded.settings.portal.adapter.as_str();
    let card = cards.iter().find(|card| card.name == name).ok_or_else(|| anyhow!("no adapter {name}"))?;
    let tools = Tools {
        clock: Arc::clone(clock),
        standing: Arc::clone(member) as Arc<dyn Standing>,
        quotas: Arc::clone(quotas) as Arc<dyn UpstreamQuotas>,
        sessions: Arc::new(UpstreamSessions {
            store: upstream_sessions::store::open(&stores.database),
            replicas: Arc::clone(&stores.replicas),
            member: Arc::clone(member),
            bodies: Arc::clone(&stores.bodies),
        }),
    };
    Ok((card.build)(&loaded.adapters[card.name], &tools)?)
}

fn worker(
    settings: &Settings,
    ports: &Ports,
    stores: &Stores,
    clock: &Arc<dyn Clock>,
    member: &Arc<Member>,
) -> anyhow::Result<Arc<Worker>> {
    let name = &settings.portal.adapter;
    let portal = ports.dossier_portal.clone().ok_or_else(|| anyhow!("adapter {name} offers no dossier portal"))?;
    let (outbox, drain_ms) = (&settings.outbox, settings.server.drain_ms);
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
        drain: Duration::from_millis(drain_ms),
        most_lost_leases: outbox.most_lost_leases.into(),
    };
    Ok(Arc::new(Worker {
        store: Arc::clone(&stores.outbox),
        delivery: Arc::new(PortalDelivery::new(portal)),
        clock: Arc::clone(clock),
        settings,
        breaker: RouteBreaker::new(dossiers::ROUTE, outbox.breaker.clone()),
        rests_until: AtomicI64::new(i64::MIN),
        member: Arc::clone(member),
        bell: stores.bell.clone(),
        in_flight: InFlight::default(),
    }))
}

/// The issuers of the configuration.
pub fn issuers(settings: &Settings) -> anyhow::Result<Issuers> {
    Issuers::new(settings.issuer_terms(), settings.issuer_key_limits()).context("access.issuers")
}

fn shared_quotas(settings: &Settings) -> anyhow::Result<Option<Shared>> {
    let shared = &settings.quotas.shared;
    if shared.url.is_empty() {
        return Ok(None);
    }
    let opened = Shared::new(SharedSettings {
        url: shared.url.expose().to_owned(),
        timeout: Duration::from_millis(shared.timeout_ms),
        pause: Duration::from_millis(shared.pause_ms),
        share_while_away: shared.share_while_away_percent,
        prefix: settings.deployment.name.clone(),
    });
    Ok(Some(opened.context("quotas.shared.url")?))
}

/// The certificates of the configuration, if it has any; an error if they cannot be used.
pub fn tls(settings: &Settings) -> anyhow::Result<Option<Arc<Tls>>> {
    let tls = &settings.server.tls;
    let given = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
    let files = given(&tls.certificate_file).map(|certificate| TlsFiles {
        certificate,
        private_key: PathBuf::from(&tls.private_key_file),
        client_authorities: given(&tls.client_authorities_file),
        revoked: given(&tls.client_revocations_file),
    });
    files.map(|files| Tls::open(files).map(Arc::new)).transpose()
}

fn http_limits(settings: &Settings) -> HttpLimits {
    HttpLimits {
        body: BodyLimit {
            bytes: settings.http.body_bytes,
            timeout: Duration::from_millis(settings.http.body_read_timeout_ms),
        },
        request_timeout: Duration::from_millis(settings.http.request_timeout_ms),
        concurrent_requests: settings.http.concurrent_requests,
        place_wait: Duration::from_millis(settings.http.place_wait_ms),
    }
}

/// One process serves a data folder: two would each take the other's leases for orphans.
pub fn lock_folder(folder: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::create_dir_all(folder).with_context(|| format!("data folder {}", folder.display()))?;
    let path = folder.join("gateway.lock");
    let file = std::fs::File::create(&path).with_context(|| format!("{}", path.display()))?;
    file.try_lock().map_err(|_| anyhow!("another gateway serves {}: stop it first", folder.display()))?;
    Ok(file)
}
