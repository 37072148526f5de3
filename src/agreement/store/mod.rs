//! What this topic needs of a store. A page of a check is one transaction: what it found, what it has found to be the same now, how
//! far it has come, and its records; whoever comes too late has written nothing.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::agreement::{Class, Repair};
use lienthong_domain::dossier::DossierState;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::case::{Case, CaseStatus, Found};
use super::run::{Listed, Place, Run, Side};
use crate::audit::SealedRecord;
use crate::outbox::NewItem;
use crate::storage::bodies::Bodies;
use crate::storage::{Database, StoreError};

/// A dossier to be compared, as it stands here.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub code: String,
    pub agency_id: String,
    pub updated_at: i64,
    pub revision: i64,
    pub state: DossierState,
    /// The state of a step that came after the full state.
    pub later_step: Option<DossierState>,
    /// `None` if it was erased.
    pub content: Option<Zeroizing<Vec<u8>>>,
    /// The revision that the portal has acknowledged last.
    pub acknowledged_revision: Option<i64>,
    /// What stands first of what is still to be delivered.
    pub head: Option<Head>,
    /// Whether there are cases of it that are not settled.
    pub has_case: bool,
}

/// The first open item of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub status: String,
    /// It goes on only if somebody decides.
    pub waits_for_person: bool,
    /// The name of what went wrong.
    pub problem: Option<String>,
}

/// A code that no dossier here has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    pub code: String,
    /// Where it comes from: a list, or the inbox.
    pub side: Side,
}

/// Which candidates.
#[derive(Debug, Clone)]
pub struct Window {
    pub from: Timestamp,
    pub until: Timestamp,
    pub after: Place,
    pub limit: usize,
}

/// What came of a page.
#[derive(Debug, Clone)]
pub struct Page {
    /// As it stands after it; its number of pages is one more than before.
    pub run: Run,
    pub found: Vec<Found>,
    /// Cases that are none any more.
    pub cleared: Vec<(String, Class)>,
    pub records: Vec<SealedRecord>,
    pub now: Timestamp,
    /// It was the last one.
    pub is_last: bool,
}

/// Which cases a list shows: those after an id, oldest first.
#[derive(Debug, Clone, Default)]
pub struct CaseQuery {
    pub status: Option<CaseStatus>,
    pub class: Option<Class>,
    pub run_id: Option<Uuid>,
    pub after: Option<Uuid>,
    pub limit: usize,
}

/// A decision on an open case.
#[derive(Debug, Clone)]
pub struct Decide {
    pub case: Uuid,
    pub to: CaseStatus,
    pub by: String,
    pub words: Option<String>,
    pub send: Option<Resend>,
    pub record: SealedRecord,
    pub now: Timestamp,
}

/// What is sent again, if the dossier is still what was read.
#[derive(Debug, Clone)]
pub struct Resend {
    pub code: String,
    pub expected_revision: i64,
    pub expected_steps: i64,
    pub operation_id: Uuid,
    pub items: Vec<NewItem>,
}

/// The topic's store.
#[async_trait]
pub trait AgreementStore: std::marker::Send + Sync {
    /// Codes for a check that is to be asked for.
    async fn list(&self, run: Uuid, codes: Vec<Listed>) -> Result<(), StoreError>;

    /// A new check. `Conflict` if the schedule has asked for it already.
    async fn ask(&self, run: Run, record: Option<SealedRecord>) -> Result<(), StoreError>;

    /// The oldest check that has not ended.
    async fn under_way(&self) -> Result<Option<Run>, StoreError>;

    /// The newest ones, with when they ended.
    async fn runs(&self, limit: usize) -> Result<Vec<(Run, Option<Timestamp>)>, StoreError>;

    async fn run(&self, id: Uuid) -> Result<Option<(Run, Option<Timestamp>)>, StoreError>;

    /// Until when the schedule has checked, or has asked to.
    async fn scheduled_until(&self) -> Result<Option<Timestamp>, StoreError>;

    /// How many dossiers changed in this time, and codes were given to the check.
    async fn count(&self, run: &Run) -> Result<u64, StoreError>;

    /// Dossiers that changed in this time, oldest change first.
    async fn candidates(&self, window: Window) -> Result<Vec<Candidate>, StoreError>;

    /// Codes of the check's lists that no dossier here has, and the place after the last code that was looked at; none at the end.
    async fn unknown_listed(
        &self,
        run: Uuid,
        after: String,
        limit: usize,
    ) -> Result<(Vec<Unknown>, Option<String>), StoreError>;

    /// Codes that local systems gave to dossiers of the portal in this time, and never sent.
    async fn taken_and_not_given(&self, window: Window) -> Result<Vec<Unknown>, StoreError>;

    /// `Conflict` if another page was written meanwhile.
    async fn save(&self, page: Page) -> Result<(), StoreError>;

    async fn case(&self, id: Uuid) -> Result<Option<Case>, StoreError>;

    async fn cases(&self, query: CaseQuery) -> Result<Vec<Case>, StoreError>;

    /// Open cases by class.
    async fn open_by_class(&self) -> Result<Vec<(Class, u64)>, StoreError>;

    /// `NotApplicable` if the case is not open; `Conflict` if its dossier has changed, or something of it is on its way.
    async fn decide(&self, decide: Decide) -> Result<(), StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database, bodies: &Arc<Bodies>) -> Arc<dyn AgreementStore> {
    let bodies = Arc::clone(bodies);
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteAgreement::new(database.clone(), bodies)),
        Database::Postgres(database) => Arc::new(postgres::PostgresAgreement::new(database.clone(), bodies)),
    }
}

/// Columns of a case, in the order in which both engines read them.
macro_rules! cases {
    ($rest:literal) => {
        concat!(
            "SELECT id, run_id, code, agency_id, class, expected, observed, repair, status, found_at, seen_at, returns, ",
            "decided_at, decided_by, words, operation_id FROM agreement_case ",
            $rest
        )
    };
}
use cases;

/// A case as its row has it.
struct CaseRow {
    id: Uuid,
    run_id: Uuid,
    code: String,
    agency_id: String,
    class: String,
    expected: String,
    observed: String,
    repair: String,
    status: String,
    found_at: i64,
    seen_at: i64,
    returns: i64,
    decided_at: Option<i64>,
    decided_by: Option<String>,
    words: Option<String>,
    operation_id: Option<Uuid>,
}

impl CaseRow {
    fn read(self) -> Result<Case, StoreError> {
        Ok(Case {
            class: known("agreement_case.class", &self.class)?,
            repair: known::<Repair>("agreement_case.repair", &self.repair)?,
            status: known("agreement_case.status", &self.status)?,
            id: self.id,
            run_id: self.run_id,
            code: self.code,
            agency_id: self.agency_id,
            expected: self.expected,
            observed: self.observed,
            found_at: Timestamp::from_micros(self.found_at),
            seen_at: Timestamp::from_micros(self.seen_at),
            returns: self.returns,
            decided_at: self.decided_at.map(Timestamp::from_micros),
            decided_by: self.decided_by,
            words: self.words,
            operation_id: self.operation_id,
        })
    }
}

/// A candidate as its row has it.
struct CandidateRow {
    code: String,
    agency_id: String,
    updated_at: i64,
    revision: i64,
    state: String,
    step_state: Option<String>,
    body_id: Uuid,
    step_body_id: Option<Uuid>,
    wrapped_key: Option<Vec<u8>>,
    sealed: Option<Vec<u8>>,
    acknowledged_revision: Option<i64>,
    head_status: Option<String>,
    head_due_at: Option<i64>,
    head_problem: Option<String>,
    has_case: bool,
}

impl CandidateRow {
    fn read(self, bodies: &Bodies) -> Result<Candidate, StoreError> {
        let content = match (&self.wrapped_key, &self.sealed) {
            (Some(key), Some(sealed)) => Some(bodies.open(self.body_id, key, sealed)?),
            _ => None,
        };
        // Ids of bodies tell when they came.
        let is_later = self.step_body_id.is_some_and(|step| step > self.body_id);
        let later_step = self.step_state.as_deref().filter(|_| is_later);
        let problem = problem_of(self.head_problem.as_deref());
        Ok(Candidate {
            state: known("dossier.state", &self.state)?,
            later_step: later_step.map(|state| known("dossier.step_state", state)).transpose()?,
            head: self.head_status.map(|status| Head { status, waits_for_person: self.head_due_at.is_none(), problem }),
            code: self.code,
            agency_id: self.agency_id,
            updated_at: self.updated_at,
            revision: self.revision,
            content,
            acknowledged_revision: self.acknowledged_revision,
            has_case: self.has_case,
        })
    }
}

/// Kind and code of a problem of the outbox.
fn problem_of(text: Option<&str>) -> Option<String> {
    let problem: crate::outbox::Problem = serde_json::from_str(text?).ok()?;
    let code = problem.upstream_code.map(|code| format!(" {code}")).unwrap_or_default();
    Some(format!("{}{code}", problem.kind))
}

fn known<T: Scalar>(column: &str, text: &str) -> Result<T, StoreError> {
    T::parse(text).map_err(|_| StoreError::Failed(format!("{column} is `{text}`")))
}

fn text_of(run: &Run) -> Result<String, StoreError> {
    serde_json::to_string(run).map_err(StoreError::failed)
}

fn run_of(text: &str) -> Result<Run, StoreError> {
    serde_json::from_str(text).map_err(StoreError::failed)
}
