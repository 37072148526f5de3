//! From a configuration to a running gateway: the only place that sees everything.

mod configuration;
mod duties;
mod house;
mod parts;
mod serving;
mod stores;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::{Context, anyhow};
use lienthong_adapter_kit::breaker::RouteBreaker;
use lienthong_adapter_kit::card::{Card, Tools};
use lienthong_adapter_kit::standing::Standing;
use lienthong_adapter_kit::upstream_quota::UpstreamQuotas;
use lienthong_domain::time::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use configuration::record_start;
pub use configuration::{By, Configuration, NotTaken};
use duties::{duties, follow_catalogue, give_back, keep_watch, rotate, take_back_orphans};
use house::keep_house;
use parts::{Lasting, Parts};
pub use parts::{api_document, issuers, tls};
use serving::Serving;
use stores::refuse_part_of_a_copy;
pub use stores::{DATABASE, Stores, migrate, postgres_settings};

use crate::config::{Engine, Loaded, Settings};
use crate::dossiers::{self, PortalDelivery};
use crate::http::front::Front;
use crate::outbox::{InFlight, RetrySchedule, Worker, WorkerSettings};
use crate::replicas::{Leader, Member};
use crate::storage::Database;
use crate::upstream_sessions::{self, UpstreamSessions};

/// A running gateway.
pub struct Gateway {
    configuration: Arc<Configuration>,
    serving: Serving,
    /// Requests are still served for so long after it was said that none should come.
    unready: Duration,
    drain: Duration,
    look_up_delay_ms: u32,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    lasting: Arc<Lasting>,
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
        // The same of keys: none is taken into use that a replica does not have, once it has joined.
        stores.take_up_keys().await?.map_err(anyhow::Error::msg)?;
        // Before anyone is asked for a token: there must be a key to sign it with.
        let rotate = rotate(settings, &stores, &clock);
        while rotate.turn().await? {}
        let lasting = Arc::new(Lasting::open(&stores, &clock, settings).await?);
        let tools = tools(&lasting, &member);
        let parts = Parts::make(&lasting, &tools, cards, loaded.clone(), None)?;
        lasting.upstream_quotas.replace(&parts.quotas);
        let delivery = Arc::new(PortalDelivery::new(parts.portal()?));
        let worker = worker(settings, &delivery, &lasting, &member);
        let front = Front::new(parts.routes.clone());
        let tls = tls(settings)?;
        record_start(&lasting, loaded).await?;
        let configuration = Arc::new(Configuration::new(
            (Arc::clone(&lasting), tools, cards.to_vec()),
            (front.clone(), delivery, Arc::clone(&worker)),
            parts,
        ));
        let (end, ended) = watch::channel(false);
        let renew = tokio::spawn(Arc::clone(&member).run(ended));
        if lock.is_some() {
            // Whoever held leases before this process has gone.
            take_back_orphans(&stores, &clock, settings.outbox.look_up_delay_ms).await?;
        }

        let (serving, serve) = Serving::start(settings, &front, tls.clone()).await?;
        let (stop, stopped) = watch::channel(false);
        let deliver = tokio::spawn(worker.run(stopped.clone()));
        let leader = Leader {
            store: Arc::clone(&stores.replicas),
            member: Arc::clone(&member),
            // Alone, there is nobody to take the lease from.
            every: if lock.is_some() { Duration::from_secs(60) } else { replica_lease / 5 },
            duties: duties(&lasting, &member, rotate, &configuration.settings()),
        };
        let lead = tokio::spawn(leader.run(stopped.clone()));
        let refresh = Duration::from_millis(settings.access.refresh_ms);
        let watch = tokio::spawn(Arc::clone(&lasting.register).watch(refresh, stopped.clone()));
        let mut tasks = vec![serve, deliver, lead, watch];
        if let Some(tls) = tls {
            let every = Duration::from_millis(settings.server.tls.reload_ms);
            tasks.push(tokio::spawn(tls.watch(every, stopped.clone())));
        }
        tasks.push(tokio::spawn(keep_watch(Arc::clone(&lasting), stopped.clone())));
        tasks.push(tokio::spawn(follow_catalogue(Arc::clone(&lasting), stopped.clone())));
        tasks.push(tokio::spawn(keep_house(Arc::clone(&lasting), Arc::clone(&member), stopped)));
        tracing::info!(address = %serving.address, "serving");
        Ok(Self {
            configuration,
            serving,
            unready: Duration::from_millis(settings.server.unready_ms),
            drain: Duration::from_millis(settings.server.drain_ms),
            look_up_delay_ms: settings.outbox.look_up_delay_ms,
            stop,
            tasks,
            lasting,
            member,
            end,
            renew,
            _lock: lock,
        })
    }

    /// Returns when a part of the gateway has ended by itself: then nothing serves or delivers any more.
    pub async fn ended(&mut self) {
        let _ = futures::future::select_all(self.tasks.iter_mut().chain([&mut self.renew])).await;
    }

    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// What another configuration is to take the place of.
    pub fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.configuration)
    }

    /// Says that no more requests should come, and serves those that do for a while; then lets in no more, lets what is in
    /// flight finish, and leaves the rest durable and free for others.
    pub async fn stop(self) {
        tracing::info!("a stop was asked for");
        self.lasting.is_leaving.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.unready).await;
        let _ = self.stop.send(true);
        self.serving.finish(self.drain).await;
        for task in self.tasks {
            let _ = task.await;
        }
        let _ = self.end.send(true);
        let _ = self.renew.await;
        self.member.leave().await;
        if let Err(error) = give_back(&self.lasting, self.look_up_delay_ms).await {
            tracing::warn!(%error, "what was being sent could not be given back; that is made up for later");
        }
        tracing::info!("stopped");
    }
}

/// What the core lends to adapters.
fn tools(lasting: &Lasting, member: &Arc<Member>) -> Tools {
    let Lasting { stores, clock, .. } = lasting;
    Tools {
        clock: Arc::clone(clock),
        standing: Arc::clone(member) as Arc<dyn Standing>,
        quotas: Arc::clone(&lasting.upstream_quotas) as Arc<dyn UpstreamQuotas>,
        sessions: Arc::new(UpstreamSessions {
            store: upstream_sessions::store::open(&stores.database),
            replicas: Arc::clone(&stores.replicas),
            member: Arc::clone(member),
            bodies: Arc::clone(&stores.bodies),
        }),
    }
}

fn worker(settings: &Settings, delivery: &Arc<PortalDelivery>, lasting: &Lasting, member: &Arc<Member>) -> Arc<Worker> {
    let Lasting { stores, clock, .. } = lasting;
    let (outbox, drain_ms) = (&settings.outbox, settings.server.drain_ms);
    let retry = retry_schedule(settings);
    let settings = WorkerSettings {
        most_in_flight: outbox.most_in_flight,
        claim_batch: outbox.claim_batch,
        lease_ms: outbox.lease_ms.into(),
        attempt_timeout: Duration::from_millis(outbox.attempt_timeout_ms.into()),
        poll: Duration::from_millis(outbox.poll_ms),
        look_up_delay_ms: outbox.look_up_delay_ms.into(),
        credential_pause_ms: outbox.credential_pause_ms.into(),
        drain: Duration::from_millis(drain_ms),
        most_lost_leases: outbox.most_lost_leases.into(),
    };
    Arc::new(Worker {
        store: Arc::clone(&stores.outbox),
        delivery: Arc::clone(delivery) as _,
        clock: Arc::clone(clock),
        settings,
        retry: RwLock::new(retry),
        breaker: RouteBreaker::new(dossiers::ROUTE, outbox.breaker.clone()),
        rests_until: AtomicI64::new(i64::MIN),
        member: Arc::clone(member),
        bell: stores.bell.clone(),
        in_flight: InFlight::default(),
    })
}

fn retry_schedule(settings: &Settings) -> RetrySchedule {
    let outbox = &settings.outbox;
    RetrySchedule {
        delays_ms: outbox.retry_delays_ms.iter().map(|delay| i64::from(*delay)).collect(),
        jitter_percent: outbox.retry_jitter_percent.into(),
        give_up_after_ms: i64::from(outbox.give_up_after_hours) * 3_600_000,
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
