//! Telling: of each event one notice for each endpoint that is to know, then calls until it is taken or given up. The leader does it; a
//! notice that two replicas send in the moment in which one follows the other has one id.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use lienthong_adapter_kit::breaker::Permit;
use lienthong_domain::catalogue::{AgencyCode, AgencyRegister};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, Timestamp};

use super::call::call;
use super::store::{Called, Settle, WebhookStore};
use super::{Answer, Endpoint, NewEvent, Notice, NoticeReason, NoticeStatus};
use crate::access::Client;
use crate::access::register::Register;
use crate::audit::{Draft, Kind, Outcome, Recorder};
use crate::outbox::RetrySchedule;
use crate::storage::StoreError;

/// What is told to whom, as it is configured.
pub struct Rules {
    pub endpoints: Vec<Arc<Endpoint>>,
    pub agencies: Arc<AgencyRegister>,
    pub retry: RetrySchedule,
    /// Calls of one endpoint at a time.
    pub parallel: usize,
    /// A call that was not heard of so long was not made.
    pub lease_ms: i64,
    /// Notices of one endpoint that may wait; others are given up at once.
    pub most_waiting: u64,
    /// What has ended is kept so long, to be called again.
    pub keep_ms: i64,
}

/// What tells local systems.
pub struct Webhooks {
    store: Arc<dyn WebhookStore>,
    recorder: Arc<Recorder>,
    register: Arc<Register>,
    clock: Arc<dyn Clock>,
    rules: RwLock<Option<Arc<Rules>>>,
}

/// Events that become notices in one transaction at most, and notices that are forgotten.
const AT_A_TIME: usize = 500;
/// How often it is looked for what has happened, and for what is due.
const LOOK: Duration = Duration::from_millis(250);

impl Webhooks {
    pub fn new(
        store: Arc<dyn WebhookStore>,
        recorder: Arc<Recorder>,
        register: Arc<Register>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, recorder, register, clock, rules: RwLock::default() }
    }

    /// From now on these are told.
    pub fn follow(&self, rules: Arc<Rules>) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Some(rules);
    }

    fn rules(&self) -> Option<Arc<Rules>> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes notices of what has happened, and has every endpoint called that has something due, as long as any of them has. One slow
    /// endpoint keeps no other waiting. `may_act`: whether this process is not given up.
    pub async fn turn(&self, may_act: impl Fn() -> bool) -> Result<(), StoreError> {
        let (mut busy, mut under_way, mut look) =
            (HashSet::new(), FuturesUnordered::new(), tokio::time::interval(LOOK));
        loop {
            tokio::select! {
                Some((name, served)) = under_way.next(), if !under_way.is_empty() => {
                    busy.remove(&name);
                    if let Err(error) = served {
                        tracing::warn!(%error, endpoint = name, "a webhook could not be served");
                    }
                    if under_way.is_empty() {
                        return Ok(());
                    }
                }
                _ = look.tick() => {
                    let rules = self.rules().filter(|_| may_act());
                    let to_be_called = match &rules {
                        Some(rules) => self.look(rules).await,
                        None => Ok(Vec::new()),
                    };
                    // What is being called is not cut off because the store does not answer.
                    if let (Err(error), false) = (&to_be_called, under_way.is_empty()) {
                        tracing::warn!(%error, "what has happened could not be looked up");
                        continue;
                    }
                    let Some(rules) = rules else { return Ok(()) };
                    for endpoint in to_be_called? {
                        if busy.insert(endpoint.terms.name.clone()) {
                            let (rules, may_act) = (Arc::clone(&rules), &may_act);
                            under_way.push(async move {
                                let served = self.serve(&rules, &endpoint, may_act).await;
                                (endpoint.terms.name.clone(), served)
                            });
                        }
                    }
                    if under_way.is_empty() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Makes notices of what has happened; the endpoints that are not gone.
    async fn look(&self, rules: &Rules) -> Result<Vec<Arc<Endpoint>>, StoreError> {
        while self.make_notices(rules).await? {}
        self.to_be_called(rules).await
    }

    async fn to_be_called(&self, rules: &Rules) -> Result<Vec<Arc<Endpoint>>, StoreError> {
        if rules.endpoints.is_empty() {
            return Ok(Vec::new());
        }
        let disabled = self.store.disabled().await?;
        let is_gone = |endpoint: &Arc<Endpoint>| disabled.iter().any(|(name, _)| *name == endpoint.terms.name);
        Ok(rules.endpoints.iter().filter(|endpoint| !is_gone(endpoint)).cloned().collect())
    }

    /// Forgets what ended long ago. `true`: there is more.
    pub async fn forget(&self) -> Result<bool, StoreError> {
        let Some(rules) = self.rules() else { return Ok(false) };
        let before = self.clock.now().plus_millis(-rules.keep_ms);
        Ok(self.store.forget(before, AT_A_TIME).await? == AT_A_TIME)
    }

    async fn make_notices(&self, rules: &Rules) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let events = self.store.events(now, AT_A_TIME).await?;
        if events.is_empty() {
            return Ok(false);
        }
        let mut waiting = self.store.counts(NoticeStatus::Waiting).await?;
        let in_force = self.register.in_force();
        let mut notices = Vec::new();
        for event in &events {
            let payload = event.payload();
            for endpoint in &rules.endpoints {
                let terms = &endpoint.terms;
                let client = in_force.client(&terms.client);
                let may_know = client.is_some_and(|known| may_know(&known.client, event, rules, now));
                if !may_know || !terms.events.contains(&event.kind) {
                    continue;
                }
                let waits = waiting.entry(terms.name.clone()).or_default();
                let is_full = *waits >= rules.most_waiting;
                *waits += u64::from(!is_full);
                if is_full {
                    tracing::warn!(endpoint = terms.name, event = %event.id, "a notice was given up: too many wait");
                }
                notices.push(Notice {
                    endpoint: terms.name.clone(),
                    event: event.id,
                    client_id: terms.client.clone(),
                    agency_id: event.agency_id.clone(),
                    lane: event.lane.clone(),
                    kind: event.kind,
                    payload: payload.clone(),
                    status: if is_full { NoticeStatus::Dead } else { NoticeStatus::Waiting },
                    attempts: 0,
                    next_at: None,
                    since_at: now,
                    reason: is_full.then_some(NoticeReason::TooManyWaiting),
                    http_status: None,
                    updated_at: now,
                });
            }
        }
        let has_more = events.len() == AT_A_TIME;
        self.store.replace(events.iter().map(|event| event.id).collect(), notices).await?;
        Ok(has_more)
    }

    /// Calls the endpoint until nothing is due, or it does not answer, or is gone, or other rules are in force.
    async fn serve(
        &self,
        rules: &Arc<Rules>,
        endpoint: &Endpoint,
        may_act: &impl Fn() -> bool,
    ) -> Result<(), StoreError> {
        let (mut under_way, mut is_gone, mut failed) = (FuturesUnordered::new(), false, None);
        loop {
            let room = rules.parallel.saturating_sub(under_way.len());
            let goes_on = !is_gone
                && failed.is_none()
                && room > 0
                && may_act()
                && self.rules().is_some_and(|now| Arc::ptr_eq(&now, rules));
            if goes_on && let Some((permit, room)) = endpoint.permits(room) {
                let (now, name) = (self.clock.now(), endpoint.terms.name.clone());
                let due = self.store.claim(name, now, now.plus_millis(rules.lease_ms), room).await;
                if due.as_ref().map_or(true, Vec::is_empty) {
                    endpoint.give_back(permit);
                }
                match due {
                    Ok(due) => under_way.extend(due.into_iter().map(|one| self.tell(rules, endpoint, one, permit))),
                    Err(error) => failed = Some(error),
                }
            }
            match under_way.next().await {
                Some(Ok(gone)) => is_gone |= gone,
                // The others go on to their end.
                Some(Err(error)) => failed = Some(error),
                None => return failed.map_or(Ok(()), Err),
            }
        }
    }

    /// `true`: the endpoint is gone.
    async fn tell(
        &self,
        rules: &Rules,
        endpoint: &Endpoint,
        notice: Notice,
        permit: Permit,
    ) -> Result<bool, StoreError> {
        let answer = match self.register.in_force().client(&notice.client_id) {
            Some(_) => call(endpoint, notice.event, &notice.payload, self.clock.now()).await,
            None => Answer::none(NoticeReason::ClientRevoked),
        };
        endpoint.answered(permit, answer.outcome());
        let (now, is_gone) = (self.clock.now(), answer.reason == Some(NoticeReason::Gone));
        let to = called(rules, &notice, &answer, now);
        let (decision, reason) = match to {
            Called::Delivered => ("delivered", None),
            Called::Again { reason, .. } => ("retry", Some(reason)),
            Called::Dead(reason) => ("dead", Some(reason)),
        };
        if let Some(reason) = reason {
            let (attempts, status) = (notice.attempts, answer.http_status);
            let (endpoint, event, reason) = (&notice.endpoint, notice.event, reason.as_str());
            tracing::info!(endpoint, %event, attempts, status, reason, decision, "a notice was not taken");
        }
        let code = reason.map(|reason| reason.as_str().to_owned());
        let outcome = Outcome { code, decision, status: answer.http_status };
        let mut draft = Draft::new(Kind::Outcome, "webhook.call", outcome)
            .client(&notice.client_id, &notice.agency_id)
            .subject(&notice.lane);
        let key = format!("{}/{}", notice.endpoint, notice.event);
        draft.key = Some(&key);
        draft.dir = Some("out");
        let settle = Settle {
            record: self.recorder.seal(&draft)?,
            endpoint: notice.endpoint,
            event: notice.event,
            attempts: notice.attempts,
            to,
            http_status: answer.http_status.map(i64::from),
            disables: is_gone,
            now,
        };
        self.store.settle(settle).await?;
        Ok(is_gone)
    }
}

/// Whether the client may read what the event is about.
fn may_know(client: &Client, event: &NewEvent, rules: &Rules, now: Timestamp) -> bool {
    let Ok(agency) = AgencyCode::parse(&event.agency_id) else { return false };
    client.scopes.contains(&event.kind.scope()) && client.covers(&agency, &rules.agencies, now.date_in_vietnam())
}

fn called(rules: &Rules, notice: &Notice, answer: &Answer, now: Timestamp) -> Called {
    let reason = match answer.reason {
        None => return Called::Delivered,
        Some(NoticeReason::ClientRevoked) => return Called::Dead(NoticeReason::ClientRevoked),
        Some(reason) => reason,
    };
    let spread = notice.event.as_u128() as u64;
    match rules.retry.next(notice.attempts, notice.since_at, now, spread) {
        Some(at) => {
            let asked = answer.retry_after.map_or(0, |pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
            Called::Again { at: at.max(now.plus_millis(asked)), reason }
        }
        None => Called::Dead(reason),
    }
}
