//! The inbox: what the portal sends is durable before it is answered, waits in order within its dossier, and is shown until a
//! local system has taken it or refused it; then the portal is told.

mod decide;
pub mod http;
mod keep_files;
pub mod links;
mod list;
mod origins;
mod portal_http;
mod receive;
mod representation;
mod set_aside;
pub mod store;
mod sweep;
mod waiters;

use std::sync::Arc;
use std::time::Duration;

use lienthong_domain::catalogue::{AgencyCode, AgencyRegister, ProcedureCode};
use lienthong_domain::dossier::DossierCode;
use lienthong_domain::inbox::Incoming;
use lienthong_domain::port::PortalInbound;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Clock;

pub use origins::Origins;
pub use portal_http::{Senders, routes as portal_routes};
pub use set_aside::MessageLimits;
pub use sweep::{sweep_gone, sweep_strays};
pub use waiters::Waiters;

use crate::access::Client;
use crate::audit::Recorder;
use crate::audit::store::AuditStore;
use crate::outbox::store::OutboxStore;
use crate::replicas::Bell;
use crate::storage::bodies::Bodies;
use crate::storage::files::Files;
use crate::storage::keys::Keys;

lienthong_domain::code_enum! {
    /// Where a message stands.
    pub enum InboxStatus: "Trạng thái của thông điệp. / Where a message stands." {
        Waiting = "waiting" => "Chờ hệ thống địa phương nhận",
        Conflict = "conflict" => "Trùng mã, khác nội dung: chờ xem xét",
        Acknowledged = "acknowledged" => "Đã nhận",
        Rejected = "rejected" => "Đã từ chối",
    }
}

/// What the use cases of this topic stand on.
pub struct Inbox {
    pub store: Arc<dyn store::InboxStore>,
    pub links: Arc<dyn links::store::LinkStore>,
    pub outbox: Arc<dyn OutboxStore>,
    pub audit: Arc<dyn AuditStore>,
    pub recorder: Arc<Recorder>,
    pub bodies: Arc<Bodies>,
    pub keys: Arc<Keys>,
    pub files: Files,
    pub clock: Arc<dyn Clock>,
    pub agencies: Arc<AgencyRegister>,
    pub competence: Competence,
    /// Rung when something was enqueued.
    pub bell: Bell,
    pub waiters: Waiters,
    pub limits: Limits,
}

/// Limits of this topic, from the configuration.
#[derive(Debug, Clone)]
pub struct Limits {
    pub message: MessageLimits,
    /// Kinds of files that are taken.
    pub file_types: Vec<String>,
    /// Whether files that are at an address are fetched.
    pub fetches: bool,
    /// What belongs to a dossier that has not come yet waits so long for it.
    pub hold_ms: i64,
    pub page_items: usize,
    /// How often it is looked whether there is something for those who wait.
    pub poll: Duration,
    pub longest_wait: Duration,
}

/// What sends, and what reads it.
pub struct Portal {
    /// The adapter's name.
    pub name: String,
    pub inbound: Arc<dyn PortalInbound>,
}

/// Which agency a message is for: by competence (Nghị định 118/2025/NĐ-CP), not by where it came in.
#[derive(Debug, Clone)]
pub struct Competence {
    /// Where nothing else says it. There is one while the inbox is on.
    pub otherwise: Option<AgencyCode>,
    pub by_procedure: Vec<(ProcedureCode, AgencyCode)>,
}

/// The agency that a message is for.
struct Competent {
    agency: AgencyCode,
    /// Nothing in the message says it.
    is_guess: bool,
}

impl Competence {
    /// The agency of the dossier's code if it is one of the province, else that of its procedure; else a guess.
    fn agency_of(&self, incoming: &Incoming, agencies: &AgencyRegister, day: jiff::civil::Date) -> Option<Competent> {
        let by_code = DossierCode::parse(incoming.national_code.as_str()).ok().map(|code| code.agency());
        if let Some(agency) = by_code.filter(|agency| agencies.find(agency, day).is_some()) {
            return Some(Competent { agency, is_guess: false });
        }
        let name = |code: &ProcedureCode| code.national().unwrap_or(code.original()).to_owned();
        let is_of = |procedure: &ProcedureCode| Some(name(procedure)) == incoming.procedure_code.as_ref().map(name);
        let by_procedure = self.by_procedure.iter().find(|(procedure, _)| is_of(procedure));
        let (agency, is_guess) = match by_procedure {
            Some((_, agency)) => (agency, false),
            None => (self.otherwise.as_ref()?, true),
        };
        Some(Competent { agency: agency.clone(), is_guess })
    }
}

impl Inbox {
    /// Whether a message is this client's affair.
    fn is_for(&self, client: &Client, item: &store::InboxItem) -> bool {
        let today = self.clock.now().date_in_vietnam();
        let is_covered =
            AgencyCode::parse(&item.agency_id).is_ok_and(|agency| client.covers(&agency, &self.agencies, today));
        let procedure = item.procedure_code.as_deref().map(ProcedureCode::parse);
        let may_use = match procedure {
            Some(Ok(procedure)) => client.may_use(&procedure),
            // Not of a form that we know: only for those who may have all of them.
            Some(Err(_)) | None => client.procedures.is_empty(),
        };
        is_covered && may_use
    }
}
