//! Copies the national catalogue: its list and its dictionaries by one call each, then what is published of each procedure, some
//! at a time. What has changed is written as new versions; what is gone is flagged and never goes; a list that has lost much
//! stops the run (NP-22). Only the leader does this, and another one goes on where it ended.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use lienthong_domain::catalogue::{Dictionary, ProcedureCode, ProcedureDetail};
use lienthong_domain::port::{CatalogueSource, PortError, PortErrorKind};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, Timestamp};

use super::compare::{self, Known, Published};
use super::entry::List;
use super::run::{Listed, Report, Run, Stopped};
use super::store::{Add, CatalogueStore, NewVersion};
use crate::audit::{Draft, Kind, NewVersions, Outcome, Recorder};
use crate::storage::StoreError;

/// How it goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the beginning of one run to that of the next; 0: only when an operator asks for one.
    pub every_ms: i64,
    /// After the portal did not answer.
    pub retry_ms: i64,
    /// Calls under way at a time.
    pub parallel: usize,
    /// A list that has lost more than this share of what was in force stops the run.
    pub most_shrink_percent: u8,
}

/// Keeps the copy.
pub struct Sync {
    pub source: Arc<dyn CatalogueSource>,
    pub store: Arc<dyn CatalogueStore>,
    pub recorder: Arc<Recorder>,
    pub clock: Arc<dyn Clock>,
    pub pace: Pace,
}

/// Versions that are written in one transaction.
const AT_A_TIME: usize = 100;
/// The portal is taken to be away after so many calls without an answer.
const FAILURES_IN_A_ROW: usize = 10;
/// A run that was never through ends after so many pauses.
const MOST_PAUSES: u32 = 20;
/// How often a long run notes how far it has come.
const NOTE_EVERY: Duration = Duration::from_secs(60);

impl Sync {
    /// Begins a run if one is due or asked for, goes on with one that is under way, or does nothing. Returns whether it did something.
    pub async fn turn(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let last = self.store.run().await?.unwrap_or_else(|| Run::first(now));
        let is_asked = last.asked_at.is_some();
        let is_never_due = self.pace.every_ms == 0 && !last.is_under_way();
        if !is_asked && (is_never_due || now < last.next_at) {
            return Ok(false);
        }
        let run = match last.is_under_way() && !is_asked {
            true => last,
            false => self.begin(&last, now).await?,
        };
        if run.is_under_way() {
            self.ask(run).await?;
        }
        Ok(true)
    }

    /// Everything that one call tells, and what is to be asked one by one.
    async fn begin(&self, last: &Run, now: Timestamp) -> Result<Run, StoreError> {
        let mut run = Run { began_at: Some(now), completed_at: last.completed_at, ..Run::first(now) };
        for dictionary in self.source.dictionaries() {
            self.take_dictionary(dictionary, last.may_shrink, &mut run.report).await?;
        }
        if let Some(stopped) = self.take_list(last.may_shrink, &mut run).await? {
            let pause = if matches!(stopped, Stopped::NoList { .. }) { self.pace.retry_ms } else { self.pace.every_ms };
            tracing::error!(?stopped, "the national catalogue was not copied");
            run.report.stopped = Some(stopped);
            run.ended_at = Some(self.clock.now());
            run.next_at = self.clock.now().plus_millis(pause.max(self.pace.retry_ms));
        }
        self.store.save_run(run.clone(), true).await?;
        Ok(run)
    }

    async fn take_dictionary(
        &self,
        dictionary: Dictionary,
        may_shrink: bool,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let lines = match self.source.dictionary(dictionary).await {
            Ok(lines) => lines,
            Err(error) => {
                report.fail(dictionary.as_str(), None, error.to_string());
                return Ok(());
            }
        };
        let list = List::Dictionary(dictionary);
        let known = self.known(list).await?;
        let listed: HashSet<&str> = lines.iter().map(|line| line.code.as_str()).collect();
        let missing = compare::missing(&known, &listed);
        if !may_shrink && compare::has_shrunk(&known, missing.len(), self.pace.most_shrink_percent) {
            let reason = format!("{} of {} lines are missing: nothing was taken over", missing.len(), known.len());
            report.fail(dictionary.as_str(), None, reason);
            return Ok(());
        }
        let mut versions = self.withdrawn(&missing).await?;
        let mut seen = HashSet::new();
        for line in lines.iter().filter(|line| seen.insert(line.code.as_str())) {
            let published = Published::line(line).map_err(StoreError::failed)?;
            versions.extend(compare::changed(list, &known, published, self.clock.now()));
        }
        self.add(versions, report).await
    }

    /// Takes the list of procedures: what is gone is flagged, the rest is to be asked for. Or says why it is not to be believed.
    async fn take_list(&self, may_shrink: bool, run: &mut Run) -> Result<Option<Stopped>, StoreError> {
        let all = match self.source.procedures().await {
            Ok(all) => all,
            Err(error) => return Ok(Some(Stopped::NoList { reason: error.to_string() })),
        };
        let mut seen = HashSet::new();
        for listed in all.into_iter().filter(|listed| seen.insert(listed.code.clone())) {
            match ProcedureCode::parse(&listed.code) {
                Ok(_) => {
                    let name = listed.name.map(|name| name.as_str().to_owned());
                    run.remaining.push(Listed { code: listed.code, name });
                }
                // Its code is not repeated: nobody knows what it is.
                Err(refusal) => run.report.fail(List::Procedures.as_str(), None, refusal.message.en),
            }
        }
        run.report.listed = run.remaining.len();
        let known = self.known(List::Procedures).await?;
        let listed: HashSet<&str> = run.remaining.iter().map(|listed| listed.code.as_str()).collect();
        let missing = compare::missing(&known, &listed);
        if !may_shrink && compare::has_shrunk(&known, missing.len(), self.pace.most_shrink_percent) {
            run.remaining.clear();
            return Ok(Some(Stopped::Shrunk { known: known.len(), missing: missing.len() }));
        }
        let versions = self.withdrawn(&missing).await?;
        self.add(versions, &mut run.report).await?;
        Ok(None)
    }

    /// Asks for what remains, some at a time, until it is done or the portal is away.
    async fn ask(&self, mut run: Run) -> Result<(), StoreError> {
        let known = self.known(List::Procedures).await?;
        let mut done: HashSet<String> = HashSet::new();
        let (mut versions, mut noted, mut in_a_row, mut trouble) = (Vec::new(), Instant::now(), 0, None);
        let detail = |listed: Listed| async move {
            let answer = self.source.detail(&listed.code).await;
            (listed, answer)
        };
        let mut answers = futures::stream::iter(run.remaining.clone()).map(detail).buffer_unordered(self.pace.parallel);
        while let Some((listed, answer)) = answers.next().await {
            run.report.asked += 1;
            match answer {
                Err(error) if error.kind != PortErrorKind::Unreadable => {
                    in_a_row += 1;
                    trouble = Some(error);
                    if in_a_row == FAILURES_IN_A_ROW {
                        break;
                    }
                    continue;
                }
                Err(error) => run.report.fail(List::Procedures.as_str(), Some(&listed.code), error.to_string()),
                Ok(None) => {
                    let reason = "it is on the list, and nothing is published of it".to_owned();
                    run.report.fail(List::Procedures.as_str(), Some(&listed.code), reason);
                }
                Ok(Some(detail)) => versions.extend(self.changed(&known, &listed, &detail)?),
            }
            in_a_row = 0;
            done.insert(listed.code);
            let is_to_be_noted = noted.elapsed() >= NOTE_EVERY;
            if versions.len() >= AT_A_TIME || is_to_be_noted {
                self.add(std::mem::take(&mut versions), &mut run.report).await?;
            }
            if is_to_be_noted {
                run.remaining.retain(|listed| !done.contains(&listed.code));
                self.store.save_run(run.clone(), false).await?;
                noted = Instant::now();
            }
        }
        drop(answers);
        self.add(versions, &mut run.report).await?;
        run.remaining.retain(|listed| !done.contains(&listed.code));
        self.end(run, trouble.as_ref()).await
    }

    fn changed(
        &self,
        known: &Known,
        listed: &Listed,
        detail: &ProcedureDetail,
    ) -> Result<Option<NewVersion>, StoreError> {
        let published =
            Published::procedure(&listed.code, listed.name.as_deref(), detail).map_err(StoreError::failed)?;
        Ok(compare::changed(List::Procedures, known, published, self.clock.now()))
    }

    /// It is through, or pauses, or has paused too often.
    async fn end(&self, mut run: Run, trouble: Option<&PortError>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let is_through = run.remaining.is_empty();
        if !is_through && run.report.pauses < MOST_PAUSES {
            run.report.pauses += 1;
            run.next_at = now.plus_millis(self.pace.retry_ms.max(trouble.map_or(0, pause_of)));
            tracing::warn!(
                left = run.remaining.len(),
                trouble = trouble.map(tracing::field::display),
                "the copying of the catalogue pauses"
            );
            return self.store.save_run(run, false).await;
        }
        for listed in std::mem::take(&mut run.remaining) {
            let reason = trouble.map_or_else(|| "no answer".to_owned(), ToString::to_string);
            run.report.fail(List::Procedures.as_str(), Some(&listed.code), reason);
        }
        run.ended_at = Some(now);
        run.completed_at = if is_through { Some(now) } else { run.completed_at };
        let next_at = run.began_at.unwrap_or(now).plus_millis(self.pace.every_ms);
        run.next_at = next_at.max(now.plus_millis(self.pace.retry_ms));
        let Report { listed, asked, added, changed, withdrawn, restored, failures, .. } = run.report;
        tracing::info!(
            listed,
            asked,
            added,
            changed,
            withdrawn,
            restored,
            failures,
            "the national catalogue was copied"
        );
        self.store.save_run(run, false).await
    }

    async fn known(&self, list: List) -> Result<Known, StoreError> {
        let newest = self.store.newest().await?.into_iter().filter(|version| version.list == list);
        Ok(newest.map(|version| (version.code.clone(), version)).collect::<HashMap<_, _>>())
    }

    async fn withdrawn(&self, missing: &[&super::entry::Version]) -> Result<Vec<NewVersion>, StoreError> {
        let mut versions = Vec::with_capacity(missing.len());
        for old in missing {
            let content = self.store.content(old.number).await?;
            let content = content.ok_or_else(|| StoreError::Failed(format!("catalogue_version {}", old.number)))?;
            versions.push(compare::withdrawn(old, content, self.clock.now()));
        }
        Ok(versions)
    }

    async fn add(&self, mut versions: Vec<NewVersion>, report: &mut Report) -> Result<(), StoreError> {
        while !versions.is_empty() {
            let rest = versions.split_off(versions.len().min(AT_A_TIME));
            let after = self.store.last().await?;
            for (number, new) in (after + 1..).zip(&mut versions) {
                new.version.number = number;
                report.count(new.version.change);
            }
            let digests = versions.iter().map(|new| new.version.digest);
            let told = NewVersions::of(after, digests);
            let mut draft = Draft::new(Kind::Config, "catalogue.change", Outcome::decided("done"));
            draft.versions = Some(told);
            let record = self.recorder.seal(&draft)?;
            self.store.add(Add { after, versions, record }).await?;
            versions = rest;
        }
        Ok(())
    }
}

fn pause_of(error: &PortError) -> i64 {
    let pause = match error.kind {
        PortErrorKind::RateLimited { retry_after } => retry_after,
        PortErrorKind::QuotaSpent { retry_after } => Some(retry_after),
        _ => None,
    };
    pause.map_or(0, |pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}
