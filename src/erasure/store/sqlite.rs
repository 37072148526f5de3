//! Erasure on SQLite: `secure_delete` writes zeroes over what is deleted, and then the write-ahead log is emptied.

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use rusqlite::Row;
use uuid::Uuid;

use super::{Content, Erasure, ErasureStore, first_id_at};
use crate::erasure::Target;
use crate::storage::StoreError;
use crate::storage::sqlite::{Sqlite, Transaction};

/// The topic's store on SQLite.
pub(super) struct SqliteErasure {
    database: Sqlite,
}

impl SqliteErasure {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }

    async fn read(
        &self,
        sql: &'static str,
        parameters: impl rusqlite::Params + Send + 'static,
    ) -> Result<Vec<Content>, StoreError> {
        let read = move |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_map(parameters, content_of)?.collect::<Result<_, _>>()?)
        };
        self.database.readers.read(read).await
    }
}

#[async_trait]
impl ErasureStore for SqliteErasure {
    async fn find(&self, target: &Target) -> Result<Vec<Content>, StoreError> {
        match target {
            Target::Dossier(code) => {
                // The dossier by all its codes: a message of the portal knows it by the nation's, and what tells the portal, too.
                let sql = "WITH dossier_code (code) AS (SELECT CAST(?1 AS TEXT) \
                           UNION SELECT national_code FROM inbox_item WHERE local_code = ?1 \
                           UNION SELECT local_code FROM inbox_item WHERE national_code = ?1 AND local_code IS NOT NULL) \
                           SELECT body_id, id, lane, agency_id, is_open FROM outbox \
                           WHERE lane IN (SELECT code FROM dossier_code) \
                           AND EXISTS (SELECT 1 FROM body WHERE body.id = body_id) UNION ALL \
                           SELECT body_id, id, national_code, agency_id, status IN ('waiting', 'conflict') FROM inbox_item \
                           WHERE national_code IN (SELECT code FROM dossier_code) \
                           AND EXISTS (SELECT 1 FROM body WHERE body.id = body_id) ORDER BY 2";
                self.read(sql, (code.clone(),)).await
            }
            Target::Record(id) => {
                let sql = "SELECT body_id, id, lane, agency_id, is_open FROM outbox WHERE body_id = ?1 \
                           AND EXISTS (SELECT 1 FROM body WHERE body.id = body_id) UNION ALL \
                           SELECT body_id, id, national_code, agency_id, status IN ('waiting', 'conflict') FROM inbox_item \
                           WHERE body_id = ?1 AND EXISTS (SELECT 1 FROM body WHERE body.id = body_id)";
                self.read(sql, (*id.as_bytes(),)).await
            }
        }
    }

    async fn erase(&self, erasures: Vec<Erasure>) -> Result<usize, StoreError> {
        self.database.writer.write(move |transaction| erase(transaction, &erasures)).await
    }

    async fn settled_before(&self, before: Timestamp, limit: usize) -> Result<Vec<Content>, StoreError> {
        let sql = "SELECT body_id, id, lane, agency_id, is_open FROM outbox WHERE id < ?1 AND is_open = 0 ORDER BY id LIMIT ?2";
        let first = *first_id_at(before).as_bytes();
        let mut found = self.read(sql, (first, limit.cast_signed() as i64)).await?;
        let sql = "SELECT body_id, id, national_code, agency_id, 0 FROM inbox_item WHERE id < ?1 \
                   AND has_content = 1 AND status IN ('acknowledged', 'rejected') ORDER BY id LIMIT ?2";
        found.extend(self.read(sql, (first, (limit - found.len()).cast_signed() as i64)).await?);
        Ok(found)
    }

    async fn drop_settled(&self, erasures: Vec<Erasure>) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                erase(transaction, &erasures)?;
                for Erasure { content, .. } in &erasures {
                    transaction
                        .connection
                        .prepare_cached("DELETE FROM outbox WHERE id = ?1")?
                        .execute([content.item.as_bytes()])?;
                }
                Ok(())
            })
            .await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.database.writer.empty_log().await
    }
}

fn erase(transaction: &mut Transaction<'_>, erasures: &[Erasure]) -> Result<usize, StoreError> {
    let mut erased = 0;
    for Erasure { content, record, digest } in erasures {
        let connection = transaction.connection;
        let is_open = connection
            .prepare_cached(
                "SELECT 1 FROM outbox WHERE id = ?1 AND is_open = 1 UNION ALL \
                 SELECT 1 FROM inbox_item WHERE id = ?1 AND status IN ('waiting', 'conflict')",
            )?
            .exists([content.item.as_bytes()])?;
        if is_open {
            return Err(StoreError::Conflict);
        }
        let removed =
            connection.prepare_cached("DELETE FROM body WHERE id = ?1")?.execute([content.body.as_bytes()])?;
        connection
            .prepare_cached("UPDATE inbox_item SET has_content = 0 WHERE id = ?1 AND body_id = ?2")?
            .execute((content.item.as_bytes(), content.body.as_bytes()))?;
        connection.prepare_cached("DELETE FROM linked_file WHERE body_id = ?1")?.execute([content.body.as_bytes()])?;
        connection
            .prepare_cached("UPDATE kept_file SET is_gone = 1 WHERE body_id = ?1")?
            .execute([content.body.as_bytes()])?;
        if removed == 0 {
            continue;
        }
        connection.prepare_cached("UPDATE dossier SET digest = ?3 WHERE code = ?1 AND body_id = ?2")?.execute((
            &content.dossier,
            content.body.as_bytes(),
            digest,
        ))?;
        transaction.audit(record.clone());
        erased += 1;
    }
    Ok(erased)
}

fn content_of(row: &Row<'_>) -> rusqlite::Result<Content> {
    Ok(Content {
        body: Uuid::from_bytes(row.get(0)?),
        item: Uuid::from_bytes(row.get(1)?),
        dossier: row.get(2)?,
        agency: row.get(3)?,
        is_open: row.get(4)?,
    })
}
