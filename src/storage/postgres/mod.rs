//! The PostgreSQL engine: a bounded pool, transactions that carry many requests of one kind, notifications that wake the
//! other replicas. Beyond standard SQL it uses what docs/operations/postgresql.md lists.

mod connect;
mod drain;
mod errors;
mod migrate;
mod notices;
mod order;
mod transaction;

use std::sync::Arc;

use deadpool_postgres::{Object, Pool};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

pub use connect::{Settings, check_url};
pub use drain::{Batch, Drain};
pub use notices::Notices;
pub use order::settled_before;
pub use transaction::{Transaction, column};

use super::StoreError;
use super::backlog::Backlog;
use super::migrations::Migration;

/// A value handed to a statement.
pub type Parameter<'a> = &'a (dyn ToSql + Sync);

/// An open database.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
    limits: Arc<Limits>,
    backlog: Arc<Backlog>,
    notices: Arc<Notices>,
}

/// Sizes of the write path, from the configuration.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests of one kind that wait to be written.
    pub write_queue: usize,
    /// Requests in one transaction at most.
    pub batch_items: usize,
    /// Transactions of one kind at a time.
    pub writers: usize,
}

impl Postgres {
    /// Connects, checks that the server keeps what it commits, and migrates if that is allowed.
    pub async fn open(
        settings: &Settings,
        limits: Limits,
        backlog: Arc<Backlog>,
        known: &'static [Migration],
        may_migrate: bool,
    ) -> Result<Self, StoreError> {
        let (pool, config, tls) = connect::pool(settings)?;
        let mut connection = pool.get().await?;
        connect::check(&connection).await?;
        migrate::run(&mut connection, known, may_migrate).await?;
        drop(connection);
        let notices = Arc::new(Notices::start(config, tls));
        Ok(Self { pool, limits: Arc::new(limits), backlog, notices })
    }

    /// Runs what is missing and returns its names.
    pub async fn migrate(
        settings: &Settings,
        known: &'static [Migration],
    ) -> Result<Vec<&'static Migration>, StoreError> {
        let (pool, _, _) = connect::pool(settings)?;
        let mut connection = pool.get().await?;
        connect::check(&connection).await?;
        migrate::run(&mut connection, known, true).await
    }

    pub async fn connection(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// One statement, committed by itself.
    pub async fn query(&self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, StoreError> {
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.query(&statement, parameters).await?)
    }

    /// One statement, committed by itself; returns how many rows it changed.
    pub async fn execute(&self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<u64, StoreError> {
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.execute(&statement, parameters).await?)
    }

    /// The way in for writes of one kind.
    pub fn drain<B: Batch>(&self, batch: B) -> Drain<B> {
        Drain::start(self.clone(), batch)
    }

    /// Tells every replica, and waits until that is done: for a process that is about to end.
    pub async fn tell_now(&self) -> Result<(), StoreError> {
        self.execute("NOTIFY lienthong", &[]).await.map(drop)
    }

    /// What the replicas tell each other.
    pub fn notices(&self) -> &Arc<Notices> {
        &self.notices
    }
}
