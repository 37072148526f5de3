//! One report: goes through all dossiers that may belong to the period, a page at a time, and counts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use jiff::ToSpan;
use jiff::civil::Date;
use lienthong_domain::catalogue::{AgencyCode, AgencyRegister, ProcedureCode};
use lienthong_domain::dossier::{Dossier, Step};
use lienthong_domain::indicators::{
    Counting, Formula, FormulaTerms, HeldDossier, Indicator, Period, ProcedureFacts, Tally,
};
use lienthong_domain::port::ProcedureFactsSource;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Clock, Timestamp, WorkingCalendar};

use super::store::{Changed, HeldStore, StoredDossier};
use crate::agreement::Place;
use crate::http::json;
use crate::storage::StoreError;

lienthong_domain::code_enum! {
    /// Dossiers of which the nation holds something else than stands here.
    pub enum Standing: "Hồ sơ mà Cổng giữ khác ở đây. / Dossiers of which the nation holds something else." {
        NotHeld = "not_held" => "Tiếp nhận trong kỳ mà Cổng chưa xác nhận: không được tính",
        Outdated = "outdated" => "Cổng mới xác nhận bản trước: được tính theo bản ở đây",
        StepsWaiting = "steps_waiting" => "Còn tiến độ chờ gửi: được tính theo phần đã gửi",
        Erased = "erased" => "Nội dung, hoặc tiến độ đã gửi, đã xóa: không tính được, có thể thuộc kỳ này",
        Unreadable = "unreadable" => "Không đọc được theo quy tắc của bản này: không tính được",
    }
}

impl Standing {
    pub const fn english(self) -> &'static str {
        match self {
            Self::NotHeld => "Received in the period and not acknowledged by the portal: not counted",
            Self::Outdated => "The portal has acknowledged an earlier state: counted by what stands here",
            Self::StepsWaiting => "Steps still wait to be delivered: counted without them",
            Self::Erased => "Erased, or some of its delivered steps: cannot be counted, and may belong to the period",
            Self::Unreadable => "Cannot be read by the rules of this version: not counted",
        }
    }
}

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Days in Việt Nam, both included.
    pub first: Date,
    pub last: Date,
    period: Period,
    /// With all that stand under it; `None`: the whole province.
    pub agency: Option<AgencyCode>,
}

/// Why there is no report of such days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPeriod {
    /// The last day is before the first.
    WrongWayRound,
    /// The last day has not begun: nobody knows what will be received by then, and a part of a month is not compared with a whole one.
    NotBegun,
}

impl Wanted {
    pub fn of(first: Date, last: Date, agency: Option<AgencyCode>, today: Date) -> Result<Self, NoPeriod> {
        if last > today {
            return Err(NoPeriod::NotBegun);
        }
        let period = Period::days(first, last).ok_or(NoPeriod::WrongWayRound)?;
        Ok(Self { first, last, period, agency })
    }

    /// First and last day of the calendar month before this day.
    pub fn month_before(today: Date) -> (Date, Date) {
        let last = today.first_of_month().saturating_sub(1.day());
        (last.first_of_month(), last)
    }
}

/// What reports are made of.
pub struct Compile {
    pub store: Arc<dyn HeldStore>,
    pub procedures: Arc<dyn ProcedureFactsSource>,
    pub agencies: Arc<AgencyRegister>,
    pub terms: FormulaTerms,
    pub calendar: WorkingCalendar,
    pub clock: Arc<dyn Clock>,
}

/// How far one is.
#[derive(Debug, Default)]
pub struct Progress {
    pub done: AtomicU64,
    pub total: AtomicU64,
}

/// What was counted.
#[derive(Debug)]
pub struct Compiled {
    pub wanted: Wanted,
    pub began_at: Timestamp,
    pub tally: Tally,
    /// How many there are of each, and the first ones by code.
    pub standings: BTreeMap<Standing, (u64, BTreeSet<String>)>,
}

/// Dossiers listed of each indicator and standing.
pub const LISTED: usize = 10_000;
const PAGE: usize = 200;
/// What was received in a period was seldom last changed before it; clocks of local systems may be so far ahead.
const EARLIER_MS: i64 = 7 * 86_400_000;

impl Compile {
    /// `rest`: pauses after each page for as long as it took, so that deliveries have the machine at least half of the time.
    pub async fn run(&self, wanted: Wanted, progress: &Progress, rest: bool) -> Result<Compiled, StoreError> {
        let began_at = self.clock.now();
        let period = wanted.period.as_of(began_at);
        let under = |agency| self.agencies.within_days(std::slice::from_ref(agency), wanted.first, wanted.last);
        let agencies = wanted.agency.as_ref().map(under);
        let changed = Changed { since: period.begin().plus_millis(-EARLIER_MS), agencies };
        progress.total.store(self.store.count(changed.clone()).await?, Ordering::Relaxed);
        let formula = Arc::new(Formula::new(self.terms.clone(), period, self.calendar.clone()));
        // Complaints are never known here: of satisfaction every dossier would be listed, and say nothing.
        let judged = Indicator::JUDGED.into_iter().filter(|indicator| *indicator != Indicator::Satisfaction);
        let listed = judged.chain([Indicator::SyncRate]);
        let tally = listed.fold(Tally::new(formula), |tally, indicator| tally.listing(indicator, LISTED));
        let mut compiled = Compiled { wanted, began_at, tally, standings: BTreeMap::new() };
        let (mut after, mut facts) = (Place::default(), HashMap::new());
        // What changes meanwhile comes a second time. Eight bytes stand for a code: of ten million, two share them in one report of 400,000.
        let (mut seen, namer) = (HashSet::new(), RandomState::new());
        loop {
            let started = Instant::now();
            let page = self.store.page(changed.clone(), after, PAGE).await?;
            let is_full = page.len() == PAGE;
            let Some(last) = page.last() else { return Ok(compiled) };
            after = Place { at: last.updated_at, code: last.code.clone() };
            let page: Vec<_> = page.into_iter().filter(|dossier| seen.insert(namer.hash_one(&dossier.code))).collect();
            let done = page.len() as u64;
            let read = move || page.into_iter().map(Read::of).collect::<Vec<_>>();
            let page = tokio::task::spawn_blocking(read).await.map_err(StoreError::failed)?;
            for dossier in page {
                self.count(&mut compiled, dossier, &mut facts).await?;
            }
            progress.done.fetch_add(done, Ordering::Relaxed);
            // All that was there when it began has come by; what goes on changing would never end.
            if !is_full && after.at > began_at.micros() {
                return Ok(compiled);
            }
            if rest {
                tokio::time::sleep(started.elapsed()).await;
            }
        }
    }

    async fn count(&self, compiled: &mut Compiled, read: Read, facts: &mut Known) -> Result<(), StoreError> {
        let Contents { agency, dossier, steps } = match read.contents {
            Ok(contents) => contents,
            Err(standing) => {
                compiled.stands(standing, read.code);
                return Ok(());
            }
        };
        let facts = self.facts(&dossier.procedure_code, facts).await?;
        let held = HeldDossier::of(agency, &dossier, &steps, facts);
        if read.acknowledged_revision.is_none() {
            if compiled.tally.formula().judge(&held).counting() == Counting::Counted {
                compiled.stands(Standing::NotHeld, read.code);
            }
            return Ok(());
        }
        let is_counted = compiled.tally.formula().judge(&held).counting() == Counting::Counted;
        // What they told, two requests for a supplement perhaps, is not known any more.
        if read.steps_are_erased && is_counted {
            compiled.stands(Standing::Erased, read.code);
            return Ok(());
        }
        compiled.tally.add(&held);
        if read.acknowledged_revision != Some(read.revision) && is_counted {
            compiled.stands(Standing::Outdated, read.code.clone());
        }
        if read.steps_wait && is_counted {
            compiled.stands(Standing::StepsWaiting, read.code);
        }
        Ok(())
    }

    /// Each procedure is looked up once a report.
    async fn facts(&self, procedure: &ProcedureCode, known: &mut Known) -> Result<ProcedureFacts, StoreError> {
        if let Some(facts) = known.get(procedure.original()) {
            return Ok(*facts);
        }
        let facts = self.procedures.facts(procedure).await.map_err(StoreError::failed)?;
        known.insert(procedure.original().to_owned(), facts);
        Ok(facts)
    }
}

type Known = HashMap<String, ProcedureFacts>;

impl Compiled {
    fn stands(&mut self, standing: Standing, code: String) {
        let (number, codes) = self.standings.entry(standing).or_default();
        *number += 1;
        codes.insert(code);
        if codes.len() > LISTED {
            codes.pop_last();
        }
    }
}

/// A dossier as it was read.
struct Read {
    code: String,
    revision: i64,
    acknowledged_revision: Option<i64>,
    steps_wait: bool,
    steps_are_erased: bool,
    contents: Result<Contents, Standing>,
}

struct Contents {
    agency: AgencyCode,
    dossier: Dossier,
    steps: Vec<Step>,
}

impl Read {
    fn of(stored: StoredDossier) -> Self {
        let contents = match &stored.content {
            None => Err(Standing::Erased),
            Some(content) => contents_of(&stored, content).ok_or(Standing::Unreadable),
        };
        let StoredDossier { code, revision, acknowledged_revision, steps, .. } = stored;
        let (steps_wait, steps_are_erased) = (steps.some_wait, steps.some_are_erased);
        Self { code, revision, acknowledged_revision, steps_wait, steps_are_erased, contents }
    }
}

/// `None` if the rules of a newer program do not let it be read.
fn contents_of(stored: &StoredDossier, content: &[u8]) -> Option<Contents> {
    let agency = AgencyCode::parse(&stored.agency_id).ok()?;
    let dossier = json::read(serde_json::from_slice(content).ok()?).ok()?;
    let step = |content: &zeroize::Zeroizing<Vec<u8>>| json::read(serde_json::from_slice(content).ok()?).ok();
    Some(Contents { agency, dossier, steps: stored.steps.delivered.iter().map(step).collect::<Option<_>>()? })
}
