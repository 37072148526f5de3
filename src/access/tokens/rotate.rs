//! Makes the keys that sign tokens ahead of their time, and removes those whose last token has expired. One replica does it
//! for all; each change is recorded.

use std::sync::Arc;

use lienthong_domain::time::Clock;

use super::keys::{Rotation, Step, TokenKey};
use crate::access::store::{AccessStore, Change};
use crate::audit::{Draft, Kind, Outcome, Recorder};
use crate::storage::StoreError;
use crate::storage::bodies::Bodies;

/// What rotation stands on.
#[derive(Clone)]
pub struct Rotate {
    pub store: Arc<dyn AccessStore>,
    pub bodies: Arc<Bodies>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<dyn Clock>,
    pub rotation: Rotation,
}

impl Rotate {
    /// Does what is due, one step at a time; `true` if there was something.
    pub async fn turn(&self) -> Result<bool, StoreError> {
        let keys = self.store.everything().await?.token_keys;
        let keys: Vec<_> = keys.into_iter().map(|key| (key.kid, key.signs_from)).collect();
        let (change, op) = match self.rotation.next(&keys, self.clock.now()) {
            None => return Ok(false),
            Some(Step::Add { signs_from }) => {
                (Change::AddTokenKey(TokenKey::make(&self.bodies, signs_from)?), "token_key.add")
            }
            Some(Step::Remove { kid }) => (Change::RemoveTokenKey { kid }, "token_key.remove"),
        };
        let record = self.recorder.seal(&Draft::new(Kind::Config, op, Outcome::decided("done")))?;
        match self.store.change(change, record).await {
            // Someone else was faster.
            Err(StoreError::NotApplicable | StoreError::Conflict) => Ok(true),
            other => other.map(|()| true),
        }
    }
}
