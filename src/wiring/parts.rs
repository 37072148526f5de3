//! What one configuration makes, and what outlasts it. A part whose settings are the same is taken over from the
//! configuration before, with all that it has in memory.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::Router;
use lienthong_adapter_kit::card::{Card, Ports, Tools};
use lienthong_domain::catalogue::AgencyRegister;
use lienthong_domain::port::DossierPortal;
use lienthong_domain::time::Clock;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use super::{Stores, retry_schedule};
use crate::access::Access;
use crate::access::idempotency::{self, Replies};
use crate::access::issuers::Issuers;
use crate::access::oauth::{TokenEndpoint, http::TOKEN_PATH};
use crate::access::quotas::{Quotas, Shared, SharedSettings, UpstreamQuotasInForce};
use crate::access::register::Register;
use crate::access::tokens::TokenSettings;
use crate::agreement::http::Agreement;
use crate::agreement::qd766::{Desk, http::Reports};
use crate::agreement::{self, store::AgreementStore};
use crate::audit::anchors::agency::AgencySignature;
use crate::audit::anchors::timestamps::Timestamps;
use crate::audit::anchors::witnesses::Witness;
use crate::audit::anchors::{Exposure, Means};
use crate::audit::http::PublicLog;
use crate::audit::memory::Memory;
use crate::audit::publish::Publisher;
use crate::audit::records::Records;
use crate::catalogue::{self, Catalogue, store::CatalogueStore};
use crate::config::{Loaded, Settings};
use crate::dossiers::{self, Dossiers, Limits, store::DossierStore};
use crate::http::health::Health;
use crate::http::json::BodyLimit;
use crate::http::layers::{HttpLimits, Inbound, Places};
use crate::http::router::{self, Topics};
use crate::http::tls::{Tls, TlsFiles};
use crate::inbox::{self, Inbox, Portal, Waiters, store::InboxStore};
use crate::outbox::http::Operations;
use crate::storage::files::Files;
use crate::telemetry::metrics;
use crate::webhooks::{self, Webhooks};

/// What stays as long as the process, whatever the configuration becomes.
pub(super) struct Lasting {
    pub(super) stores: Arc<Stores>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) register: Arc<Register>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) witnesses: Vec<Arc<Witness>>,
    pub(super) timestamps: Vec<Arc<Timestamps>>,
    pub(super) agency_signature: Option<Arc<AgencySignature>>,
    /// If there is anybody outside who may see the log.
    pub(super) exposure: Option<Arc<Exposure>>,
    /// With the keys whose first request is under way.
    pub(super) replies: Arc<Replies>,
    dossiers: Arc<dyn DossierStore>,
    pub(super) inbox: Arc<dyn InboxStore>,
    pub(super) files: Files,
    pub(super) catalogue: Arc<dyn CatalogueStore>,
    pub(super) catalogue_copy: Arc<catalogue::Copy>,
    pub(super) agreement: Arc<dyn AgreementStore>,
    pub(super) webhooks: Arc<Webhooks>,
    /// One is counted at a time, whatever the configuration becomes meanwhile.
    reports: Desk,
    /// What the adapter of the portal offers, in the configuration in force.
    in_force: RwLock<Ports>,
    /// A stop was asked for.
    pub(super) is_leaving: Arc<AtomicBool>,
    /// What was counted since the process began.
    pub(super) counts: PrometheusHandle,
    /// What adapters ask before each call, whichever quotas are in force.
    pub(super) upstream_quotas: Arc<UpstreamQuotasInForce>,
}

impl Lasting {
    pub(super) async fn open(
        stores: &Arc<Stores>,
        clock: &Arc<dyn Clock>,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let replies = idempotency::store::open(&stores.database);
        let signer = Arc::new(stores.signer());
        let memory = Arc::new(Memory::new(stores.keys.folder()));
        let (audit, recorder) = (Arc::clone(&stores.audit), Arc::clone(&stores.recorder));
        let means = Means::new(audit, recorder, Arc::clone(clock))?;
        let witness = |terms| Arc::new(Witness::new(means.clone(), terms));
        let witnesses: Vec<_> = settings.witnesses().into_iter().map(witness).collect();
        let authorities = settings.timestamp_authorities().context("audit.timestamp_authorities")?;
        let stamp = |terms| Arc::new(Timestamps::new(means.clone(), terms));
        let timestamps: Vec<_> = authorities.into_iter().map(stamp).collect();
        let program = std::env::current_exe().context("where is this program?")?;
        let agency_signature = settings.agency_signature().context("audit.agency_signature")?;
        let sign = |terms| Arc::new(AgencySignature::new(means.clone(), program, terms));
        let catalogue = stores.catalogue();
        let register = Arc::new(Register::open(Arc::clone(&stores.access), Arc::clone(&stores.bodies)).await?);
        let webhooks = Arc::new(Webhooks::new(
            webhooks::store::open(&stores.database),
            Arc::clone(&stores.recorder),
            Arc::clone(&register),
            Arc::clone(clock),
        ));
        let is_seen = !witnesses.is_empty() || !timestamps.is_empty();
        Ok(Self {
            witnesses,
            timestamps,
            agency_signature: agency_signature.map(sign),
            exposure: is_seen.then(|| Arc::new(Exposure { means: means.clone() })),
            publisher: Arc::new(Publisher::new(Arc::clone(&stores.audit), signer, memory, Arc::clone(clock))),
            register,
            webhooks,
            replies: Arc::new(Replies::new(replies, settings.replies_in_memory())),
            dossiers: dossiers::store::open(&stores.database, &stores.recorder),
            inbox: inbox::store::open(&stores.database),
            files: Files::new(settings.files_folder(), settings.least_free()),
            catalogue_copy: Arc::new(catalogue::Copy::open(Arc::clone(&catalogue)).await?),
            catalogue,
            agreement: stores.agreement(),
            reports: Desk::default(),
            in_force: RwLock::default(),
            stores: Arc::clone(stores),
            clock: Arc::clone(clock),
            is_leaving: Arc::default(),
            counts: metrics::start(),
            upstream_quotas: Arc::default(),
        })
    }

    /// From now on the leader asks this portal, and tells these.
    pub(super) fn follow(&self, Parts { ports, telling, .. }: &Parts) {
        self.stores.listening.to(telling.endpoints.iter().flat_map(|endpoint| endpoint.terms.events.iter().copied()));
        self.webhooks.follow(Arc::clone(telling));
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = ports.clone();
    }

    fn ports(&self) -> Ports {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What copies the catalogue; `None` if no adapter offers one.
    pub(super) fn catalogue_sync(&self, settings: &Settings) -> Option<catalogue::Sync> {
        Some(catalogue::Sync {
            source: self.ports().catalogue_source?,
            store: Arc::clone(&self.catalogue),
            recorder: Arc::clone(&self.stores.recorder),
            clock: Arc::clone(&self.clock),
            pace: settings.catalogue.pace(),
        })
    }

    /// What fetches files of messages; `None` if nothing is fetched.
    pub(super) fn fetch_links(&self, settings: &Settings) -> Option<inbox::links::Fetch> {
        Some(inbox::links::Fetch {
            limits: settings.inbox.fetch_limits()?,
            store: inbox::links::store::open(&self.stores.database),
            outbox: Arc::clone(&self.stores.outbox),
            recorder: Arc::clone(&self.stores.recorder),
            files: self.files.clone(),
            clock: Arc::clone(&self.clock),
            retry: retry_schedule(settings),
        })
    }

    /// What compares province and nation; `None` if no adapter offers a portal.
    pub(super) fn agreement_check(&self, settings: &Settings) -> Option<agreement::Check> {
        Some(agreement::Check {
            portal: self.ports().dossier_portal?,
            store: Arc::clone(&self.agreement),
            decisions: self.stores.agreement_decisions(&self.clock),
            recorder: Arc::clone(&self.stores.recorder),
            clock: Arc::clone(&self.clock),
            pace: settings.agreement.pace(),
        })
    }
}

/// What a configuration makes.
pub(super) struct Parts {
    pub(super) loaded: Loaded,
    /// What the adapter of the portal offers.
    pub(super) ports: Ports,
    access: Arc<Access>,
    pub(super) quotas: Arc<Quotas>,
    places: Arc<Places>,
    pub(super) routes: Router,
    /// What local systems are told.
    pub(super) telling: Arc<webhooks::Rules>,
}

/// The parts before, and what has changed since.
pub(super) struct Before<'a> {
    pub(super) parts: &'a Parts,
    pub(super) changed: &'a [String],
}

impl Before<'_> {
    /// Whether settings under this name are not what they were.
    fn differs(&self, section: &str) -> bool {
        self.changed
            .iter()
            .any(|name| name.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }
}

impl Parts {
    /// Makes what is new; changes nothing of what is in force.
    pub(super) fn make(
        lasting: &Lasting,
        tools: &Tools,
        cards: &[Card],
        loaded: Loaded,
        before: Option<&Before<'_>>,
    ) -> anyhow::Result<Self> {
        let settings = &loaded.settings;
        let same = |section: &str| before.filter(|before| !before.differs(section)).map(|before| before.parts);
        let ports = match same(&format!("adapters.{}", settings.portal.adapter)) {
            Some(parts) => parts.ports.clone(),
            None => ports(&loaded, cards, tools)?,
        };
        let access = match same("access") {
            Some(parts) => Arc::clone(&parts.access),
            None => {
                let same_issuers = [same("access.issuers"), same("access.issuer_keys")];
                let kept = match same_issuers {
                    [Some(parts), Some(_)] => Some(Arc::clone(&parts.access.issuers)),
                    _ => None,
                };
                access(lasting, settings, kept)?
            }
        };
        let quotas = match (same("quotas"), before) {
            (Some(parts), _) => Arc::clone(&parts.quotas),
            (None, Some(before)) => {
                let shared = match same("quotas.shared") {
                    Some(parts) => parts.quotas.shared().cloned(),
                    None => shared_quotas(settings)?,
                };
                Arc::new(before.parts.quotas.followed_by(settings.quota_table(), shared))
            }
            (None, None) => Arc::new(Quotas::new(settings.quota_table(), shared_quotas(settings)?)),
        };
        let of_places = [same("http.concurrent_requests"), same("http.place_wait_ms")];
        let places = match of_places {
            [Some(parts), Some(_)] => Arc::clone(&parts.places),
            _ => Arc::new(Places::new(
                settings.http.concurrent_requests,
                Duration::from_millis(settings.http.place_wait_ms),
            )),
        };
        let topics = topics(lasting, settings, &ports, &access, &quotas)?;
        let paths = topics.sender.iter().flat_map(|portal| portal.inbound.paths()).map(|path| path.path);
        let inbound = Inbound {
            paths: paths.collect(),
            senders: settings.inbox.senders(),
            places: Arc::new(Semaphore::new(settings.inbox.concurrent_messages)),
            timeout: Duration::from_millis(settings.inbox.message_timeout_ms),
        };
        let limits = HttpLimits {
            body: BodyLimit {
                bytes: settings.http.body_bytes,
                timeout: Duration::from_millis(settings.http.body_read_timeout_ms),
            },
            request_timeout: Duration::from_millis(settings.http.request_timeout_ms),
            places: Arc::clone(&places),
            inbound: Arc::new(inbound),
        };
        let routes = router::all(&topics, &limits)?;
        let telling = settings.webhooks.rules(&settings.outbox.breaker, &Arc::new(settings.agency_register()))?;
        Ok(Self { ports, access, quotas, places, routes, telling: Arc::new(telling), loaded })
    }

    pub(super) fn portal(&self) -> anyhow::Result<Arc<dyn DossierPortal>> {
        let name = &self.loaded.settings.portal.adapter;
        self.ports.dossier_portal.clone().ok_or_else(|| anyhow!("adapter {name} offers no dossier portal"))
    }
}

/// The API document, without starting anything but the topics' stores in a folder that is thrown away.
pub async fn api_document(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<utoipa::openapi::OpenApi> {
    let stores = Arc::new(Stores::open(settings, &clock, true).await?);
    let lasting = Lasting::open(&stores, &clock, settings).await?;
    let quotas = Arc::new(Quotas::new(settings.quota_table(), None));
    let topics = topics(&lasting, settings, &Ports::default(), &access(&lasting, settings, None)?, &quotas)?;
    Ok(router::document(&topics)?.0)
}

/// `kept`: issuers whose keys are known.
fn access(lasting: &Lasting, settings: &Settings, kept: Option<Arc<Issuers>>) -> anyhow::Result<Arc<Access>> {
    let issuers = match kept {
        Some(issuers) => issuers,
        None => Arc::new(issuers(settings)?).watched(settings.issuer_key_limits().fresh / 2),
    };
    Ok(Arc::new(Access::new(
        Arc::clone(&lasting.register),
        TokenSettings {
            issuer: settings.server.public_url.clone(),
            lifetime_ms: i64::from(settings.access.token_lifetime_s) * 1000,
            skew_ms: i64::from(settings.access.clock_skew_s) * 1000,
        },
        issuers,
        Arc::clone(&lasting.clock),
        settings.access.remember_token_ms.into(),
        settings.access.remembered_tokens,
    )))
}

fn topics(
    lasting: &Lasting,
    settings: &Settings,
    ports: &Ports,
    access: &Arc<Access>,
    quotas: &Arc<Quotas>,
) -> anyhow::Result<Topics> {
    let Lasting { stores, clock, .. } = lasting;
    let agencies = Arc::new(settings.agency_register());
    let token_endpoint = TokenEndpoint {
        quotas: Arc::clone(quotas),
        access: Arc::clone(access),
        store: Arc::clone(&stores.access),
        keys: Arc::clone(&stores.keys),
        url: format!("{}{TOKEN_PATH}", settings.server.public_url),
    };
    let dossiers = Dossiers {
        store: Arc::clone(&lasting.dossiers),
        outbox: Arc::clone(&stores.outbox),
        audit: Arc::clone(&stores.audit),
        replies: Arc::clone(&lasting.replies),
        recorder: Arc::clone(&stores.recorder),
        bodies: Arc::clone(&stores.bodies),
        keys: Arc::clone(&stores.keys),
        clock: Arc::clone(clock),
        agencies: Arc::clone(&agencies),
        procedures: Arc::new(settings.procedure_register()),
        origins: settings.inbox.enabled.then(|| Arc::new(inbox::Origins(Arc::clone(&lasting.inbox))) as _),
        status_maps: Arc::new(settings.status_maps()?),
        bell: stores.bell.clone(),
        limits: Limits {
            batch_items: settings.dossiers.batch_items,
            steps_per_request: settings.dossiers.steps_per_request,
            page_items: settings.dossiers.page_items,
        },
    };
    let inbox = inbox(lasting, settings, &agencies);
    let sender = settings.inbox.enabled.then(|| sender(settings, ports)).transpose()?;
    let health = Health {
        outbox: Arc::clone(&stores.outbox),
        disk: stores.disk.clone(),
        is_leaving: Arc::clone(&lasting.is_leaving),
    };
    let audit = PublicLog { store: Arc::clone(&stores.audit), recorder: Arc::clone(&stores.recorder) };
    let records = Records {
        store: Arc::clone(&stores.audit),
        recorder: Arc::clone(&stores.recorder),
        signer: Arc::clone(&lasting.publisher.signer),
        keys: Arc::clone(&stores.keys),
        agencies: Arc::clone(&agencies),
        clock: Arc::clone(clock),
    };
    Ok(Topics {
        audit: Arc::new(audit),
        records: Arc::new(records),
        dossiers: Arc::new(dossiers),
        inbox: Arc::new(inbox),
        sender: sender.map(Arc::new),
        catalogue: Arc::new(Catalogue {
            procedures: ports.procedure_catalogue.clone(),
            copy: Arc::clone(&lasting.catalogue_copy),
            store: Arc::clone(&lasting.catalogue),
            keys: Arc::clone(&stores.keys),
            page_items: settings.catalogue.page_items,
        }),
        agreement: Arc::new(Agreement {
            store: Arc::clone(&lasting.agreement),
            agencies: Arc::clone(&agencies),
            clock: Arc::clone(clock),
            keys: Arc::clone(&stores.keys),
            page_items: settings.agreement.page_items,
        }),
        reports: Arc::new(Reports {
            desk: lasting.reports.clone(),
            compile: Arc::new(stores.qd766(settings, &lasting.catalogue_copy, clock)?),
            patience: REPORT_PATIENCE.min(Duration::from_millis(settings.http.request_timeout_ms / 2)),
            audit: Arc::clone(&stores.audit),
            recorder: Arc::clone(&stores.recorder),
            clock: Arc::clone(clock),
        }),
        operations: Arc::new(Operations { outbox: Arc::clone(&stores.outbox), agencies, clock: Arc::clone(clock) }),
        health: Arc::new(health),
        counts: lasting.counts.clone(),
        access: Arc::clone(access),
        quotas: Arc::clone(quotas),
        token_endpoint: Arc::new(token_endpoint),
    })
}

/// Whoever asks for a report waits so long before being told to ask again.
const REPORT_PATIENCE: Duration = Duration::from_secs(10);

fn inbox(lasting: &Lasting, settings: &Settings, agencies: &Arc<AgencyRegister>) -> Inbox {
    let Lasting { stores, clock, .. } = lasting;
    Inbox {
        store: Arc::clone(&lasting.inbox),
        links: inbox::links::store::open(&stores.database),
        outbox: Arc::clone(&stores.outbox),
        audit: Arc::clone(&stores.audit),
        recorder: Arc::clone(&stores.recorder),
        bodies: Arc::clone(&stores.bodies),
        keys: Arc::clone(&stores.keys),
        files: lasting.files.clone(),
        clock: Arc::clone(clock),
        agencies: Arc::clone(agencies),
        competence: settings.inbox.competence(),
        bell: stores.bell.clone(),
        waiters: Waiters::new(settings.inbox.waiting_requests),
        limits: settings.inbox.limits(&settings.http),
    }
}

/// What sends to the inbox.
fn sender(settings: &Settings, ports: &Ports) -> anyhow::Result<Portal> {
    let name = settings.portal.adapter.clone();
    let inbound = ports.portal_inbound.clone();
    let inbound = inbound.ok_or_else(|| anyhow!("inbox.enabled: adapter {name} takes in no messages"))?;
    Ok(Portal { name, inbound })
}

/// What the adapter of the portal offers.
fn ports(loaded: &Loaded, cards: &[Card], tools: &Tools) -> anyhow::Result<Ports> {
    let name = loaded.settings.portal.adapter.as_str();
    let card = cards.iter().find(|card| card.name == name).ok_or_else(|| anyhow!("no adapter {name}"))?;
    Ok((card.build)(&loaded.adapters[card.name], tools)?)
}

fn shared_quotas(settings: &Settings) -> anyhow::Result<Option<Arc<Shared>>> {
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
    Ok(Some(Arc::new(opened.context("quotas.shared.url")?)))
}

/// The issuers of the configuration.
pub fn issuers(settings: &Settings) -> anyhow::Result<Issuers> {
    Issuers::new(settings.issuer_terms(), settings.issuer_key_limits()).context("access.issuers")
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
