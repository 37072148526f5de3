//! Erasure: what a dossier said goes for ever, with its key and its salt; what was recorded of it stays, and every proof
//! keeps verifying. On what legal ground, and by whom, is a record of its own in the same transaction.

pub mod store;

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use crate::audit::{Draft, Kind, LegalGround, Outcome, Recorder};
use crate::storage::StoreError;
use store::{Content, Erasure, ErasureStore};

/// Contents that go in one transaction.
const AT_A_TIME: usize = 200;

/// What is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// All that is kept of a dossier's contents: every revision and step.
    Dossier(String),
    /// The content that the record of this id tells of.
    Record(Uuid),
}

/// Why, and by whom. Who it was enters the log as a pseudonym.
#[derive(Debug, Clone)]
pub struct Order {
    pub ground: LegalGround,
    /// Number of the document that orders it.
    pub document: Option<String>,
    pub officer: Option<String>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotErased {
    /// Contents that the portal has not got yet, and nobody has decided to give up.
    #[error("{0} of them have still to be delivered")]
    Undelivered(usize),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Erases.
#[derive(Clone)]
pub struct Eraser {
    pub store: Arc<dyn ErasureStore>,
    pub recorder: Arc<Recorder>,
}

impl Eraser {
    /// What there is of it.
    pub async fn find(&self, target: &Target) -> Result<Vec<Content>, StoreError> {
        self.store.find(target).await
    }

    /// Erases these contents; returns how many were still there. When this returns, the database's own log has none of them
    /// either, as far as the engine can promise that ([`ErasureStore::scrub`]).
    pub async fn erase(&self, contents: &[Content], order: &Order) -> Result<usize, NotErased> {
        let undelivered = contents.iter().filter(|content| content.is_open).count();
        if undelivered > 0 {
            return Err(NotErased::Undelivered(undelivered));
        }
        let mut erased = 0;
        for some in contents.chunks(AT_A_TIME) {
            let erasures: Vec<Erasure> =
                some.iter().map(|content| self.erasure(content, order)).collect::<Result<_, _>>()?;
            erased += self.store.erase(erasures).await.map_err(|error| match error {
                // Since they were found: somebody has asked for it to be sent again.
                StoreError::Conflict => NotErased::Undelivered(1),
                error => NotErased::Store(error),
            })?;
        }
        self.store.scrub().await?;
        Ok(erased)
    }

    /// Erases some of what was settled before this time, because it has been kept for as long as it may be; `true` if there
    /// may be more.
    pub async fn keep_no_longer(&self, before: Timestamp) -> Result<bool, StoreError> {
        let contents = self.store.settled_before(before, AT_A_TIME).await?;
        if contents.is_empty() {
            return Ok(false);
        }
        let order = Order { ground: LegalGround::RetentionOver, document: None, officer: None };
        let erasures = contents.iter().map(|content| self.erasure(content, &order)).collect::<Result<_, _>>()?;
        self.store.drop_settled(erasures).await?;
        let is_last = contents.len() < AT_A_TIME;
        if is_last {
            self.store.scrub().await?;
        }
        Ok(!is_last)
    }

    fn erasure(&self, content: &Content, order: &Order) -> Result<Erasure, StoreError> {
        let mut draft = Draft::new(Kind::Erased, "content.erase", Outcome::decided("erased")).subject(&content.dossier);
        draft.agency = Some(&content.agency);
        draft.ground = Some(order.ground);
        draft.document = order.document.as_deref();
        draft.officer = order.officer.as_deref();
        draft.continues = Some(content.body);
        let mut digest = [0; 32];
        let random = SystemRandom::new().fill(&mut digest);
        random.map_err(|_| StoreError::Failed("the system gives no randomness".into()))?;
        Ok(Erasure { content: content.clone(), record: self.recorder.seal(&draft)?, digest })
    }
}
