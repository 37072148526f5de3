//! A transaction that carries the writes of many requests: the topic's own statements, and what every topic needs beside
//! them. Each statement takes arrays, one element a request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use deadpool_postgres::{Object, Transaction as Inner};
use tokio_postgres::Row;

use super::Parameter;
use crate::audit::SealedRecord;
use crate::storage::StoreError;
use crate::storage::bodies::SealedBody;

/// An open transaction. Dropped without a commit, it had no effect.
pub struct Transaction<'a> {
    inner: Inner<'a>,
    kept: Mutex<Kept>,
}

/// What every topic writes beside its own rows: collected, and written in one statement at the end.
#[derive(Default)]
struct Kept {
    bodies: Vec<SealedBody>,
    records: Vec<SealedRecord>,
}

/// One column of an array statement: a value of each write.
pub fn column<'a, W, T>(writes: impl IntoIterator<Item = &'a W>, value: impl Fn(&'a W) -> T) -> Vec<T>
where
    W: 'a + ?Sized,
{
    writes.into_iter().map(value).collect()
}

impl<'a> Transaction<'a> {
    pub async fn begin(connection: &'a mut Object) -> Result<Self, StoreError> {
        Ok(Self { inner: connection.transaction().await?, kept: Mutex::default() })
    }

    pub async fn query(&self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, StoreError> {
        let statement = self.inner.prepare_cached(sql).await?;
        Ok(self.inner.query(&statement, parameters).await?)
    }

    pub async fn execute(&self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<u64, StoreError> {
        let statement = self.inner.prepare_cached(sql).await?;
        Ok(self.inner.execute(&statement, parameters).await?)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a body, if the whole transaction succeeds.
    pub fn keep_body(&self, body: SealedBody) {
        self.kept().bodies.push(body);
    }

    /// Appends an audit record, if the whole transaction succeeds.
    pub fn audit(&self, record: SealedRecord) {
        self.kept().records.push(record);
    }

    /// Writes bodies and audit records, and commits. An error of the connection leaves the outcome unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        let Kept { bodies, records } = std::mem::take(&mut *self.kept());
        if !bodies.is_empty() || !records.is_empty() {
            let sql = "WITH bodies AS (INSERT INTO body (id, key_id, wrapped_key, sealed) \
                       SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[])) \
                       INSERT INTO audit_pending (shard, id, at, leaf_hash, record) \
                       SELECT * FROM unnest($5::text[], $6::uuid[], $7::bigint[], $8::bytea[], $9::bytea[])";
            let body_ids = column(&bodies, |body| body.id);
            let key_ids = column(&bodies, |body| body.key_id);
            let wrapped = column(&bodies, |body| body.wrapped_key.as_slice());
            let sealed = column(&bodies, |body| body.sealed.as_slice());
            let shards = column(&records, |record| record.shard.as_str());
            let ids = column(&records, |record| record.id);
            let times = column(&records, |record| record.at.micros());
            let hashes = column(&records, |record| record.leaf_hash.as_slice());
            let bytes = column(&records, |record| record.bytes.as_slice());
            let parameters: [Parameter<'_>; 9] =
                [&body_ids, &key_ids, &wrapped, &sealed, &shards, &ids, &times, &hashes, &bytes];
            self.execute(sql, &parameters).await?;
        }
        Ok(self.inner.commit().await?)
    }
}
