//! Clients and keys on PostgreSQL.

use async_trait::async_trait;
use lienthong_domain::time::Timestamp;
use tokio_postgres::Row;

use super::{AccessStore, Change, ClientRow, CredentialRow, Everything, SealedTokenKey};
use crate::audit::SealedRecord;
use crate::storage::StoreError;
use crate::storage::postgres::{Postgres, Transaction};

/// The store of clients and keys on PostgreSQL.
pub(super) struct PostgresAccess {
    database: Postgres,
}

impl PostgresAccess {
    pub(super) fn new(database: Postgres) -> Self {
        Self { database }
    }
}

#[async_trait]
impl AccessStore for PostgresAccess {
    async fn change_number(&self) -> Result<i64, StoreError> {
        let found = self.database.query("SELECT number FROM access_change", &[]).await?;
        Ok(found.first().map_or(0, |row| row.get(0)))
    }

    async fn everything(&self) -> Result<Everything, StoreError> {
        // First: what follows may be newer, and is then read again.
        let change = self.change_number().await?;
        let clients = self
            .database
            .query("SELECT id, name, agencies, procedures, scopes, created_at, revoked_at FROM client ORDER BY id", &[])
            .await?;
        let sql = "SELECT id, client_id, kind, value, created_at, ends_at FROM client_credential ORDER BY id";
        let credentials = self.database.query(sql, &[]).await?;
        let keys =
            self.database.query("SELECT kid, sealed, signs_from FROM token_key ORDER BY signs_from, kid", &[]).await?;
        Ok(Everything {
            change,
            clients: clients.iter().map(|row| client_of(row).read()).collect::<Result<_, _>>()?,
            credentials: credentials.iter().map(|row| credential_of(row).read()).collect::<Result<_, _>>()?,
            token_keys: keys.iter().map(key_of).collect(),
        })
    }

    async fn change(&self, change: Change, record: SealedRecord) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let transaction = Transaction::begin(&mut connection).await?;
        // The number's row is held until the commit: changes are made one after the other.
        let sql = "INSERT INTO access_change (name, number) VALUES ('access', 1) \
                   ON CONFLICT (name) DO UPDATE SET number = access_change.number + 1";
        transaction.execute(sql, &[]).await?;
        make(&transaction, &change).await?;
        transaction.audit(record);
        transaction.commit().await
    }

    async fn use_assertion(&self, client_id: &str, jti: &str, ends_at: Timestamp) -> Result<bool, StoreError> {
        let sql = "INSERT INTO used_assertion (client_id, jti, ends_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        Ok(self.database.execute(sql, &[&client_id, &jti, &ends_at.micros()]).await? == 1)
    }

    async fn forget_assertions(&self, before: Timestamp) -> Result<usize, StoreError> {
        let sql = "DELETE FROM used_assertion WHERE (client_id, jti) IN \
                   (SELECT client_id, jti FROM used_assertion WHERE ends_at < $1 LIMIT 1000)";
        let forgotten = self.database.execute(sql, &[&before.micros()]).await?;
        Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
    }
}

fn client_of(row: &Row) -> ClientRow {
    ClientRow {
        id: row.get(0),
        name: row.get(1),
        agencies: row.get(2),
        procedures: row.get(3),
        scopes: row.get(4),
        created_at: row.get(5),
        revoked_at: row.get(6),
    }
}

fn credential_of(row: &Row) -> CredentialRow {
    CredentialRow {
        id: row.get(0),
        client_id: row.get(1),
        kind: row.get(2),
        value: row.get(3),
        created_at: row.get(4),
        ends_at: row.get(5),
    }
}

fn key_of(row: &Row) -> SealedTokenKey {
    SealedTokenKey { kid: row.get(0), sealed: row.get(1), signs_from: Timestamp::from_micros(row.get(2)) }
}

async fn make(transaction: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::AddClient(client, credential) => {
            let row = ClientRow::of(client);
            let sql = "INSERT INTO client (id, name, agencies, procedures, scopes, created_at, revoked_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
            let added = transaction
                .execute(
                    sql,
                    &[
                        &row.id,
                        &row.name,
                        &row.agencies,
                        &row.procedures,
                        &row.scopes,
                        &row.created_at,
                        &row.revoked_at,
                    ],
                )
                .await?;
            one(added, StoreError::Conflict)?;
            let row = CredentialRow::of(credential);
            is_free(transaction, &row).await?;
            add_credential(transaction, &row).await
        }
        Change::AddCredential { credential, others_end_at } => {
            let row = CredentialRow::of(credential);
            let sql = "SELECT 1 FROM client WHERE id = $1 AND revoked_at IS NULL";
            let found = transaction.query(sql, &[&row.client_id]).await?;
            one(found.len() as u64, StoreError::NotApplicable)?;
            is_free(transaction, &row).await?;
            if let Some(end) = others_end_at {
                let sql = "UPDATE client_credential SET ends_at = $2 \
                           WHERE client_id = $1 AND (ends_at IS NULL OR ends_at > $2)";
                transaction.execute(sql, &[&row.client_id, &end.micros()]).await?;
            }
            add_credential(transaction, &row).await
        }
        Change::RevokeClient { id, at } => {
            let sql = "UPDATE client SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
            one(transaction.execute(sql, &[id, &at.micros()]).await?, StoreError::NotApplicable)
        }
        Change::RevokeCredential { client_id, id, at } => {
            let sql = "UPDATE client_credential SET ends_at = $3 \
                       WHERE client_id = $1 AND id = $2 AND (ends_at IS NULL OR ends_at > $3)";
            one(transaction.execute(sql, &[client_id, id, &at.micros()]).await?, StoreError::NotApplicable)
        }
        Change::AddTokenKey(key) => {
            let sql = "INSERT INTO token_key (kid, sealed, signs_from) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            let added = transaction.execute(sql, &[&key.kid, &key.sealed, &key.signs_from.micros()]).await?;
            one(added, StoreError::Conflict)
        }
        Change::RemoveTokenKey { kid } => {
            let removed = transaction.execute("DELETE FROM token_key WHERE kid = $1", &[kid]).await?;
            one(removed, StoreError::NotApplicable)
        }
    }
}

/// Whether nobody holds this proof. Changes are made one after the other: what is free here is free until the commit.
async fn is_free(transaction: &Transaction<'_>, row: &CredentialRow) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM client_credential AS held JOIN client ON client.id = held.client_id \
               WHERE held.kind = $1 AND held.value = $2 AND (held.ends_at IS NULL OR held.ends_at > $3) \
               AND client.revoked_at IS NULL LIMIT 1";
    let held = transaction.query(sql, &[&row.kind, &row.value, &row.created_at]).await?;
    if held.is_empty() { Ok(()) } else { Err(StoreError::Conflict) }
}

async fn add_credential(transaction: &Transaction<'_>, row: &CredentialRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO client_credential (id, client_id, kind, value, created_at, ends_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    transaction.execute(sql, &[&row.id, &row.client_id, &row.kind, &row.value, &row.created_at, &row.ends_at]).await?;
    Ok(())
}

fn one(changed: u64, otherwise: StoreError) -> Result<(), StoreError> {
    if changed == 1 { Ok(()) } else { Err(otherwise) }
}
