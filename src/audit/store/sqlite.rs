//! The audit log on SQLite: the one writer gives each record its place as it writes it.

use async_trait::async_trait;
use rusqlite::OptionalExtension;

use super::{AuditStore, PlacedRecord, frontier_of, hash_of};
use crate::audit::{Frontier, SealedRecord};
use crate::replicas::Leadership;
use crate::storage::StoreError;
use crate::storage::sqlite::Sqlite;

/// The log's store on SQLite.
pub(super) struct SqliteAudit {
    database: Sqlite,
}

impl SqliteAudit {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

#[async_trait]
impl AuditStore for SqliteAudit {
    async fn append(&self, record: SealedRecord) -> Result<(), StoreError> {
        self.database
            .writer
            .accept(move |transaction| {
                transaction.audit(record.clone());
                Ok(())
            })
            .await
    }

    async fn append_always(&self, record: SealedRecord) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                transaction.audit(record.clone());
                Ok(())
            })
            .await
    }

    async fn place(&self, _: Leadership, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn unplaced(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn shards(&self) -> Result<Vec<String>, StoreError> {
        self.database
            .readers
            .read(|connection| {
                let mut statement = connection.prepare_cached("SELECT shard FROM audit_head ORDER BY shard")?;
                Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn head(&self, shard: &str) -> Result<Option<Frontier>, StoreError> {
        let shard = shard.to_owned();
        let found: Option<(i64, Vec<u8>)> = self
            .database
            .readers
            .read(move |connection| {
                Ok(connection
                    .prepare_cached("SELECT size, frontier FROM audit_head WHERE shard = ?1")?
                    .query_row([shard], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?)
            })
            .await?;
        found.map(|(size, bytes)| frontier_of(size, &bytes)).transpose()
    }

    async fn records(&self, shard: &str, from: u64, limit: usize) -> Result<Vec<PlacedRecord>, StoreError> {
        let shard = shard.to_owned();
        let found: Vec<(i64, Vec<u8>, Vec<u8>)> = self
            .database
            .readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT idx, leaf_hash, record FROM audit_record WHERE shard = ?1 AND idx >= ?2 ORDER BY idx LIMIT ?3",
                )?;
                let rows = statement.query_map((shard, from.cast_signed(), limit.cast_signed() as i64), |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await?;
        let place = |(index, hash, bytes): (i64, Vec<u8>, Vec<u8>)| {
            Ok(PlacedRecord { index: index.cast_unsigned(), leaf_hash: hash_of(&hash)?, bytes })
        };
        found.into_iter().map(place).collect()
    }
}
