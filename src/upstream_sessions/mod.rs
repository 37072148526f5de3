//! Sessions with other systems that allow an account one at a time: kept sealed in the store, so that all replicas use the
//! same one, and log in one after the other.

pub mod store;

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_adapter_kit::Secret;
use lienthong_adapter_kit::shared_session::{LoginTurn, SharedSession, SharedSessionError, SharedSessions};

use crate::replicas::store::ReplicaStore;
use crate::replicas::{Leadership, Member};
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;
use store::UpstreamSessionStore;

/// The sessions that the replicas of this gateway share.
pub struct UpstreamSessions {
    pub store: Arc<dyn UpstreamSessionStore>,
    pub replicas: Arc<dyn ReplicaStore>,
    pub member: Arc<Member>,
    pub bodies: Arc<Bodies>,
}

/// Name of the lease under which a replica logs in.
fn lease(name: &str) -> String {
    format!("login:{name}")
}

fn failed(error: StoreError) -> SharedSessionError {
    SharedSessionError(error.to_string())
}

#[async_trait]
impl SharedSessions for UpstreamSessions {
    async fn newest(&self, name: &str) -> Result<Option<SharedSession>, SharedSessionError> {
        let Some(kept) = self.store.newest(name).await.map_err(failed)? else { return Ok(None) };
        let token = self.bodies.unwrap(name.as_bytes(), &kept.sealed);
        let token = token.and_then(|token| std::str::from_utf8(&token).map(Secret::new).ok());
        // Sealed with another key, it is of no use to anyone: as if there were none.
        Ok(token.map(|token| SharedSession { number: kept.number, token, age_ms: kept.age_ms }))
    }

    async fn begin(&self, name: &str) -> Result<Option<LoginTurn>, SharedSessionError> {
        let epoch = self.replicas.hold(&lease(name), self.member.id()).await.map_err(failed)?;
        Ok(epoch.map(|epoch| LoginTurn { name: name.to_owned(), epoch }))
    }

    async fn keep(&self, turn: &LoginTurn, token: &Secret, age_ms: i64) -> Result<i64, SharedSessionError> {
        let sealed = self.bodies.wrap(turn.name.as_bytes(), token.expose().as_bytes()).map_err(failed)?;
        let held = Leadership { holder: self.member.id(), epoch: turn.epoch };
        let kept = self.store.keep(&turn.name, &lease(&turn.name), held, sealed, age_ms).await.map_err(failed)?;
        kept.ok_or_else(|| SharedSessionError("the turn to log in is over".to_owned()))
    }

    async fn end(&self, turn: LoginTurn) -> Result<(), SharedSessionError> {
        self.replicas.release(&lease(&turn.name), self.member.id()).await.map_err(failed)
    }
}
