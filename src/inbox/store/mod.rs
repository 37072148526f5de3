//! What this topic needs of a store. Whether a message is new, a repeat or a conflict is decided where it is written.

mod postgres;
mod sqlite;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::inbox::IncomingKind;
use lienthong_domain::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::InboxStatus;
use crate::audit::SealedRecord;
use crate::outbox::NewItem;
use crate::storage::bodies::SealedBody;
use crate::storage::{Database, StoreError};
use crate::webhooks::{EventKind, NewEvent};

/// A message of the portal as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxItem {
    /// In the order in which they came.
    pub id: Uuid,
    /// The adapter that read it.
    pub portal: String,
    pub kind: IncomingKind,
    pub national_code: String,
    /// What a repeat is recognised by, beside kind and dossier.
    pub reference: String,
    /// Keyed digest of its content.
    pub digest: [u8; 32],
    /// Normalised; who is to decide about it.
    pub agency_id: String,
    pub procedure_code: Option<String>,
    pub body_id: Uuid,
    pub files: i64,
    pub status: InboxStatus,
    /// Whether it may be decided now: those before it in its dossier are.
    pub is_head: bool,
    pub received_at: Timestamp,
    /// It may be seen from then on.
    pub ready_at: Timestamp,
    /// The dossier's code here, as the local system said when it took it.
    pub local_code: Option<String>,
    pub decided_at: Option<Timestamp>,
    /// The client.
    pub decided_by: Option<String>,
    /// What tells the portal.
    pub operation_id: Option<Uuid>,
}

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct Receive {
    /// Waiting, and ready now.
    pub item: InboxItem,
    pub body: SealedBody,
    /// Nothing in the message says which agency it is for: if the message with which its dossier begins is there, or comes, it is
    /// for that one's.
    pub agency_is_guess: bool,
    /// Files whose keys are in the body.
    pub files: Vec<Uuid>,
    /// Places, from 1, of files that are to be fetched.
    pub links: Vec<i64>,
    /// If it is new; if its reference came before with other content; if it came before as it is.
    pub records: [SealedRecord; 3],
    /// What belongs to a dossier that has not come yet waits so long for it.
    pub hold_ms: i64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    New,
    /// Kept for review: the same reference came before with other content.
    Conflict,
    /// It is there already, as waiting or decided; nothing was stored.
    Repeat {
        was_conflict: bool,
    },
}

/// A local system's decision.
#[derive(Debug, Clone)]
pub struct Decide {
    pub id: Uuid,
    pub to: InboxStatus,
    pub local_code: Option<String>,
    pub by: String,
    /// If the portal is told.
    pub tell: Option<Tell>,
    pub record: SealedRecord,
    pub now: Timestamp,
}

/// What tells the portal.
#[derive(Debug, Clone)]
pub struct Tell {
    pub item: NewItem,
    pub body: SealedBody,
}

/// What the first message of a dossier says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    pub agency_id: String,
    pub procedure_code: Option<String>,
}

/// Which undecided items a page shows: those after `(ready_at, id)`.
#[derive(Debug, Clone)]
pub struct PageQuery {
    pub status: InboxStatus,
    /// Of these agencies.
    pub agencies: Vec<String>,
    pub after: (Timestamp, Uuid),
    pub now: Timestamp,
    pub limit: usize,
}

/// The topic's store.
#[async_trait]
pub trait InboxStore: Send + Sync {
    async fn receive(&self, write: Receive) -> Result<Stored, StoreError>;

    async fn find(&self, id: Uuid) -> Result<Option<InboxItem>, StoreError>;

    async fn page(&self, query: PageQuery) -> Result<Vec<InboxItem>, StoreError>;

    /// Agency and procedure of the message with which this dossier began.
    async fn beginning(&self, national_code: String) -> Result<Option<Beginning>, StoreError>;

    /// Of these files those that a message has.
    async fn known_files(&self, files: Vec<Uuid>) -> Result<HashSet<Uuid>, StoreError>;

    /// Files whose key is gone.
    async fn gone_files(&self, limit: usize) -> Result<Vec<Uuid>, StoreError>;

    /// These files are away.
    async fn forget_files(&self, files: Vec<Uuid>) -> Result<(), StoreError>;

    /// The code that a local system has said of this dossier last.
    async fn local_code(&self, national_code: String) -> Result<Option<String>, StoreError>;

    /// The code on the portal of the dossier that was taken under this code here.
    async fn national_code(&self, local_code: String) -> Result<Option<String>, StoreError>;

    /// `Conflict` if it is not to be decided now: it was, or another of its dossier comes first.
    async fn decide(&self, decision: Decide) -> Result<(), StoreError>;
}

/// A message as those are told of it who are to decide about it.
struct Told {
    id: Uuid,
    kind: String,
    national_code: String,
    agency_id: String,
    procedure_code: Option<String>,
    ready_at: i64,
}

impl Told {
    fn event(self, kind: EventKind) -> NewEvent {
        let mut data = json!({
            "itemId": self.id, "kind": self.kind, "nationalCode": self.national_code, "agencyCode": self.agency_id,
        });
        if let Some(code) = self.procedure_code {
            data["procedureCode"] = code.into();
        }
        NewEvent {
            id: Uuid::now_v7(),
            kind,
            agency_id: self.agency_id,
            lane: self.national_code,
            subject: self.id,
            data,
            at: Timestamp::from_micros(self.ready_at),
        }
    }
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn InboxStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteInbox::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresInbox::new(database.clone())),
    }
}

/// Columns of a whole item, in the order in which both engines read them.
macro_rules! items {
    ($rest:literal) => {
        concat!(
            "SELECT id, portal, kind, national_code, reference, digest, agency_id, procedure_code, body_id, files, status, ",
            "is_head, received_at, ready_at, local_code, decided_at, decided_by, operation_id FROM inbox_item WHERE ",
            $rest
        )
    };
}
use items;
