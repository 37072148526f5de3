//! What operators do with clients: add, give a new credential, revoke. Each is one change with its audit record, and in
//! force on every replica within `access.refresh_ms`.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use lienthong_domain::invalid::Message;
use lienthong_domain::time::Clock;
use serde_json::Value;
use uuid::Uuid;

use super::client::{Client, Credential, Proof};
use super::oauth::{algorithms_of, secret_digest};
use super::store::{AccessStore, Change, Everything};
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
        let everything = self.store.everything().await?;
        let (credential, added) = self.credential(&client.id, proof, &everything)?;
        let id = client.id.clone();
        let record = self.record("client.add", &id)?;
        match self.store.change(Change::AddClient(client, credential), record).await {
            Err(StoreError::Conflict) => Err(Refused::because(
                format!("Đã có hệ thống {id}; mã của hệ thống đã thu hồi cũng không dùng lại."),
                format!("There is a client {id} already; the id of a revoked one is not given again."),
            )),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(added),
        }
    }

    /// Gives a client a new credential; its others end after `overlap_ms`, or go on.
    pub async fn rotate(&self, id: &str, proof: NewProof, overlap_ms: Option<i64>) -> Result<Added, Refused> {
        let everything = self.store.everything().await?;
        let (credential, added) = self.credential(id, proof, &everything)?;
        let others_end_at = overlap_ms.map(|overlap| self.clock.now().plus_millis(overlap));
        let change = Change::AddCredential { credential, others_end_at };
        self.change(change, "client.rotate", id).await.map(|()| added)
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

    fn credential(
        &self,
        client_id: &str,
        proof: NewProof,
        everything: &Everything,
    ) -> Result<(Credential, Added), Refused> {
        let (proof, secret) = match proof {
            NewProof::Own(proof) => (proof, None),
            NewProof::Secret => {
                let secret = new_secret()?;
                (Proof::Secret(secret_digest(&self.keys, client_id, &secret)), Some(secret))
            }
        };
        let now = self.clock.now();
        let is_revoked =
            |id: &str| everything.clients.iter().any(|client| client.id == id && client.revoked_at.is_some());
        let in_use = |known: &&Credential| known.proof == proof && known.is_good(now) && !is_revoked(&known.client_id);
        if let Some(known) = everything.credentials.iter().find(in_use) {
            return Err(Refused::because(
                format!("Hệ thống {} đang dùng phương thức này.", known.client_id),
                format!("Client {} is using this very proof.", known.client_id),
            ));
        }
        let id = Uuid::now_v7();
        let credential = Credential { id, client_id: client_id.to_owned(), proof, created_at: now, ends_at: None };
        Ok((credential, Added { credential: id, secret }))
    }
}

/// 256 random bits: nobody guesses it, so a fast digest of it is enough.
fn new_secret() -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| StoreError::Failed("the system gives no randomness".into()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The public key in a JWK that someone handed in, without anything else that was in it.
pub fn public_key(text: &str) -> Result<Proof, Message> {
    let value: Value = serde_json::from_str(text).map_err(|_| Message::new("Không phải JSON.", "Not JSON."))?;
    if ["d", "p", "q", "k"].iter().any(|private| value.get(private).is_some()) {
        return Err(Message::new(
            "Đây là khóa riêng: hãy giữ kín, coi như đã lộ nếu đã gửi đi, và chỉ nộp phần công khai.",
            "This is a private key: keep it to yourself, treat it as leaked if it was sent, and hand in the public half.",
        ));
    }
    let usable = serde_json::from_value::<Jwk>(value).ok().filter(|key| algorithms_of(key).is_some());
    let key = usable.ok_or_else(|| {
        Message::new(
            "Cần một JWK công khai: EC P-256, P-384, Ed25519 hoặc RSA.",
            "A public JWK is needed: EC P-256, P-384, Ed25519 or RSA.",
        )
    })?;
    serde_json::to_string(&key)
        .map(Proof::Key)
        .map_err(|_| Message::new("Không ghi được khóa.", "The key cannot be written."))
}

/// A sound client id.
pub fn is_sound_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}
