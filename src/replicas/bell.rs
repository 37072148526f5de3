//! Wakes whoever waits for something to do, here and in the other replicas. Only a hint.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::storage::Database;
use crate::storage::postgres::Notices;

/// Rung when something may be due.
#[derive(Clone)]
pub struct Bell {
    here: Arc<Notify>,
    others: Option<Arc<Notices>>,
}

impl Bell {
    pub fn of(database: &Database) -> Self {
        match database {
            Database::Sqlite(_) => Self { here: Arc::new(Notify::new()), others: None },
            Database::Postgres(database) => {
                let notices = database.notices();
                Self { here: Arc::clone(notices.heard()), others: Some(Arc::clone(notices)) }
            }
        }
    }

    pub fn ring(&self) {
        self.here.notify_one();
        if let Some(others) = &self.others {
            others.tell();
        }
    }

    /// Rings only here: what follows can be done by this replica.
    pub fn ring_here(&self) {
        self.here.notify_one();
    }

    pub async fn rung(&self) {
        self.here.notified().await;
    }
}
