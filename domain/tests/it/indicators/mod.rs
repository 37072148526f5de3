//! The indicators of Quyết định 766/QĐ-TTg. What is expected stands in tables and was computed by hand, never by the code.

mod of_full_states;
mod on_time;
mod properties;
mod reports;
mod shares;

use std::sync::Arc;

use jiff::civil::DateTime;
use lienthong_domain::catalogue::{AgencyCode, ProcedureCode};
use lienthong_domain::dossier::{Channel, DossierCode, DossierState};
use lienthong_domain::indicators::{
    Formula, FormulaTerms, HeldDossier, Percent, Period, ProcedureFacts, StateAt, SupplementRound, Tally, Verdict,
};
use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::{Duration, DurationUnit, Timestamp, WorkingCalendar};

/// March 2026 (the 2nd is a Monday), a calendar without holidays, office hours 07:30-11:30 and 13:30-17:30.
fn march() -> Formula {
    formula(Period::month(2026, 3).expect("there is a March"))
}

fn formula(period: Period) -> Formula {
    let calendar = WorkingCalendar::new([], WorkingCalendar::office_hours()).expect("sound sessions");
    Formula::new(FormulaTerms::of_working_document(), period, calendar)
}

fn tally() -> Tally {
    Tally::new(Arc::new(march()))
}

/// `12 17:00` is in March 2026, `4/2 08:00:01` on 2 April; Vietnam wall time.
fn at(text: &str) -> Timestamp {
    let (day, time) = text.trim().split_once(' ').expect("a day and a time");
    let (month, day) = day.split_once('/').unwrap_or(("3", day));
    let (month, day): (u8, u8) = (month.parse().expect("a month"), day.parse().expect("a day"));
    let civil: DateTime = format!("2026-{month:02}-{day:02}T{time}").parse().expect("a wall time");
    Timestamp::from_vietnam(civil).expect("in range")
}

fn state(word: &str) -> DossierState {
    match word {
        "supplement" => DossierState::SupplementRequested,
        "duty" => DossierState::FinancialDutyRequested,
        "withdrawn" => DossierState::WithdrawnByCitizen,
        "returned" => DossierState::ResultReturned,
        word => DossierState::parse(word).unwrap_or_else(|_| panic!("no state {word}")),
    }
}

fn limit(text: &str) -> Duration {
    let (amount, unit) = text.split_once(' ').expect("an amount and a unit");
    let unit = match unit {
        "hours" => DurationUnit::Hour,
        "working days" => DurationUnit::WorkingDay,
        "days" => DurationUnit::CalendarDay,
        "months" => DurationUnit::Month,
        other => panic!("no unit {other}"),
    };
    Duration { amount: amount.parse().expect("an amount"), unit }
}

/// A direct dossier of which nothing else is told, of a procedure of which nothing is known.
fn bare() -> HeldDossier {
    HeldDossier {
        code: DossierCode::parse("H15.50.05.13-260302-0001").expect("a code"),
        agency: AgencyCode::parse("H15.50.05.13").expect("an agency"),
        procedure: ProcedureCode::parse("1.013225").expect("a procedure"),
        procedure_facts: ProcedureFacts::default(),
        channel: Some(Channel::Direct),
        submitted_at: None,
        received_at: None,
        due_at: None,
        finished_at: None,
        history: Vec::new(),
        supplements: Vec::new(),
        online_payment: None,
        fees: Vec::new(),
        papers: Vec::new(),
        results: Vec::new(),
        has_digitised_components: false,
        is_verified_by_vneid: false,
        connected_databases: Vec::new(),
        has_complaint: None,
    }
}

/// Reads `received 2 08:00; due 12 17:00; sent 12 09:00; round 5 09:00 > 6 09:00; limit 3 working days; <state> 3 08:00`.
/// `sent` is a finish time, `round … > -` one that is awaited.
fn told(text: &str) -> HeldDossier {
    let mut dossier = bare();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (word, rest) = part.split_once(' ').expect("a word and what it says");
        match word {
            "received" => dossier.received_at = Some(at(rest)),
            "due" => dossier.due_at = Some(at(rest)),
            "sent" => dossier.finished_at = Some(at(rest)),
            "limit" => dossier.procedure_facts.longest_legal_time = Some(limit(rest)),
            "round" => {
                let (from, to) = rest.split_once('>').expect("from > to");
                let completed_at = (to.trim() != "-").then(|| at(to));
                dossier.supplements.push(SupplementRound { requested_at: at(from), completed_at });
            }
            word => dossier.history.push(StateAt { state: state(word), at: at(rest) }),
        }
    }
    dossier
}

fn percent(text: &str) -> Percent {
    let (whole, hundredths) = text.split_once('.').expect("two decimals");
    let number = |text: &str| text.parse::<u64>().expect("digits");
    Percent::of(number(whole) * 100 + number(hundredths), 10_000).expect("not by zero")
}

fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Met => "met".into(),
        Verdict::Costs(reason) => format!("costs {reason}"),
        Verdict::Undecided(reason) => format!("undecided {reason}"),
        Verdict::NotConcerned => "not concerned".into(),
    }
}
