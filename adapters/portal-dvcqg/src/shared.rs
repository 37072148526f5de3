//! One session for all replicas, where the portal allows an account no more: a login ends the session of the others, so
//! nobody logs in without the turn, and nobody before looking whether another has just done so.

use std::sync::Arc;
use std::time::Duration;

use lienthong_adapter_kit::shared_session::{LoginTurn, SharedSessions};
use lienthong_adapter_kit::{Secret, Tools};
use lienthong_domain::time::Clock;
use tokio::time::Instant;

use crate::config::Profile;
use crate::error::CallFailure;
use crate::session::Session;

/// How often a replica looks whether another's login has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct Shared {
    store: Arc<dyn SharedSessions>,
    name: String,
    /// How long another replica's login is waited for.
    patience: Duration,
    clock: Arc<dyn Clock>,
}

impl Shared {
    pub(crate) fn new(profile: &Profile, tools: &Tools) -> Self {
        Self {
            store: tools.sessions.clone(),
            name: profile.session_name(),
            patience: Duration::from_millis(profile.http.total_timeout_ms),
            clock: tools.clock.clone(),
        }
    }

    /// The newest session if it is good, or one from a login of this replica. It must not be cancelled, and there must
    /// be one at a time: a turn tells replicas apart, not tasks.
    pub(crate) async fn session<L>(
        &self,
        is_good: impl Fn(&Session) -> bool,
        log_in: impl FnOnce() -> L,
    ) -> Result<Session, CallFailure>
    where
        L: Future<Output = Result<Secret, CallFailure>>,
    {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(session) = self.newest(&is_good).await? {
                return Ok(session);
            }
            if let Some(turn) = self.store.begin(&self.name).await? {
                let outcome = self.in_turn(&turn, &is_good, log_in).await;
                if let Err(error) = self.store.end(turn).await {
                    tracing::warn!(%error, "the turn to log in was not ended; others wait until this replica ends it");
                }
                return outcome;
            }
            if Instant::now() >= deadline {
                return Err(CallFailure::NotTaken("login: another replica has not finished its own".to_owned()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn in_turn<L>(
        &self,
        turn: &LoginTurn,
        is_good: impl Fn(&Session) -> bool,
        log_in: impl FnOnce() -> L,
    ) -> Result<Session, CallFailure>
    where
        L: Future<Output = Result<Secret, CallFailure>>,
    {
        // Another replica's turn may have ended between the look and this turn.
        if let Some(session) = self.newest(is_good).await? {
            return Ok(session);
        }
        let since = self.clock.now();
        let token = log_in().await?;
        // A session that the others do not know is not used: they would soon end it.
        let number = self.store.keep(turn, &token, self.clock.now().millis_since(since).max(0)).await?;
        Ok(Session { token, number, since })
    }

    async fn newest(&self, is_good: impl Fn(&Session) -> bool) -> Result<Option<Session>, CallFailure> {
        // From before the question, so that a slow answer makes the session older and not younger.
        let asked = self.clock.now();
        let newest = self.store.newest(&self.name).await?.map(|kept| Session {
            token: kept.token,
            number: kept.number,
            since: asked.plus_millis(-kept.age_ms),
        });
        Ok(newest.filter(is_good))
    }
}
