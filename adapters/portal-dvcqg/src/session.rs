//! The portal's session: one login at a time for everybody, used until shortly before its age, given up when refused.
//! This is the only state the adapter keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lienthong_adapter_kit::{Secret, Tools, time_budget};
use lienthong_domain::time::{Clock, Timestamp};
use tokio::sync::Mutex;
use tracing::Instrument;

use crate::config::{Profile, SessionSettings};
use crate::error::CallFailure;
use crate::shared::Shared;

/// A session as one call uses it.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) token: Secret,
    /// Which login it came from: counted here, or by the store of shared sessions.
    pub(crate) number: i64,
    pub(crate) since: Timestamp,
}

pub(crate) struct Sessions {
    settings: SessionSettings,
    clock: Arc<dyn Clock>,
    /// Where the portal allows one session only.
    shared: Option<Shared>,
    /// Renewals that have ended, well or badly. Read before waiting, so that those who waited share the outcome.
    ended: AtomicI64,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    current: Option<Session>,
    last_failure: Option<CallFailure>,
}

impl Sessions {
    pub(crate) fn new(profile: &Profile, tools: &Tools) -> Self {
        Self {
            settings: profile.session.clone(),
            clock: tools.clock.clone(),
            shared: profile.session.only_one.then(|| Shared::new(profile, tools)),
            ended: AtomicI64::new(0),
            state: Arc::default(),
        }
    }

    /// A session that is good now, logging in if there is none. `refused` is one that the portal did not take: it is
    /// not given out again, but a newer one of somebody else's login is.
    pub(crate) async fn get<L>(
        self: &Arc<Self>,
        refused: Option<&Session>,
        log_in: impl FnOnce() -> L + Send + 'static,
    ) -> Result<Session, CallFailure>
    where
        L: Future<Output = Result<Secret, CallFailure>> + Send,
    {
        let ended_before = self.ended.load(Ordering::Acquire);
        let mut state = self.state.clone().lock_owned().await;
        let refused = refused.map(|session| session.number);
        if let Some(current) = &state.current
            && self.is_good(current, refused)
        {
            return Ok(current.clone());
        }
        state.current = None;
        // Somebody tried while this call waited, and failed: trying again at once would hammer, or lock the account.
        if self.ended.load(Ordering::Acquire) != ended_before
            && let Some(failure) = &state.last_failure
        {
            return Err(failure.clone());
        }
        // A task of its own, which ends in good order even if its caller goes away: nobody else can know of a login that
        // was made, or end the turn to log in.
        let sessions = self.clone();
        let renewal = async move {
            let outcome = sessions.renew(refused, log_in).await;
            sessions.ended.fetch_add(1, Ordering::AcqRel);
            *state = State { current: outcome.clone().ok(), last_failure: outcome.clone().err() };
            outcome
        };
        let renewal = tokio::spawn(renewal.in_current_span());
        let broken_off = |why: &str| Err(CallFailure::NotTried(format!("the login {why}")));
        match tokio::time::timeout(time_budget::left().unwrap_or(Duration::MAX), renewal).await {
            Ok(ended) => ended.unwrap_or_else(|_| broken_off("was broken off")),
            Err(_) => broken_off("takes longer than there is time"),
        }
    }

    async fn renew<L>(&self, refused: Option<i64>, log_in: impl FnOnce() -> L) -> Result<Session, CallFailure>
    where
        L: Future<Output = Result<Secret, CallFailure>>,
    {
        if let Some(shared) = &self.shared {
            return shared.session(|session| self.is_good(session, refused), log_in).await;
        }
        let since = self.clock.now();
        let number = self.ended.load(Ordering::Acquire) + 1;
        Ok(Session { token: log_in().await?, number, since })
    }

    fn is_good(&self, session: &Session, refused: Option<i64>) -> bool {
        // A clock that was set back makes the age negative: the session's true age is then not known.
        let ages = 0..self.settings.max_age_ms - self.settings.renew_before_ms;
        refused != Some(session.number) && ages.contains(&self.clock.now().millis_since(session.since))
    }
}
