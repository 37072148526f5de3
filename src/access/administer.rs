//! What operators do with clients: add, give a new credential, revoke. Each is one change with its audit record, and in
//! force on every replica within `access.refresh_ms`.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lienthong_domain::invalid::Message;
use lienthong_domain::time::Clock;
use uuid::Uuid;

use super::client::{Client, Credential, Proof};
use super::oauth::secret_digest;
use super::store::{AccessStore, Change};
use crate::audit::{Draft, Kind, Outcome, Recorder};
use crate::storage::StoreError;
use crate::storage::keys::Keys;

/// What administration stands on.
pub struct Administration {
    pub store: Arc<dyn AccessStore>,
    pub keys: Arc<Keys>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<dyn Clock>,
}

/// What a client shall prove itself by.
#[derive(Debug, Clone)]
pub enum NewProof {
    /// A secret that is made here, and shown once.
    Secret,
    /// A proof of the client's own.
    Own(Proof),
}

/// A credential that was added, with its secret if it has one.
pub struct Added {
    pub credential: Uuid,
    pub secret: Option<String>,
}

/// Why it was not done.
#[derive(Debug)]
pub enum Refused {
    Because(Message),
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Refused {
    fn because(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Because(Message::new(vi, en))
    }
}

impl Administration {
    /// Adds a client with its first credential.
    pub async fn add(&self, client: Client, proof: NewProof) -> Result<Added, Refused> {
        let id = client.id.clone();
        let (credential, added) = self.credential(&id, proof)?;
        let proof = credential.proof.clone();
        let record = self.record("client.add", &id)?;
        match self.store.change(Change::AddClient(client, credential), record).await {
            Err(StoreError::Conflict) => Err(self.taken(Some(&id), &proof).await?),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(added),
        }
    }

    /// Gives a client a new credential; its others end after `overlap_ms`, or go on.
    pub async fn rotate(&self, id: &str, proof: NewProof, overlap_ms: Option<i64>) -> Result<Added, Refused> {
        let (credential, added) = self.credential(id, proof)?;
        let proof = credential.proof.clone();
        let others_end_at = overlap_ms.map(|overlap| self.clock.now().plus_millis(overlap));
        let change = Change::AddCredential { credential, others_end_at };
        match self.change(change, "client.rotate", id).await {
            Err(Refused::Store(StoreError::Conflict)) => Err(self.taken(None, &proof).await?),
            other => other.map(|()| added),
        }
    }

    /// Nothing of the client is accepted any more.
    pub async fn revoke(&self, id: &str) -> Result<(), Refused> {
        let change = Change::RevokeClient { id: id.to_owned(), at: self.clock.now() };
        self.change(change, "client.revoke", id).await
    }

    /// One credential, and every token obtained with it, is not accepted any more.
    pub async fn revoke_credential(&self, id: &str, credential: Uuid) -> Result<(), Refused> {
        let change = Change::RevokeCredential { client_id: id.to_owned(), id: credential, at: self.clock.now() };
        self.change(change, "client.revoke_credential", id).await
    }

    async fn change(&self, change: Change, op: &'static str, id: &str) -> Result<(), Refused> {
        match self.store.change(change, self.record(op, id)?).await {
            Err(StoreError::NotApplicable) => Err(Refused::because(
                format!("Không có hệ thống {id} hoặc phương thức xác thực này, hoặc đã thu hồi."),
                format!("There is no client {id}, or no such credential, or it was revoked."),
            )),
            other => Ok(other?),
        }
    }

    fn record(&self, op: &'static str, id: &str) -> Result<crate::audit::SealedRecord, StoreError> {
        let mut draft = Draft::new(Kind::Operator, op, Outcome::decided("done"));
        draft.client = Some(id);
        self.recorder.seal(&draft)
    }

    fn credential(&self, client_id: &str, proof: NewProof) -> Result<(Credential, Added), Refused> {
        let (proof, secret) = match proof {
            NewProof::Own(proof) => (proof, None),
            NewProof::Secret => {
                let secret = new_secret()?;
                (Proof::Secret(secret_digest(&self.keys, client_id, &secret)), Some(secret))
            }
        };
        let (id, created_at) = (Uuid::now_v7(), self.clock.now());
        let credential = Credential { id, client_id: client_id.to_owned(), proof, created_at, ends_at: None };
        Ok((credential, Added { credential: id, secret }))
    }

    /// What is in the way of a change that the store called a conflict.
    async fn taken(&self, new_id: Option<&str>, proof: &Proof) -> Result<Refused, StoreError> {
        let everything = self.store.everything().await?;
        if let Some(id) = new_id.filter(|id| everything.clients.iter().any(|client| client.id == *id)) {
            return Ok(Refused::because(
                format!("Đã có hệ thống {id}; mã của hệ thống đã thu hồi cũng không dùng lại."),
                format!("There is a client {id} already; the id of a revoked one is not given again."),
            ));
        }
        // Of all that were given this proof, only the last one can hold it still.
        let given = everything.credentials.iter().filter(|known| known.proof == *proof);
        let holder = given.max_by_key(|known| known.created_at).map_or("?", |known| known.client_id.as_str());
        Ok(Refused::because(
            format!("Hệ thống {holder} đang dùng phương thức này."),
            format!("Client {holder} is using this very proof."),
        ))
    }
}

/// 256 random bits: nobody guesses it, so a fast digest of it is enough.
fn new_secret() -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| StoreError::Failed("the system gives no randomness".into()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A sound client id.
pub fn is_sound_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}
