//! Who may call, in memory: read from the store, and again as soon as the store says that something changed. While the
//! store does not answer, what was read last stays in force.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use lienthong_domain::time::Timestamp;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::client::{Client, Credential, Proof};
use super::store::{AccessStore, Everything};
use super::tokens::keys::TokenKey;
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;

/// A client with its credentials.
#[derive(Debug, Clone)]
pub struct Known {
    pub client: Arc<Client>,
    pub credentials: Vec<Credential>,
}

/// Everything that decides who may call, as it was at one change.
#[derive(Default)]
pub struct InForce {
    /// Grows with every change.
    pub change: i64,
    clients: HashMap<String, Known>,
    by_proof: HashMap<Proof, (String, Uuid)>,
    /// In the order of their times.
    pub token_keys: Vec<TokenKey>,
}

impl InForce {
    fn of(everything: Everything, bodies: &Bodies) -> Result<Self, StoreError> {
        let token_keys: Result<_, _> = everything.token_keys.iter().map(|key| TokenKey::open(bodies, key)).collect();
        let mut in_force = Self { change: everything.change, token_keys: token_keys?, ..Self::default() };
        for client in everything.clients {
            let known = Known { client: Arc::new(client), credentials: Vec::new() };
            in_force.clients.insert(known.client.id.clone(), known);
        }
        for credential in everything.credentials {
            if let Some(known) = in_force.clients.get_mut(&credential.client_id) {
                let owner = (credential.client_id.clone(), credential.id);
                in_force.by_proof.insert(credential.proof.clone(), owner);
                known.credentials.push(credential);
            }
        }
        Ok(in_force)
    }

    /// Of every client, revoked or not.
    pub fn clients(&self) -> impl Iterator<Item = &Known> {
        self.clients.values()
    }

    /// The client, unless it was revoked.
    pub fn client(&self, id: &str) -> Option<&Known> {
        self.clients.get(id).filter(|known| known.client.revoked_at.is_none())
    }

    /// The client with this credential, if both are good.
    pub fn with_credential(&self, id: &str, credential: Uuid, now: Timestamp) -> Option<(&Arc<Client>, &Credential)> {
        let known = self.client(id)?;
        let held = known.credentials.iter().find(|held| held.id == credential && held.is_good(now))?;
        Some((&known.client, held))
    }

    /// Whose proof this is or was: the client's id and the credential's.
    pub fn owner(&self, proof: &Proof) -> Option<&(String, Uuid)> {
        self.by_proof.get(proof)
    }

    /// Whose proof this is, if it is good.
    pub fn by_proof(&self, proof: &Proof, now: Timestamp) -> Option<(&Arc<Client>, &Credential)> {
        let (id, credential) = self.owner(proof)?;
        self.with_credential(id, *credential, now)
    }
}

/// Keeps what is in force.
pub struct Register {
    store: Arc<dyn AccessStore>,
    bodies: Arc<Bodies>,
    in_force: RwLock<Arc<InForce>>,
    /// When the store was last asked because of a key that nobody knew.
    asked: Mutex<Option<Instant>>,
}

impl Register {
    pub async fn open(store: Arc<dyn AccessStore>, bodies: Arc<Bodies>) -> Result<Self, StoreError> {
        let in_force = RwLock::new(Arc::new(InForce::of(store.everything().await?, &bodies)?));
        Ok(Self { store, bodies, in_force, asked: Mutex::default() })
    }

    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads everything again if it changed.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        if self.store.change_number().await? == self.in_force().change {
            return Ok(());
        }
        let read = Arc::new(InForce::of(self.store.everything().await?, &self.bodies)?);
        let mut in_force = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        if read.change > in_force.change {
            *in_force = read;
        }
        Ok(())
    }

    /// The same at once, for a caller who names something new; at most once a second, whoever asks.
    pub async fn refresh_for_stranger(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
            if let Err(error) = self.refresh().await {
                tracing::debug!(%error, "clients could not be read again");
            }
            *asked = Some(Instant::now());
        }
    }

    /// Looks at the store's number until it is told to stop.
    pub async fn watch(self: Arc<Self>, every: Duration, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = stop.changed() => return,
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "clients could not be read: those that were read last stay in force");
            }
        }
    }
}
