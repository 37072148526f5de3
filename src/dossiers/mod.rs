//! Dossiers: a local system sends the full state and the steps; the portal is told through the outbox.

mod accept_steps;
mod batch;
mod delivery;
mod example;
pub mod http;
mod list;
mod representation;
mod status_maps;
pub mod store;
mod sync;
mod view;

use std::sync::Arc;

use lienthong_domain::catalogue::{AgencyRegister, ProcedureRegister};
use lienthong_domain::port::PortalOrigin;
use lienthong_domain::time::Clock;

pub use delivery::PortalDelivery;
pub use status_maps::StatusMaps;

use crate::access::idempotency::Replies;
use crate::audit::Recorder;
use crate::audit::store::AuditStore;
use crate::outbox::store::OutboxStore;
use crate::replicas::Bell;
use crate::storage::bodies::Bodies;
use crate::storage::keys::Keys;

pub use crate::outbox::portal::{REPORT, ROUTE, STEP, SYNC};

/// What the use cases of this topic stand on.
pub struct Dossiers {
    pub store: Arc<dyn store::DossierStore>,
    pub outbox: Arc<dyn OutboxStore>,
    pub replies: Arc<Replies>,
    pub recorder: Arc<Recorder>,
    pub bodies: Arc<Bodies>,
    pub keys: Arc<Keys>,
    pub clock: Arc<dyn Clock>,
    pub agencies: Arc<AgencyRegister>,
    pub procedures: Arc<ProcedureRegister>,
    /// Whether a dossier was born on the portal; `None` if nothing is taken in from there.
    pub origins: Option<Arc<dyn PortalOrigin>>,
    pub status_maps: Arc<StatusMaps>,
    pub audit: Arc<dyn AuditStore>,
    /// Rung when something was enqueued.
    pub bell: Bell,
    pub limits: Limits,
}

/// Limits of this topic, from the configuration.
#[derive(Debug, Clone)]
pub struct Limits {
    pub batch_items: usize,
    pub steps_per_request: usize,
    pub page_items: usize,
}
