//! Clients and keys on SQLite.

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{AccessStore, Change, ClientRow, CredentialRow, Everything, SealedTokenKey};
use crate::audit::SealedRecord;
use crate::storage::StoreError;
use crate::storage::sqlite::Sqlite;

/// The store of clients and keys on SQLite.
pub(super) struct SqliteAccess {
    database: Sqlite,
}

impl SqliteAccess {
    pub(super) fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

#[async_trait]
impl AccessStore for SqliteAccess {
    async fn change_number(&self) -> Result<i64, StoreError> {
        self.database.readers.read(change_number).await
    }

    async fn everything(&self) -> Result<Everything, StoreError> {
        self.database
            .readers
            .read(|connection| {
                // First: what follows may be newer, and is then read again.
                let change = change_number(connection)?;
                Ok(Everything {
                    change,
                    clients: clients(connection)?,
                    credentials: credentials(connection)?,
                    token_keys: token_keys(connection)?,
                })
            })
            .await
    }

    async fn change(&self, change: Change, record: SealedRecord) -> Result<(), StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                make(transaction.connection, &change)?;
                transaction
                    .connection
                    .prepare_cached(
                        "INSERT INTO access_change (name, number) VALUES ('access', 1) \
                         ON CONFLICT (name) DO UPDATE SET number = number + 1",
                    )?
                    .execute([])?;
                transaction.audit(record.clone());
                Ok(())
            })
            .await
    }

    async fn use_assertion(&self, client_id: &str, jti: &str, ends_at: Timestamp) -> Result<bool, StoreError> {
        let (client_id, jti) = (client_id.to_owned(), jti.to_owned());
        self.database
            .writer
            .write(move |transaction| {
                let used = transaction
                    .connection
                    .prepare_cached(
                        "INSERT INTO used_assertion (client_id, jti, ends_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                    )?
                    .execute((&client_id, &jti, ends_at.micros()))?;
                Ok(used == 1)
            })
            .await
    }

    async fn forget_assertions(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.database
            .writer
            .write(move |transaction| {
                Ok(transaction
                    .connection
                    .prepare_cached(
                        "DELETE FROM used_assertion WHERE (client_id, jti) IN \
                         (SELECT client_id, jti FROM used_assertion WHERE ends_at < ?1 LIMIT 1000)",
                    )?
                    .execute([before.micros()])?)
            })
            .await
    }
}

fn change_number(connection: &Connection) -> Result<i64, StoreError> {
    let number =
        connection.prepare_cached("SELECT number FROM access_change")?.query_row([], |row| row.get(0)).optional()?;
    Ok(number.unwrap_or(0))
}

fn clients(connection: &Connection) -> Result<Vec<super::Client>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, agencies, procedures, scopes, created_at, revoked_at FROM client ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(ClientRow {
            id: row.get(0)?,
            name: row.get(1)?,
            agencies: row.get(2)?,
            procedures: row.get(3)?,
            scopes: row.get(4)?,
            created_at: row.get(5)?,
            revoked_at: row.get(6)?,
        })
    })?;
    rows.map(|row| row?.read()).collect()
}

fn credentials(connection: &Connection) -> Result<Vec<super::Credential>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT id, client_id, kind, value, created_at, ends_at FROM client_credential ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok(CredentialRow {
            id: Uuid::from_bytes(row.get(0)?),
            client_id: row.get(1)?,
            kind: row.get(2)?,
            value: row.get(3)?,
            created_at: row.get(4)?,
            ends_at: row.get(5)?,
        })
    })?;
    rows.map(|row| row?.read()).collect()
}

fn token_keys(connection: &Connection) -> Result<Vec<SealedTokenKey>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT kid, sealed, signs_from FROM token_key ORDER BY signs_from, kid")?;
    let rows = statement.query_map([], |row| {
        Ok(SealedTokenKey { kid: row.get(0)?, sealed: row.get(1)?, signs_from: Timestamp::from_micros(row.get(2)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn make(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::AddClient(client, credential) => {
            let row = ClientRow::of(client);
            let added = connection
                .prepare_cached(
                    "INSERT INTO client (id, name, agencies, procedures, scopes, created_at, revoked_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    row.id,
                    row.name,
                    row.agencies,
                    row.procedures,
                    row.scopes,
                    row.created_at,
                    row.revoked_at
                ])?;
            one(added, StoreError::Conflict)?;
            let row = CredentialRow::of(credential);
            is_free(connection, &row)?;
            add_credential(connection, &row)
        }
        Change::AddCredential { credential, others_end_at } => {
            let row = CredentialRow::of(credential);
            let is_there = connection
                .prepare_cached("SELECT 1 FROM client WHERE id = ?1 AND revoked_at IS NULL")?
                .exists([&row.client_id])?;
            one(usize::from(is_there), StoreError::NotApplicable)?;
            is_free(connection, &row)?;
            if let Some(end) = others_end_at {
                connection
                    .prepare_cached(
                        "UPDATE client_credential SET ends_at = ?2 \
                         WHERE client_id = ?1 AND (ends_at IS NULL OR ends_at > ?2)",
                    )?
                    .execute((&row.client_id, end.micros()))?;
            }
            add_credential(connection, &row)
        }
        Change::RevokeClient { id, at } => {
            let revoked = connection
                .prepare_cached("UPDATE client SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
                .execute((id, at.micros()))?;
            one(revoked, StoreError::NotApplicable)
        }
        Change::RevokeCredential { client_id, id, at } => {
            let revoked = connection
                .prepare_cached(
                    "UPDATE client_credential SET ends_at = ?3 \
                     WHERE client_id = ?1 AND id = ?2 AND (ends_at IS NULL OR ends_at > ?3)",
                )?
                .execute((client_id, id.as_bytes(), at.micros()))?;
            one(revoked, StoreError::NotApplicable)
        }
        Change::AddTokenKey(key) => {
            let added = connection
                .prepare_cached(
                    "INSERT INTO token_key (kid, sealed, signs_from) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                )?
                .execute((&key.kid, &key.sealed, key.signs_from.micros()))?;
            one(added, StoreError::Conflict)
        }
        Change::RemoveTokenKey { kid } => {
            let removed = connection.prepare_cached("DELETE FROM token_key WHERE kid = ?1")?.execute([kid])?;
            one(removed, StoreError::NotApplicable)
        }
    }
}

/// Whether nobody holds this proof.
fn is_free(connection: &Connection, row: &CredentialRow) -> Result<(), StoreError> {
    let is_held = connection
        .prepare_cached(
            "SELECT 1 FROM client_credential AS held JOIN client ON client.id = held.client_id \
             WHERE held.kind = ?1 AND held.value = ?2 AND (held.ends_at IS NULL OR held.ends_at > ?3) \
             AND client.revoked_at IS NULL LIMIT 1",
        )?
        .exists((&row.kind, &row.value, row.created_at))?;
    if is_held { Err(StoreError::Conflict) } else { Ok(()) }
}

fn add_credential(connection: &Connection, row: &CredentialRow) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO client_credential (id, client_id, kind, value, created_at, ends_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((row.id.as_bytes(), &row.client_id, &row.kind, &row.value, row.created_at, row.ends_at))?;
    Ok(())
}

fn one(changed: usize, otherwise: StoreError) -> Result<(), StoreError> {
    if changed == 1 { Ok(()) } else { Err(otherwise) }
}
