//! What the indicators read of a procedure, from the newest version of the copy; also of one that has left the catalogue, since its
//! dossiers have not. What the portal does not tell, or in words only, is not known.

use std::sync::Arc;

use async_trait::async_trait;
use lienthong_domain::catalogue::ProcedureCode;
use lienthong_domain::indicators::ProcedureFacts;
use lienthong_domain::port::{PortError, PortErrorKind, ProcedureFactsSource};
use lienthong_domain::time::{Duration, DurationUnit};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::copy::Copy;
use super::entry::List;
use super::store::CatalogueStore;

/// Answers from the copy.
pub struct Facts {
    pub copy: Arc<Copy>,
    pub store: Arc<dyn CatalogueStore>,
}

#[async_trait]
impl ProcedureFactsSource for Facts {
    async fn facts(&self, procedure: &ProcedureCode) -> Result<ProcedureFacts, PortError> {
        let away = |note: String| PortError::new("catalogue", PortErrorKind::Unavailable).with_note(note);
        let (held, _) = self.copy.held();
        let version = held.list(List::Procedures).and_then(|list| list.find(procedure.original()));
        let Some(number) = version.map(|version| version.number) else { return Ok(ProcedureFacts::default()) };
        let content = self.store.content(number).await.map_err(|error| away(error.to_string()))?;
        let detail = content.map(|content| serde_json::from_str::<Detail>(&content)).transpose();
        Ok(facts_of(&detail.map_err(|error| away(error.to_string()))?.unwrap_or_default()))
    }
}

/// The members of `domain::catalogue::ProcedureDetail` that are read here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    methods: Vec<Method>,
    results: Vec<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Method {
    times: Vec<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Time {
    value: Option<String>,
    unit: Option<String>,
    fees: Vec<Fee>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fee {
    amount: Option<String>,
    note: Option<IgnoredAny>,
    file: Option<IgnoredAny>,
}

/// - It returns a paper if the catalogue names a result. One that names none says nothing.
/// - It bears fees if an amount above 0 is published with any of its time limits; it bears none if there are time limits, and each fee
///   line with them is 0. An amount in words is not known.
/// - Its longest time limit is known if all of them are numbers of one unit: working days are not compared with months.
fn facts_of(detail: &Detail) -> ProcedureFacts {
    let times: Vec<&Time> = detail.methods.iter().flat_map(|method| &method.times).collect();
    let amounts: Vec<Option<u64>> = times.iter().flat_map(|time| &time.fees).map(amount_of).collect();
    let bears_fees = match () {
        () if amounts.iter().any(|amount| amount.is_some_and(|amount| amount > 0)) => Some(true),
        () if times.is_empty() || amounts.contains(&None) => None,
        () => Some(false),
    };
    let limits: Option<Vec<Duration>> = times.iter().map(|time| limit_of(time)).collect();
    let limits = limits.filter(|limits| limits.windows(2).all(|two| two[0].unit == two[1].unit));
    ProcedureFacts {
        returns_paper: (!detail.results.is_empty()).then_some(true),
        bears_fees,
        longest_legal_time: limits.and_then(|limits| limits.into_iter().max_by_key(|limit| limit.amount)),
    }
}

/// Whole đồng; separators of thousands as people write them. 0 with words or a file beside it is what these say, not 0.
fn amount_of(fee: &Fee) -> Option<u64> {
    let text = fee.amount.as_deref()?.trim();
    text.starts_with(|c: char| c.is_ascii_digit()).then_some(())?;
    let amount = text.replace(['.', ',', ' ', '\u{a0}'], "").parse().ok()?;
    (amount > 0 || (fee.note.is_none() && fee.file.is_none())).then_some(amount)
}

fn limit_of(time: &Time) -> Option<Duration> {
    let amount = time.value.as_deref()?.trim().parse().ok().filter(|amount| *amount > 0)?;
    let unit = match time.unit.as_deref()? {
        "hour" => DurationUnit::Hour,
        "day" => DurationUnit::CalendarDay,
        "working_day" => DurationUnit::WorkingDay,
        "month" => DurationUnit::Month,
        _ => return None,
    };
    Some(Duration { amount, unit })
}
