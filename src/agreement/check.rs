//! The leader's turn at a check: a page at a time, at the pace that was agreed upon with the portal. Another leader goes on where the
//! last page ended. While the portal is away a check pauses; what it had of a page is asked for again.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use jiff::civil::Time;
use lienthong_domain::agreement::{Class, Repair};
use lienthong_domain::port::DossierPortal;
use lienthong_domain::time::{Clock, Timestamp};
use tokio::sync::Mutex;
use tokio::time::{Interval, interval};

use super::case::{CaseStatus, Found};
use super::decide::{Decisions, NotDecided};
use super::examine::{Asked, Verdict};
use super::run::{Origin, Phase, Place, Run};
use super::store::{AgreementStore, CaseQuery, Page, Unknown, Window};
use crate::audit::{Draft, Kind, NewComparison, Outcome, Recorder, SealedRecord};
use crate::outbox::portal::ROUTE;
use crate::storage::StoreError;

/// How it goes about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Every night, for what changed since the night before.
    pub nightly: bool,
    /// Not before this hour in Việt Nam.
    pub hour: i8,
    pub calls_per_second: u32,
    /// Calls under way at a time.
    pub parallel: usize,
    /// Share of dossiers that a nightly check looks up.
    pub sample_percent: u8,
    /// After the portal did not answer.
    pub retry_ms: i64,
    /// Classes that are repaired by themselves, once.
    pub repair: Vec<Class>,
    /// If more than this share of what was looked up differs, it may be the look-up that is wrong: nothing is repaired by itself.
    pub most_repairs_percent: u8,
}

/// Compares.
pub struct Check {
    pub portal: Arc<dyn DossierPortal>,
    pub store: Arc<dyn AgreementStore>,
    pub decisions: Decisions,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<dyn Clock>,
    pub pace: Pace,
}

/// Dossiers of a page.
const PAGE: usize = 200;
/// A check that was never through ends after so many pauses.
const MOST_PAUSES: u32 = 50;
/// Nights that are made up for.
const MOST_NIGHTS: i64 = 7;
const DAY_MS: i64 = 86_400_000;
/// Who has decided, of what is repaired by itself.
const POLICY: &str = "policy";

impl Check {
    /// Asks for the nightly check if it is time, and does a page of the check that is under way. Returns whether it did something.
    pub async fn turn(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.schedule(now).await?;
        let Some(run) = self.store.under_way().await?.filter(|run| run.next_at <= now) else { return Ok(false) };
        match self.page(run).await {
            // Another leader has written this page.
            Ok(()) | Err(StoreError::Conflict) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn schedule(&self, now: Timestamp) -> Result<(), StoreError> {
        let here = now.in_vietnam();
        if !self.pace.nightly || here.hour() < self.pace.hour {
            return Ok(());
        }
        let midnight = here.with().time(Time::midnight()).build().map_err(StoreError::failed)?;
        let until = Timestamp::from_vietnam(midnight).map_err(|refusal| StoreError::Failed(refusal.message.en))?;
        let checked_until = self.store.scheduled_until().await?;
        if checked_until.is_some_and(|checked| checked >= until) {
            return Ok(());
        }
        let from = checked_until.unwrap_or(until.plus_millis(-DAY_MS)).max(until.plus_millis(-MOST_NIGHTS * DAY_MS));
        let run = Run::new(Origin::Schedule, (from, until), self.pace.sample_percent, now);
        match self.store.ask(run, None).await {
            Err(StoreError::Conflict) => Ok(()),
            done => done,
        }
    }

    async fn page(&self, mut run: Run) -> Result<(), StoreError> {
        if run.pages == 0 {
            run.counts.total = self.store.count(&run).await?;
        }
        let asked = Asked {
            portal: &*self.portal,
            failures: AtomicUsize::default(),
            places: Mutex::new(places(self.pace.calls_per_second)),
        };
        match run.phase {
            Phase::Dossiers => self.dossiers(run, &asked).await,
            Phase::Listed => self.listed(run, &asked).await,
            Phase::Taken => self.taken(run, &asked).await,
            Phase::Repair => self.repair(run).await,
            Phase::Done => self.save(run).await,
        }
    }

    fn window(&self, run: &Run) -> Window {
        Window { from: run.from, until: run.until, after: run.after.clone(), limit: PAGE }
    }

    async fn dossiers(&self, mut run: Run, asked: &Asked<'_>) -> Result<(), StoreError> {
        let candidates = self.store.candidates(self.window(&run)).await?;
        let Some(last) = candidates.last() else {
            run.enter(Phase::Listed);
            return self.save(run).await;
        };
        let after = Place { at: last.updated_at, code: last.code.clone() };
        let (id, percent) = (run.id, run.sample_percent);
        let done = candidates.len();
        let verdicts = stream::iter(candidates).map(|candidate| async move {
            let verdict = asked.examine(id, percent, &candidate).await;
            (candidate.code, verdict)
        });
        let verdicts: Vec<_> = verdicts.buffer_unordered(self.pace.parallel).collect().await;
        self.settle(run, asked, verdicts, after, done).await
    }

    async fn listed(&self, mut run: Run, asked: &Asked<'_>) -> Result<(), StoreError> {
        let (unknown, last) = self.store.unknown_listed(run.id, run.after.code.clone(), PAGE).await?;
        let Some(last) = last else {
            run.enter(Phase::Taken);
            return self.save(run).await;
        };
        let verdicts = self.look_up(asked, unknown).await;
        self.settle(run, asked, verdicts, Place { at: 0, code: last }, PAGE).await
    }

    async fn taken(&self, mut run: Run, asked: &Asked<'_>) -> Result<(), StoreError> {
        let unknown = self.store.taken_and_not_given(self.window(&run)).await?;
        let Some(last) = unknown.last() else {
            run.enter(Phase::Repair);
            return self.save(run).await;
        };
        let after = Place { at: 0, code: last.code.clone() };
        let verdicts = self.look_up(asked, unknown).await;
        // Nobody has counted them.
        self.settle(run, asked, verdicts, after, 0).await
    }

    async fn look_up(&self, asked: &Asked<'_>, unknown: Vec<Unknown>) -> Vec<(String, Verdict)> {
        let verdicts = stream::iter(unknown).map(|one| async move {
            let verdict = asked.examine_unknown(&one).await;
            (one.code, verdict)
        });
        verdicts.buffer_unordered(self.pace.parallel).collect().await
    }

    /// Writes down what came of a page; or, if the portal went away meanwhile, that the check pauses.
    async fn settle(
        &self,
        mut run: Run,
        asked: &Asked<'_>,
        verdicts: Vec<(String, Verdict)>,
        after: Place,
        done: usize,
    ) -> Result<(), StoreError> {
        if asked.is_away() {
            run.pauses += 1;
            run.next_at = self.clock.now().plus_millis(self.pace.retry_ms);
            if run.pauses > MOST_PAUSES {
                run.stopped = Some("portal_away".into());
                run.enter(Phase::Done);
            }
            tracing::warn!(pauses = run.pauses, "the portal does not answer: the agreement check pauses");
            return self.save(run).await;
        }
        let (mut found, mut cleared, mut looked_up) = (Vec::new(), Vec::new(), 0);
        for (code, verdict) in verdicts {
            let counts = &mut run.counts;
            match verdict {
                Verdict::LeftOut => counts.left_out += 1,
                Verdict::InDelivery => counts.in_delivery += 1,
                Verdict::Unanswered => counts.unanswered += 1,
                Verdict::NotSent(one) => {
                    counts.differs(one.class);
                    found.push(one);
                }
                Verdict::Nowhere => {
                    looked_up += 1;
                    counts.listed_nowhere += 1;
                }
                Verdict::LookedUp { found: differences, not_observable, unreadable, cleared: same } => {
                    looked_up += 1;
                    counts.equal += u64::from(differences.is_empty());
                    counts.not_seen(&not_observable, &unreadable);
                    differences.iter().for_each(|one| counts.differs(one.class));
                    found.extend(differences);
                    cleared.extend(same.into_iter().map(|class| (code.clone(), class)));
                }
            }
        }
        run.counts.looked_up += looked_up;
        run.counts.done = (run.counts.done + done as u64).min(run.counts.total.max(run.counts.done));
        run.after = after;
        let mut records: Vec<_> = found.iter().map(|one| self.record_of(one)).collect::<Result<_, _>>()?;
        if looked_up > 0 {
            let mut draft = Draft::new(Kind::Lookup, "agreement.compare", Outcome::decided("done"));
            draft.comparison = Some(NewComparison { different: found.len() as u64, looked_up });
            draft.route = Some(ROUTE);
            records.push(self.recorder.seal(&draft)?);
        }
        run.pages += 1;
        self.store.save(Page { run, found, cleared, records, now: self.clock.now(), is_last: false }).await
    }

    fn record_of(&self, found: &Found) -> Result<SealedRecord, StoreError> {
        let outcome = Outcome::decided(found.class.as_str());
        let mut draft = Draft::new(Kind::Lookup, "agreement.difference", outcome).subject(&found.code);
        draft.agency = Some(&found.agency_id);
        draft.route = Some(ROUTE);
        self.recorder.seal(&draft)
    }

    /// Sends again what may be sent again without asking; not what was already sent again once and is still different.
    async fn repair(&self, mut run: Run) -> Result<(), StoreError> {
        let differences = run.counts.differences();
        let is_plausible = differences * 100 <= run.counts.looked_up * u64::from(self.pace.most_repairs_percent);
        if differences > 0 && !self.pace.repair.is_empty() && !is_plausible {
            tracing::error!(
                differences,
                looked_up = run.counts.looked_up,
                "so much differs that nothing is repaired by itself"
            );
            run.stopped = Some("too_many_differences".into());
            run.enter(Phase::Done);
            return self.save(run).await;
        }
        for class in self.pace.repair.clone() {
            let mut after = None;
            loop {
                let query = CaseQuery {
                    status: Some(CaseStatus::Open),
                    class: Some(class),
                    run_id: Some(run.id),
                    after,
                    limit: PAGE,
                };
                let cases = self.store.cases(query).await?;
                let Some(last) = cases.last() else { break };
                after = Some(last.id);
                for case in cases.iter().filter(|case| case.returns == 0 && case.repair != Repair::Ask) {
                    match self.decisions.repair(case.id, POLICY, POLICY).await {
                        Ok(_) => run.counts.repaired += 1,
                        Err(NotDecided::Store(error)) => return Err(error),
                        // It is on its way, or somebody else has decided.
                        Err(_) => {}
                    }
                }
            }
        }
        run.enter(Phase::Done);
        self.save(run).await
    }

    async fn save(&self, mut run: Run) -> Result<(), StoreError> {
        run.pages += 1;
        let is_last = run.phase == Phase::Done;
        if is_last {
            run.counts.done = run.counts.total;
        }
        let (found, cleared, records) = (Vec::new(), Vec::new(), Vec::new());
        self.store.save(Page { run, found, cleared, records, now: self.clock.now(), is_last }).await
    }
}

/// One call after the other at this pace; what was not used of it is not saved up for longer than a moment.
fn places(calls_per_second: u32) -> Interval {
    interval(Duration::from_secs(1) / calls_per_second.max(1))
}
