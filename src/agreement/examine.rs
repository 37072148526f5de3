//! One dossier: whether it is to be asked for, what the portal told, and what follows from that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use lienthong_domain::agreement::{
    Aspect, Class, Findings, LocalContents, LocalDossier, NationalDossier, Repair, compare,
};
use lienthong_domain::dossier::{Dossier, DossierCode};
use lienthong_domain::port::{DossierPortal, PortError};
use lienthong_domain::scalar::Scalar;
use tokio::sync::Mutex;
use tokio::time::Interval;
use uuid::Uuid;

use super::case::Found;
use super::run::Side;
use super::store::{Candidate, Unknown};
use crate::http::json;

/// What came of one.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Not in the sample.
    LeftOut,
    /// Something of it is on its way.
    InDelivery,
    /// The portal gave no answer.
    Unanswered,
    /// It was not looked up: that something of it was not delivered is known without.
    NotSent(Found),
    LookedUp {
        found: Vec<Found>,
        not_observable: Vec<Aspect>,
        unreadable: Vec<Aspect>,
        cleared: Vec<Class>,
    },
    /// Of the nation's list, and the portal does not know it.
    Nowhere,
}

/// The portal, and how long it has not answered.
pub(super) struct Asked<'a> {
    pub(super) portal: &'a dyn DossierPortal,
    /// Calls in a row without an answer.
    pub(super) failures: AtomicUsize,
    /// Gives one place a call.
    pub(super) places: Mutex<Interval>,
}

/// A dossier is asked for so often before it is left.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// After so many failures in a row the portal is taken to be away, and nobody is asked again.
pub(super) const AWAY_AFTER: usize = 10;

impl Asked<'_> {
    pub(super) fn is_away(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= AWAY_AFTER
    }

    async fn look_up(&self, code: &DossierCode) -> Result<Option<NationalDossier>, PortError> {
        let mut tries = 1;
        loop {
            self.places.lock().await.tick().await;
            match self.portal.look_up(code).await {
                Ok(found) => {
                    self.failures.store(0, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    if tries == TRIES || self.is_away() {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(PAUSE * tries as u32).await;
            tries += 1;
        }
    }

    /// Compares a dossier that was given to the gateway.
    pub(super) async fn examine(&self, run: Uuid, sample_percent: u8, candidate: &Candidate) -> Verdict {
        if !is_in_sample(run, &candidate.code, sample_percent) {
            return Verdict::LeftOut;
        }
        let not_sent = |observed: String, repair| {
            let expected = format!("revision {}", candidate.revision);
            Verdict::NotSent(found(candidate, Class::NotSent, expected, observed, repair))
        };
        match &candidate.head {
            Some(head) if head.waits_for_person => {
                let why = head.problem.as_deref().map(|problem| format!(": {problem}")).unwrap_or_default();
                return not_sent(format!("{}{why}", head.status), Repair::Ask);
            }
            Some(_) => return Verdict::InDelivery,
            None => {}
        }
        if candidate.acknowledged_revision != Some(candidate.revision) {
            let acknowledged = candidate.acknowledged_revision.map_or_else(|| "none".to_owned(), |n| n.to_string());
            return not_sent(format!("acknowledged {acknowledged}"), Repair::Resend);
        }
        let Ok(code) = DossierCode::parse(&candidate.code) else { return Verdict::Unanswered };
        let national = match self.look_up(&code).await {
            Ok(national) => national,
            Err(error) => {
                tracing::debug!(%error, "a dossier could not be looked up");
                return Verdict::Unanswered;
            }
        };
        let local = LocalDossier {
            state: candidate.state,
            later_step: candidate.later_step,
            contents: candidate.content.as_ref().and_then(|content| contents(content)),
        };
        let Findings { differences, not_observable, unreadable } = compare(&local, national.as_ref());
        let unseen: Vec<Aspect> = not_observable.iter().chain(&unreadable).copied().collect();
        // What was seen to be the same, whatever it was before.
        let cleared = Class::ALL.iter().copied().filter(|class| {
            let is_seen = match class {
                Class::NotSent => true,
                Class::MissingNationally => national.is_some(),
                Class::State => national.is_some() && !unseen.contains(&Aspect::State),
                Class::DueAt => national.is_some() && !unseen.contains(&Aspect::DueAt),
                Class::ResultMissing => national.is_some() && !unseen.contains(&Aspect::Results),
                Class::MissingLocally | Class::NeverGiven => true,
            };
            is_seen && !differences.iter().any(|difference| difference.class == *class)
        });
        let cleared = if candidate.has_case { cleared.collect() } else { Vec::new() };
        let found = differences
            .into_iter()
            .map(|one| found(candidate, one.class, one.expected, one.observed, one.class.repair()));
        Verdict::LookedUp { found: found.collect(), not_observable, unreadable, cleared }
    }

    /// Asks for a code that no dossier here has.
    pub(super) async fn examine_unknown(&self, unknown: &Unknown) -> Verdict {
        let Ok(code) = DossierCode::parse(&unknown.code) else { return Verdict::Unanswered };
        let agency_id = code.agency().normalised();
        let found = |class: Class, expected: &str, observed: &str| Verdict::LookedUp {
            found: vec![Found {
                code: unknown.code.clone(),
                agency_id,
                class,
                expected: expected.to_owned(),
                observed: observed.to_owned(),
                repair: class.repair(),
            }],
            not_observable: Vec::new(),
            unreadable: Vec::new(),
            cleared: vec![if class == Class::NeverGiven { Class::MissingLocally } else { Class::NeverGiven }],
        };
        match (self.look_up(&code).await, unknown.side) {
            (Ok(Some(_)), _) => found(Class::MissingLocally, "absent", "present"),
            (Ok(None), Side::Local) => found(Class::NeverGiven, "present", "absent"),
            (Ok(None), Side::National) => Verdict::Nowhere,
            (Err(_), _) => Verdict::Unanswered,
        }
    }
}

fn found(candidate: &Candidate, class: Class, expected: String, observed: String, repair: Repair) -> Found {
    let (code, agency_id) = (candidate.code.clone(), candidate.agency_id.clone());
    Found { code, agency_id, class, expected, observed, repair }
}

/// Whether a dossier is in the sample of this check: the same for whoever goes on with it, another one for the next check.
fn is_in_sample(run: Uuid, code: &str, percent: u8) -> bool {
    let hash = digest(&SHA256, &[run.as_bytes().as_slice(), code.as_bytes()].concat());
    let number = hash.as_ref().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number % 100 < u64::from(percent)
}

/// What is compared of a dossier's contents; `None` if a newer program's rules do not let it be read.
fn contents(content: &[u8]) -> Option<LocalContents> {
    let dossier: Dossier = json::read(serde_json::from_slice(content).ok()?).ok()?;
    Some(LocalContents {
        due_at: dossier.due_at,
        results: dossier.results.iter().filter(|result| result.link.is_some()).count(),
    })
}
