//! Due dates (ngày hẹn trả kết quả) from a table of days, the office sessions and the pauses of a dossier.
//! Pure: the same inputs always give the same due time. Never decides which states pause: that is configuration.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{Span, ToSpan};

use super::{Timestamp, VIETNAM};

const SECOND: i64 = 1_000_000; // microseconds, like every bare number here
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// No due time lies further after the receipt than this (20 years): ten for the duration, ten for pauses and days off.
const FURTHEST_DAYS: i64 = 20 * 366;
const MOST_DAYS: usize = 10_000;
const MOST_PAUSES: usize = 1_000;

/// What a listed day is. Days that are not listed: Monday to Friday are worked, Saturday and Sunday are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DayKind {
    /// Ngày nghỉ lễ, tết.
    Holiday,
    /// Ngày nghỉ bù, or ngày nghỉ hoán đổi for a make-up day.
    DayOff,
    /// Ngày làm bù, mostly a Saturday: a working day for State offices.
    MakeUpWorkingDay,
}

impl DayKind {
    fn is_worked(self) -> bool {
        self == DayKind::MakeUpWorkingDay
    }

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "holiday" => Some(DayKind::Holiday),
            "compensatory_day_off" | "day_off_swapped" => Some(DayKind::DayOff),
            "make_up_working_day" => Some(DayKind::MakeUpWorkingDay),
            _ => None,
        }
    }
}

/// One row of the table of days, in Vietnam dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CalendarDay {
    pub date: Date,
    pub kind: DayKind,
}

/// One office session (buổi làm việc), `from` included, `to` not, in Vietnam wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session {
    pub from: Time,
    pub to: Time,
}

/// The units of time limits (thời hạn giải quyết) in the procedure catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DurationUnit {
    /// Giờ: hours of office time.
    Hour,
    /// Ngày làm việc: as much office time as the sessions of one day hold (8 hours by default).
    WorkingDay,
    /// Ngày: calendar days, days off included.
    CalendarDay,
    /// Tháng: calendar months.
    Month,
}

impl DurationUnit {
    /// Ten years: a longer time limit is a mistake in the catalogue (261 weekdays a year, 8 hours a working day).
    pub fn most(self) -> u32 {
        match self {
            DurationUnit::Hour => 20_880,
            DurationUnit::WorkingDay => 2_610,
            DurationUnit::CalendarDay => 3_653,
            DurationUnit::Month => 120,
        }
    }
}

/// A time limit, from 1 to [`DurationUnit::most`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Duration {
    pub amount: u32,
    pub unit: DurationUnit,
}

/// The clock stands still from `from` to `to`: in general while a supplement (bổ sung hồ sơ) is awaited. A pause that
/// still lasts has no `to`, and the dossier then no due time that could be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pause {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What is wrong with the table, the sessions or a question to the calendar. Lines, sessions and pauses count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarMistake {
    #[error("line {line}: {needed}")]
    Line { line: usize, needed: &'static str },
    #[error("{date} is listed both as a working day and as a day off")]
    Contradiction { date: Date },
    #[error("more than {most} {what}")]
    TooMany { what: &'static str, most: usize },
    #[error("a working calendar needs at least one office session")]
    NoSession,
    #[error("office session {number} does not end after it begins")]
    SessionNotForward { number: usize },
    #[error("office session {number} begins before the one before it ends")]
    SessionsOverlap { number: usize },
    #[error("a time limit of 0 gives no due date")]
    ZeroDuration,
    #[error("a time limit longer than ten years ({most} of unit {unit:?})")]
    DurationTooLong { unit: DurationUnit, most: u32 },
    #[error("pause {number} ends before it begins")]
    PauseNotForward { number: usize },
    #[error("the due time lies more than 20 years after the receipt: look at the pauses and the days off")]
    DueTooLate,
    #[error("the due time lies after the year 2999")]
    OutOfRange,
}

/// Which days and hours State offices of one deployment work, and when a time limit ends.
///
/// What the law says on these points is not confirmed (NĐ 118/2025 and its amendments are still to be read). A sentence
/// marked † is seen in local systems (national-portal reference §15); every other one is our choice.
///
/// - † What is received after closing counts from the next working morning. So does what is received on a day off or
///   at the closing time itself; in the lunch gap, from the next session.
/// - † For hours and working days only office time counts, the lunch gap does not. They end at the first instant at
///   which the time is used up: what ends at 17:30 is due at 17:30, not on the next morning.
/// - † Calendar days and months that end on a day off roll to the next working day. They end with the office day, at
///   the first closing time at or after the end: so an earlier receipt is not due later because of its hour.
/// - A month that is too short gives its last day, to the closing time (31 January + 1 month = end of February).
/// - † The clock stands while a supplement is awaited. Hours and working days then lose no office time; calendar days
///   and months are longer by the paused calendar time. What lies before the count begins or after the due time changes
///   nothing. A pause that begins when calendar time is used up but not yet due moves the end to the end of the pause.
/// - Years without any listed day are counted with weekends alone: ask [`WorkingCalendar::knows_year`] and warn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingCalendar {
    days: BTreeMap<Date, DayKind>,
    sessions: Vec<Session>,
}

/// Instants in microseconds since the epoch.
type Stretch = Range<i64>;
type Due = Result<Timestamp, CalendarMistake>;

impl WorkingCalendar {
    /// A day may be listed twice unless the rows contradict each other. Sessions are in order and do not overlap.
    pub fn new(
        days: impl IntoIterator<Item = CalendarDay>,
        sessions: Vec<Session>,
    ) -> Result<WorkingCalendar, CalendarMistake> {
        check_sessions(&sessions)?;
        let mut listed = BTreeMap::new();
        for (index, CalendarDay { date, kind }) in days.into_iter().enumerate() {
            if index >= MOST_DAYS {
                return Err(CalendarMistake::TooMany { what: "listed days", most: MOST_DAYS });
            }
            if listed.insert(date, kind).is_some_and(|other: DayKind| other.is_worked() != kind.is_worked()) {
                return Err(CalendarMistake::Contradiction { date });
            }
        }
        Ok(WorkingCalendar { days: listed, sessions })
    }

    /// The usual sessions: 07:30-11:30 and 13:30-17:30, 8 hours.
    pub fn office_hours() -> Vec<Session> {
        let at = |hour| Time::constant(hour, 30, 0, 0);
        vec![Session { from: at(7), to: at(11) }, Session { from: at(13), to: at(17) }]
    }

    /// Reads a table with a heading that names at least the columns `date` (`yyyy-mm-dd`) and `kind` (`holiday`,
    /// `compensatory_day_off`, `day_off_swapped`, `make_up_working_day`). Quoted cells may stand only to the right of both.
    pub fn parse_days(table: &str) -> Result<Vec<CalendarDay>, CalendarMistake> {
        let table = table.trim_start_matches('\u{feff}');
        let mut lines = (1..).zip(table.lines()).filter(|(_, text)| !text.trim().is_empty());
        let (line, heading) = lines.next().unwrap_or((1, ""));
        let column = |name| heading.split(',').position(|cell| cell.trim() == name);
        let (Some(date), Some(kind)) = (column("date"), column("kind")) else {
            return Err(CalendarMistake::Line { line, needed: "the heading must name the columns date and kind" });
        };
        let read = |(line, text): (usize, &str)| {
            let mistake = |needed| CalendarMistake::Line { line, needed };
            let cell = |column| text.split(',').nth(column).map_or("", str::trim);
            Ok(CalendarDay {
                date: read_date(cell(date)).ok_or(mistake("the date must be yyyy-mm-dd"))?,
                kind: DayKind::from_name(cell(kind)).ok_or(mistake(
                    "the kind must be holiday, compensatory_day_off, day_off_swapped or make_up_working_day",
                ))?,
            })
        };
        lines.map(read).collect()
    }

    pub fn is_working_day(&self, date: Date) -> bool {
        match self.days.get(&date) {
            Some(kind) => kind.is_worked(),
            None => !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday),
        }
    }

    /// Whether any day of that year is listed; if not, its holidays are missing and due dates may come too early.
    pub fn knows_year(&self, year: i16) -> bool {
        self.days.keys().any(|date| date.year() == year)
    }

    /// When a dossier received at `received` is due. `pauses` may be in any order and may overlap.
    pub fn due_at(
        &self,
        received: Timestamp,
        duration: Duration,
        pauses: &[Pause],
    ) -> Result<Timestamp, CalendarMistake> {
        let Duration { amount, unit } = duration;
        if amount == 0 {
            return Err(CalendarMistake::ZeroDuration);
        }
        if amount > unit.most() {
            return Err(CalendarMistake::DurationTooLong { unit, most: unit.most() });
        }
        let pauses = merged(pauses)?;
        let amount = i64::from(amount);
        let due = match unit {
            DurationUnit::Hour => self.end_of_office_time(received, amount * HOUR, &pauses),
            DurationUnit::WorkingDay => self.end_of_office_time(received, amount * self.working_day(), &pauses),
            DurationUnit::CalendarDay => self.end_of_calendar_time(received, amount.days(), &pauses),
            DurationUnit::Month => self.end_of_calendar_time(received, amount.months(), &pauses),
        }?;
        if due.micros() - received.micros() > FURTHEST_DAYS * DAY { Err(CalendarMistake::DueTooLate) } else { Ok(due) }
    }

    /// The office time of one working day.
    fn working_day(&self) -> i64 {
        self.sessions.iter().map(|session| time_of_day(session.to) - time_of_day(session.from)).sum()
    }

    /// The first instant at which `left` of office time outside of `pauses` has passed.
    fn end_of_office_time(&self, received: Timestamp, mut left: i64, pauses: &[Stretch]) -> Due {
        for office in self.office_time(received) {
            let mut at = office.start;
            // An empty pause at the end of the session closes its last running part.
            for pause in pauses.iter().chain([&(office.end..office.end)]) {
                let running = pause.start.clamp(at, office.end) - at;
                if left <= running {
                    return instant(at + left);
                }
                left -= running;
                at = pause.end.clamp(at, office.end);
            }
        }
        Err(CalendarMistake::DueTooLate)
    }

    fn end_of_calendar_time(&self, received: Timestamp, span: Span, pauses: &[Stretch]) -> Due {
        let begin = self.office_time(received).next().ok_or(CalendarMistake::DueTooLate)?.start;
        let mut end = self.moved(instant(begin)?.in_vietnam(), span)?;
        for pause in pauses.iter().filter(|pause| pause.end > begin) {
            let from = pause.start.max(begin);
            if from < end {
                end += pause.end - from;
            } else if from < self.closing_after(end)?.micros() {
                end = pause.end;
            }
        }
        self.closing_after(end)
    }

    /// Wall time moved by whole days or months. Where the month is too short the time of day gives way to the closing
    /// time, or the 30th in the afternoon would end later than the 31st in the morning.
    fn moved(&self, from: DateTime, span: Span) -> Result<i64, CalendarMistake> {
        let mut to = from.checked_add(span).map_err(|_| CalendarMistake::OutOfRange)?;
        if span.get_months() > 0 && to.day() != from.day() {
            to = to.date().to_datetime(self.closing());
        }
        let instant = VIETNAM.to_timestamp(to).map_err(|_| CalendarMistake::OutOfRange)?;
        Ok(instant.as_microsecond())
    }

    /// The first closing time of a working day at or after `end`.
    fn closing_after(&self, end: i64) -> Due {
        let mut closings = self.working_days(instant(end)?).map(|midnight| midnight + time_of_day(self.closing()));
        instant(closings.find(|closing| *closing >= end).ok_or(CalendarMistake::DueTooLate)?)
    }

    fn closing(&self) -> Time {
        self.sessions[self.sessions.len() - 1].to // never empty: checked when made
    }

    /// Office time from `from` on, session by session.
    fn office_time(&self, from: Timestamp) -> impl Iterator<Item = Stretch> {
        self.working_days(from)
            .flat_map(|midnight| self.sessions.iter().map(move |session| (midnight, session)))
            .map(move |(midnight, session)| {
                (midnight + time_of_day(session.from)).max(from.micros())..midnight + time_of_day(session.to)
            })
            .filter(|office| !office.is_empty())
    }

    /// The Vietnam midnights at which working days begin, from the day of `from` on, for [`FURTHEST_DAYS`].
    fn working_days(&self, from: Timestamp) -> impl Iterator<Item = i64> {
        let offset = i64::from(VIETNAM.seconds()) * SECOND;
        let first = from.micros() - (from.micros() + offset).rem_euclid(DAY);
        (0..=FURTHEST_DAYS)
            .zip(from.date_in_vietnam().series(1.day()))
            .filter(|(_, date)| self.is_working_day(*date))
            .map(move |(number, _)| first + number * DAY)
    }
}

fn check_sessions(sessions: &[Session]) -> Result<(), CalendarMistake> {
    if sessions.is_empty() {
        return Err(CalendarMistake::NoSession);
    }
    let mut last_end = 0;
    for (number, session) in (1..).zip(sessions) {
        let (from, to) = (time_of_day(session.from), time_of_day(session.to));
        if from >= to {
            return Err(CalendarMistake::SessionNotForward { number });
        }
        if from < last_end {
            return Err(CalendarMistake::SessionsOverlap { number });
        }
        last_end = to;
    }
    Ok(())
}

/// Pauses in order, those that overlap or touch made one: a supplement asked for twice stops the clock once.
fn merged(pauses: &[Pause]) -> Result<Vec<Stretch>, CalendarMistake> {
    if pauses.len() > MOST_PAUSES {
        return Err(CalendarMistake::TooMany { what: "pauses", most: MOST_PAUSES });
    }
    if let Some(index) = pauses.iter().position(|pause| pause.to < pause.from) {
        return Err(CalendarMistake::PauseNotForward { number: index + 1 });
    }
    let mut ordered: Vec<_> = pauses.iter().map(|pause| pause.from.micros()..pause.to.micros()).collect();
    ordered.sort_unstable_by_key(|pause| pause.start);
    ordered.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            kept.end = kept.end.max(next.end);
        }
        touches
    });
    Ok(ordered)
}

fn read_date(text: &str) -> Option<Date> {
    // jiff also reads 20260217 and 2026-02-17T00:00: only the written form of the table is taken.
    text.parse::<Date>().ok().filter(|date| date.to_string() == text)
}

/// Microseconds since midnight; what is finer is cut off.
fn time_of_day(time: Time) -> i64 {
    let seconds = i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * SECOND + i64::from(time.subsec_nanosecond()) / 1_000
}

/// [`Timestamp::from_micros`] would bring a late time to its bound, and so invent a due date.
fn instant(micros: i64) -> Due {
    let instant = Timestamp::from_micros(micros);
    if instant.micros() == micros { Ok(instant) } else { Err(CalendarMistake::OutOfRange) }
}
