//! What access needs of a store: clients, their credentials, the keys that sign tokens, and assertions that were used.
//! All of it is small: readers hold the whole in memory and ask whether it changed.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::catalogue::{AgencyCode, ProcedureCode};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use super::client::{Client, Credential, Proof, Scope};
use crate::audit::SealedRecord;
use crate::storage::{Database, StoreError, hex};

/// A key that signs tokens, sealed under the deployment's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTokenKey {
    pub kid: String,
    pub sealed: Vec<u8>,
    /// From then on, until the next one does.
    pub signs_from: Timestamp,
}

/// Everything that decides who may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Everything {
    /// That of [`AccessStore::change`], not newer than the rest.
    pub change: i64,
    pub clients: Vec<Client>,
    pub credentials: Vec<Credential>,
    pub token_keys: Vec<SealedTokenKey>,
}

/// What may be changed. Each change is one transaction, with its audit record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `Conflict` if there is a client of this id, revoked or not, or if anyone holds this proof.
    AddClient(Client, Credential),
    /// The client's other credentials end then, unless they end sooner. `NotApplicable` without a client that is not
    /// revoked; `Conflict` if anyone holds this proof.
    AddCredential { credential: Credential, others_end_at: Option<Timestamp> },
    /// `NotApplicable` without a client that is not revoked.
    RevokeClient { id: String, at: Timestamp },
    /// `NotApplicable` if the client has no such credential, or it has ended.
    RevokeCredential { client_id: String, id: Uuid, at: Timestamp },
    /// `Conflict` if there is a key of this id.
    AddTokenKey(SealedTokenKey),
    /// `NotApplicable` if there is no such key.
    RemoveTokenKey { kid: String },
}

/// The store of clients and keys.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// Grows with every change.
    async fn change_number(&self) -> Result<i64, StoreError>;

    async fn everything(&self) -> Result<Everything, StoreError>;

    async fn change(&self, change: Change, record: SealedRecord) -> Result<(), StoreError>;

    /// Remembers an assertion until it ends; `false` if it was used before.
    async fn use_assertion(&self, client_id: &str, jti: &str, ends_at: Timestamp) -> Result<bool, StoreError>;

    /// Forgets assertions that ended before `before`, up to 1,000; returns how many.
    async fn forget_assertions(&self, before: Timestamp) -> Result<usize, StoreError>;
}

/// The store on the deployment's engine.
pub fn open(database: &Database) -> Arc<dyn AccessStore> {
    match database {
        Database::Sqlite(database) => Arc::new(sqlite::SqliteAccess::new(database.clone())),
        Database::Postgres(database) => Arc::new(postgres::PostgresAccess::new(database.clone())),
    }
}

/// A client as both engines store it.
struct ClientRow {
    id: String,
    name: String,
    agencies: String,
    procedures: String,
    scopes: String,
    created_at: i64,
    revoked_at: Option<i64>,
}

/// A credential as both engines store it.
struct CredentialRow {
    id: Uuid,
    client_id: String,
    kind: String,
    value: String,
    created_at: i64,
    ends_at: Option<i64>,
}

impl ClientRow {
    fn of(client: &Client) -> Self {
        Self {
            id: client.id.clone(),
            name: client.name.clone(),
            agencies: write_list(&client.agencies),
            procedures: write_list(&client.procedures),
            scopes: write_list(&client.scopes),
            created_at: client.created_at.micros(),
            revoked_at: client.revoked_at.map(Timestamp::micros),
        }
    }

    fn read(self) -> Result<Client, StoreError> {
        Ok(Client {
            agencies: read_list::<AgencyCode>(&self.agencies)?,
            procedures: read_list::<ProcedureCode>(&self.procedures)?,
            // One that this program does not know allows nothing here.
            scopes: self.scopes.split(' ').filter_map(|name| Scope::parse(name).ok()).collect(),
            id: self.id,
            name: self.name,
            created_at: Timestamp::from_micros(self.created_at),
            revoked_at: self.revoked_at.map(Timestamp::from_micros),
        })
    }
}

impl CredentialRow {
    fn of(credential: &Credential) -> Self {
        let value = match &credential.proof {
            Proof::Secret(digest) | Proof::Certificate(digest) => hex::write(digest),
            Proof::Key(text) | Proof::CertificateName(text) => text.clone(),
            Proof::Subject { issuer, subject } => format!("{issuer} {subject}"),
        };
        Self {
            id: credential.id,
            client_id: credential.client_id.clone(),
            kind: credential.proof.kind().to_owned(),
            value,
            created_at: credential.created_at.micros(),
            ends_at: credential.ends_at.map(Timestamp::micros),
        }
    }

    fn read(self) -> Result<Credential, StoreError> {
        let unreadable = || StoreError::Failed(format!("credential {} cannot be read", self.id));
        let proof = match self.kind.as_str() {
            "secret" => Proof::Secret(hex::read(&self.value).ok_or_else(unreadable)?),
            "certificate" => Proof::Certificate(hex::read(&self.value).ok_or_else(unreadable)?),
            "key" => Proof::Key(self.value),
            "certificate_name" => Proof::CertificateName(self.value),
            "subject" => {
                let (issuer, subject) = self.value.split_once(' ').ok_or_else(unreadable)?;
                Proof::Subject { issuer: issuer.to_owned(), subject: subject.to_owned() }
            }
            _ => return Err(unreadable()),
        };
        Ok(Credential {
            id: self.id,
            client_id: self.client_id,
            proof,
            created_at: Timestamp::from_micros(self.created_at),
            ends_at: self.ends_at.map(Timestamp::from_micros),
        })
    }
}

/// Codes hold no space.
fn write_list<T: Scalar>(items: &[T]) -> String {
    items.iter().map(Scalar::to_text).collect::<Vec<_>>().join(" ")
}

fn read_list<T: Scalar>(text: &str) -> Result<Vec<T>, StoreError> {
    let read = |word| T::parse(word).map_err(|refusal| StoreError::Failed(refusal.message.en));
    text.split(' ').filter(|word| !word.is_empty()).map(read).collect()
}
