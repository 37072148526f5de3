//! The portal's session: one login at a time for everybody, used until shortly before its age, given up when refused.
//! This is the only state the adapter keeps.

use std::sync::atomic::{AtomicU64, Ordering};

use lienthong_adapter_kit::Secret;
use lienthong_domain::time::Timestamp;
use tokio::sync::Mutex;

use crate::config::SessionSettings;
use crate::error::CallFailure;

/// A session as one call uses it.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) token: Secret,
    /// Which login it came from.
    login: u64,
    since: Timestamp,
}

pub(crate) struct Sessions {
    settings: SessionSettings,
    /// Logins that have ended, well or badly. Read before waiting, so that those who waited share the outcome.
    ended: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Session>,
    last_failure: Option<CallFailure>,
}

impl Sessions {
    pub(crate) fn new(settings: SessionSettings) -> Self {
        Self { settings, ended: AtomicU64::new(0), state: Mutex::default() }
    }

    /// A session that is good at `now`, logging in if there is none. `refused` is one that the portal did not take:
    /// it is not given out again, but a newer one of somebody else's login is.
    pub(crate) async fn get<L>(
        &self,
        now: Timestamp,
        refused: Option<&Session>,
        login: impl FnOnce() -> L,
    ) -> Result<Session, CallFailure>
    where
        L: Future<Output = Result<Secret, CallFailure>>,
    {
        let ended_before = self.ended.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(current) = &state.current
            && self.is_young(current, now)
            && refused.is_none_or(|refused| refused.login != current.login)
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
        let outcome = login().await;
        let number = self.ended.fetch_add(1, Ordering::AcqRel) + 1;
        match outcome {
            Ok(token) => {
                let session = Session { token, login: number, since: now };
                *state = State { current: Some(session.clone()), last_failure: None };
                Ok(session)
            }
            Err(failure) => {
                state.last_failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    fn is_young(&self, session: &Session, now: Timestamp) -> bool {
        // A clock that was set back makes the age negative: the session's true age is then not known.
        (0..self.settings.max_age_ms - self.settings.renew_before_ms).contains(&now.millis_since(session.since))
    }
}
