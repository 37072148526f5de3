//! What the report needs of a store: dossiers with all that was delivered of them.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::agreement::Place;
use crate::storage::bodies::Bodies;
use crate::storage::{Database, StoreError};

/// A dossier as it stands here, and how much of it the nation has acknowledged.
#[derive(Debug, Clone)]
pub struct StoredDossier {
    pub code: String,
    pub agency_id: String,
    pub updated_at: i64,
    pub revision: i64,
    /// The revision that the portal has acknowledged last.
    pub acknowledged_revision: Option<i64>,
    /// `None` if it was erased.
    pub content: Option<Zeroizing<Vec<u8>>>,
    pub steps: Steps,
}

/// What there is of a dossier's steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// Those that were delivered, in order.
    pub delivered: Vec<Zeroizing<Vec<u8>>>,
    /// Others still wait to be.
    pub some_wait: bool,
    /// Others were delivered, and erased since.
    pub some_are_erased: bool,
}

impl Steps {
    fn add(&mut self, bodies: &Bodies, waits: bool, body: BodyRow) -> Result<(), StoreError> {
        match (waits, if waits { None } else { content_of(bodies, body)? }) {
            (true, _) => self.some_wait = true,
            (false, Some(content)) => self.delivered.push(content),
            (false, None) => self.some_are_erased = true,
        }
        Ok(())
    }
}

/// Which dossiers.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Last changed then or later.
    pub since: Timestamp,
    /// Of these (normalised); `None`: of all.
    pub agencies: Option<Vec<String>>,
}

/// The store of the report.
#[async_trait]
pub trait HeldStore: Send + Sync {
    async fn count(&self, changed: Changed) -> Result<u64, StoreError>;

    /// A page of them after a place, the oldest change first.
    async fn page(&self, changed: Changed, after: Place, limit: usize) -> Result<Vec<StoredDossier>, StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database, bodies: &Arc<Bodies>) -> Arc<dyn HeldStore> {
    let bodies = Arc::clone(bodies);
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteHeld::new(database.clone(), bodies)),
        Database::Postgres(database) => Arc::new(postgres::PostgresHeld::new(database.clone(), bodies)),
    }
}

/// A body as its row has it: id, wrapped key, and content; without the latter two it was erased.
type BodyRow = (Uuid, Option<Vec<u8>>, Option<Vec<u8>>);

fn content_of(bodies: &Bodies, (id, key, sealed): BodyRow) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    key.zip(sealed).map(|(key, sealed)| bodies.open(id, &key, &sealed)).transpose()
}
