//! The plan of a day: which dossiers come in, and what is said of each, in order. Pure: the same seed, the same day.

use fastrand::Rng;
use jiff::{Timestamp, ToSpan};
use lienthong_domain::time::{self, CalendarMistake, Duration, DurationUnit, WorkingCalendar};
use serde_json::Value;

use super::life::{self, Life};

/// One request about one dossier.
#[derive(Debug, Clone)]
pub(super) enum Message {
    /// The full state.
    State(Value),
    Step(Value),
}

/// One dossier's day.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) code: String,
    pub(super) life: Life,
    pub(super) messages: Vec<Message>,
    /// The problem code with which its messages must be refused, if they must.
    pub(super) refused_as: Option<&'static str>,
}

/// What the province deals with, and how often.
const PROCEDURES: &[(&str, &str, &str, u32)] = &[
    ("1.013225", "Cấp giấy phép xây dựng nhà ở riêng lẻ", "H15.50", 20),
    ("1.001612", "Đăng ký thành lập hộ kinh doanh", "H15.61", 30),
    ("1.001193", "Đăng ký khai sinh", "H15.61", 20),
    ("3.000722", "Liên thông khai sinh, thường trú, thẻ BHYT, căn cước cho trẻ dưới 6 tuổi", "H15.61", 20),
    ("2.002913", "Liên thông khai tử, xóa thường trú, mai táng phí", "H15.61", 6),
    ("2.002621", "Khai sinh, thường trú, thẻ BHYT (thủ tục cũ)", "H15.61", 4),
];

/// Each kind of life, and how often.
const LIVES: &[(Life, u32)] = &[
    (Life::Ordinary, 55),
    (Life::Supplement, 12),
    (Life::Late, 8),
    (Life::NotAccepted, 6),
    (Life::WithdrawnByCitizen, 6),
    (Life::FinancialDuty, 6),
    (Life::Stopped, 3),
    (Life::Placeholder, 2),
    (Life::ForeignAgency, 1),
    (Life::Impossible, 1),
];

/// Days off of the present and the next year.
const HOLIDAYS: &str = include_str!("../../../config/holidays.csv");

pub(super) fn plan(count: usize, seed: u64, now: Timestamp) -> Result<Vec<Story>, CalendarMistake> {
    let calendar = WorkingCalendar::new(WorkingCalendar::parse_days(HOLIDAYS)?, WorkingCalendar::office_hours())?;
    let mut rng = Rng::with_seed(seed);
    (1..=count).map(|number| story(&mut rng, number, now, &calendar)).collect()
}

/// When a dossier received then must be answered: fifteen working days.
fn due(calendar: &WorkingCalendar, received: Timestamp) -> Result<Timestamp, CalendarMistake> {
    let limit = Duration { amount: 15, unit: DurationUnit::WorkingDay };
    let due = calendar.due_at(time::Timestamp::from_micros(received.as_microsecond()), limit, &[])?;
    Ok(Timestamp::from_microsecond(due.micros()).unwrap_or(received))
}

fn story(rng: &mut Rng, number: usize, now: Timestamp, calendar: &WorkingCalendar) -> Result<Story, CalendarMistake> {
    let procedure = weighted(rng, PROCEDURES, |row| row.3);
    let life = weighted(rng, LIVES, |row| row.1).0;
    // An old dossier of the procedure that was withdrawn in 2026 still goes through; a new one is refused.
    let is_withdrawn = procedure.0 == "2.002621";
    let is_old = is_withdrawn && rng.bool();
    let received = if is_old { now - (24 * 120).hours() } else { now - (rng.i64(24..240)).hours() };
    let agency = if life == Life::ForeignAgency { "H26.12" } else { procedure.2 };
    let date = received.to_zoned(jiff::tz::TimeZone::fixed(lienthong_domain::time::VIETNAM)).strftime("%y%m%d");
    let code = format!("{agency}-{date}-{number:06}");
    let refused_as = match life {
        Life::ForeignAgency => Some("access.agency_not_allowed"),
        Life::Placeholder => Some("request.invalid"),
        _ if is_withdrawn && !is_old => Some("request.invalid"),
        Life::Impossible => Some("dossier.transition_needs_reason"),
        _ => None,
    };
    let received = life::Received { at: received, due_at: due(calendar, received)? };
    let messages = life::messages(rng, life, procedure.0, procedure.1, received, &code);
    Ok(Story { code, life, messages, refused_as })
}

fn weighted<'a, T>(rng: &mut Rng, rows: &'a [T], weight: impl Fn(&T) -> u32) -> &'a T {
    let mut at = rng.u32(..rows.iter().map(&weight).sum::<u32>());
    for row in rows {
        match at.checked_sub(weight(row)) {
            Some(rest) => at = rest,
            None => return row,
        }
    }
    &rows[0]
}
