//! What this topic needs of a store. A write is a value: the row, the revision it expects, its bodies, outbox items and
//! audit records, all in one transaction.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::dossier::DossierState;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use crate::access::idempotency::KeyedReply;
use crate::audit::{Recorder, SealedRecord};
use crate::outbox::NewItem;
use crate::storage::bodies::SealedBody;
use crate::storage::{Database, StoreError};

/// A dossier as it was last accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DossierRow {
    pub code: String,
    pub client_id: String,
    /// Normalised.
    pub agency_id: String,
    pub procedure_code: String,
    /// 1 for the first accepted state.
    pub revision: i64,
    /// Keyed digest of the accepted content.
    pub digest: [u8; 32],
    pub state: DossierState,
    /// State after the last accepted step.
    pub step_state: Option<DossierState>,
    pub steps: i64,
    pub body_id: Uuid,
    /// The operation that sends this revision.
    pub operation_id: Uuid,
    pub accepted_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A full state to be stored and sent.
#[derive(Debug, Clone)]
pub struct PutDossier {
    pub row: DossierRow,
    /// The revision that was read; `None` if there was none.
    pub expected_revision: Option<i64>,
    pub body: SealedBody,
    pub item: NewItem,
    /// Of a dossier that was born on the portal.
    pub report: Option<Report>,
    pub record: SealedRecord,
}

/// What tells the portal where its dossier stands.
#[derive(Debug, Clone)]
pub struct Report {
    pub item: NewItem,
    pub body: SealedBody,
}

/// Steps to be stored and sent, in order, with the answer that repeats of the request get.
#[derive(Debug, Clone)]
pub struct AppendSteps {
    pub code: String,
    /// How many steps the dossier had when it was read.
    pub expected_steps: i64,
    pub step_state: DossierState,
    pub bodies: Vec<SealedBody>,
    pub items: Vec<NewItem>,
    pub records: Vec<SealedRecord>,
    pub reply: KeyedReply,
    pub now: Timestamp,
}

/// One stored step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    pub ordinal: i64,
    pub body_id: Uuid,
    pub accepted_at: Timestamp,
}

/// Which dossiers a page shows: those after `(updated_at, code)`, oldest change first.
#[derive(Debug, Clone)]
pub struct PageQuery {
    pub after: Option<(Timestamp, String)>,
    pub state: Option<DossierState>,
    pub updated_since: Option<Timestamp>,
    pub limit: usize,
}

/// The topic's store.
#[async_trait]
pub trait DossierStore: Send + Sync {
    async fn find(&self, code: &str) -> Result<Option<DossierRow>, StoreError>;

    /// `Conflict` if the dossier is no longer at the expected revision.
    async fn put(&self, write: PutDossier) -> Result<(), StoreError>;

    /// `Conflict` if the dossier no longer has the expected number of steps, or the reply's key was used meanwhile.
    async fn append_steps(&self, write: AppendSteps) -> Result<(), StoreError>;

    async fn steps(&self, code: &str, limit: usize) -> Result<Vec<StepRow>, StoreError>;

    async fn page(&self, query: PageQuery) -> Result<Vec<DossierRow>, StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database, recorder: &Arc<Recorder>) -> Arc<dyn DossierStore> {
    let recorder = Arc::clone(recorder);
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteDossiers::new(database.clone(), recorder)),
        Database::Postgres(database) => Arc::new(postgres::PostgresDossiers::new(database.clone(), recorder)),
    }
}
