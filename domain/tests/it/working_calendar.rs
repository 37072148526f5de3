//! Due dates (NP-19): the cases that local systems get wrong, and what must hold for any receipt, time limit and pauses.

use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;

use jiff::ToSpan;
use jiff::civil::{Date, Time, date, time};
use lienthong_domain::time::{
    CalendarDay, CalendarMistake, DayKind, Duration, DurationUnit, Pause, Session, Timestamp, WorkingCalendar,
};
use proptest::prelude::*;

use DurationUnit::{CalendarDay as Day, Hour, Month, WorkingDay};

/// A small table: the days of 2026 that the tests need, as in `shared/data/holidays.csv`.
const DAYS_2026: &str = "date,kind
2026-01-01,holiday
2026-01-02,day_off_swapped
2026-01-10,make_up_working_day
2026-02-16,holiday
2026-02-17,holiday
2026-02-18,holiday
2026-02-19,holiday
2026-02-20,holiday
2026-04-26,holiday
2026-04-27,compensatory_day_off
2026-04-30,holiday
2026-05-01,holiday
2026-08-22,make_up_working_day
2026-08-31,day_off_swapped
2026-09-01,holiday
2026-09-02,holiday
";

static CALENDAR: LazyLock<WorkingCalendar> = LazyLock::new(|| with_days(DAYS_2026));

fn with_days(table: &str) -> WorkingCalendar {
    let days = WorkingCalendar::parse_days(table).expect("the table is readable");
    WorkingCalendar::new(days, WorkingCalendar::office_hours()).expect("the table is sound")
}

/// A Vietnam wall time, `2026-03-06 16:59`.
fn at(text: &str) -> Timestamp {
    Timestamp::from_vietnam(text.parse().expect("a wall time")).expect("in range")
}

fn pause(from: &str, to: &str) -> Pause {
    Pause { from: at(from), to: at(to) }
}

fn due(received: &str, amount: u32, unit: DurationUnit, pauses: &[Pause]) -> String {
    let due = CALENDAR.due_at(at(received), Duration { amount, unit }, pauses).expect("there is a due time");
    due.in_vietnam().strftime("%F %T").to_string()
}

#[test]
fn friday_before_and_after_closing() {
    assert_eq!(due("2026-03-06 16:59", 1, WorkingDay, &[]), "2026-03-09 16:59:00");
    assert_eq!(due("2026-03-06 17:29:59", 1, WorkingDay, &[]), "2026-03-09 17:29:59");
    assert_eq!(due("2026-03-06 17:30", 1, WorkingDay, &[]), "2026-03-09 17:30:00");
    assert_eq!(due("2026-03-06 17:31", 1, WorkingDay, &[]), "2026-03-09 17:30:00");
    assert_eq!(due("2026-03-06 16:59", 4, Hour, &[]), "2026-03-09 10:59:00");
    assert_eq!(due("2026-03-06 17:31", 4, Hour, &[]), "2026-03-09 11:30:00");
}

#[test]
fn after_closing_calendar_days_count_from_the_next_working_morning() {
    assert_eq!(due("2026-03-06 16:59", 4, Day, &[]), "2026-03-10 17:30:00");
    assert_eq!(due("2026-03-06 17:31", 4, Day, &[]), "2026-03-13 17:30:00");
    assert_eq!(due("2026-03-04 17:31", 1, Day, &[]), "2026-03-06 17:30:00");
    assert_eq!(due("2026-03-06 17:31", 1, Month, &[]), "2026-04-09 17:30:00");
}

#[test]
fn received_before_opening_or_on_a_day_off() {
    assert_eq!(due("2026-03-09 05:00", 8, Hour, &[]), "2026-03-09 17:30:00");
    assert_eq!(due("2026-03-09 05:00", 1, WorkingDay, &[]), "2026-03-09 17:30:00");
    assert_eq!(due("2026-03-07 10:00", 1, WorkingDay, &[]), "2026-03-09 17:30:00");
    assert_eq!(due("2026-03-08 23:59:59", 1, Hour, &[]), "2026-03-09 08:30:00");
}

#[test]
fn the_lunch_gap_does_not_count() {
    assert_eq!(due("2026-03-09 11:00", 1, Hour, &[]), "2026-03-09 14:00:00");
    assert_eq!(due("2026-03-09 12:15", 1, Hour, &[]), "2026-03-09 14:30:00");
    assert_eq!(due("2026-03-09 10:30", 1, Hour, &[]), "2026-03-09 11:30:00");
    assert_eq!(due("2026-03-09 11:30", 1, WorkingDay, &[]), "2026-03-10 11:30:00");
    assert_eq!(due("2026-03-09 12:00", 1, WorkingDay, &[]), "2026-03-10 11:30:00");
}

#[test]
fn a_working_day_is_the_sum_of_the_sessions() {
    let short = vec![Session { from: time(8, 0, 0, 0), to: time(11, 0, 0, 0) }];
    let calendar = WorkingCalendar::new([], short).expect("sound");
    let due = |unit, amount| calendar.due_at(at("2026-03-09 09:00"), Duration { amount, unit }, &[]);
    assert_eq!(due(WorkingDay, 2), Ok(at("2026-03-11 09:00")));
    assert_eq!(due(Hour, 8), Ok(at("2026-03-11 11:00")));
}

/// The table of the shared data, or the small one if this machine does not have it.
fn table_of_the_workspace() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/holidays.csv");
    match std::fs::read_to_string(&file) {
        Ok(table) => table,
        Err(reason) => {
            // Past the capture of the test harness: a passing test must show it too.
            let _ = writeln!(
                std::io::stderr(),
                "ABSENT: {} ({reason}); Tết 2026 is tested with the small inline table",
                file.display()
            );
            DAYS_2026.to_owned()
        }
    }
}

#[test]
fn tet_2026_from_the_shared_table() {
    let calendar = with_days(&table_of_the_workspace());
    let due = |received, amount, unit| calendar.due_at(at(received), Duration { amount, unit }, &[]);
    assert_eq!(due("2026-02-13 16:00", 1, WorkingDay), Ok(at("2026-02-23 16:00")));
    assert_eq!(due("2026-02-13 16:00", 3, Day), Ok(at("2026-02-23 17:30")));
    assert_eq!(due("2026-01-16 16:00", 1, Month), Ok(at("2026-02-23 17:30")));
    assert_eq!(due("2026-02-17 09:00", 1, Hour), Ok(at("2026-02-23 08:30")));
    assert_eq!(due("2026-02-13 17:31", 5, WorkingDay), Ok(at("2026-02-27 17:30")));
    assert!(calendar.knows_year(2026) && !calendar.knows_year(2099));
}

#[test]
fn the_shared_table_says_the_same_as_the_small_one_for_its_days() {
    let calendar = with_days(&table_of_the_workspace());
    for day in WorkingCalendar::parse_days(DAYS_2026).expect("readable") {
        assert_eq!(calendar.is_working_day(day.date), day.kind == DayKind::MakeUpWorkingDay, "{}", day.date);
    }
}

#[test]
fn a_make_up_saturday_is_worked_and_its_monday_is_not() {
    assert_eq!(due("2026-08-21 16:00", 1, WorkingDay, &[]), "2026-08-22 16:00:00");
    assert_eq!(due("2026-08-21 16:00", 1, Day, &[]), "2026-08-22 17:30:00");
    assert_eq!(due("2026-08-22 16:00", 1, WorkingDay, &[]), "2026-08-24 16:00:00");
    assert_eq!(due("2026-08-28 16:00", 1, WorkingDay, &[]), "2026-09-03 16:00:00");
    assert_eq!(due("2026-08-14 16:00", 1, WorkingDay, &[]), "2026-08-17 16:00:00");
}

#[test]
fn a_month_ends_on_its_last_day_and_rolls_to_a_working_day() {
    assert_eq!(due("2023-01-31 08:00", 1, Month, &[]), "2023-02-28 17:30:00");
    assert_eq!(due("2023-01-30 16:00", 1, Month, &[]), "2023-02-28 17:30:00");
    assert_eq!(due("2024-01-31 08:00", 1, Month, &[]), "2024-02-29 17:30:00");
    assert_eq!(due("2023-01-31 08:00", 2, Month, &[]), "2023-03-31 17:30:00");
    assert_eq!(due("2023-08-31 08:00", 1, Month, &[]), "2023-10-02 17:30:00");
    assert_eq!(due("2024-02-29 08:00", 12, Month, &[]), "2025-02-28 17:30:00");
    assert_eq!(due("2026-03-10 08:00", 1, Month, &[]), "2026-04-10 17:30:00");
}

#[test]
fn two_supplements_stop_the_office_clock_twice() {
    // 5 and 3 office hours: one working day more than 2026-03-04 08:00.
    let pauses = [pause("2026-03-02 14:00", "2026-03-03 09:00"), pause("2026-03-03 15:00", "2026-03-04 08:00")];
    assert_eq!(due("2026-03-02 08:00", 2, WorkingDay, &[]), "2026-03-04 08:00:00");
    assert_eq!(due("2026-03-02 08:00", 2, WorkingDay, &pauses), "2026-03-05 08:00:00");
    assert_eq!(due("2026-03-02 08:00", 16, Hour, &pauses), "2026-03-05 08:00:00");
}

#[test]
fn two_supplements_lengthen_calendar_time() {
    // 36 + 24 hours from Saturday 2026-03-07 08:00: Monday 20:00, after closing.
    let pauses = [pause("2026-03-03 08:00", "2026-03-04 20:00"), pause("2026-03-05 08:00", "2026-03-06 08:00")];
    assert_eq!(due("2026-03-02 08:00", 5, Day, &[]), "2026-03-09 17:30:00");
    assert_eq!(due("2026-03-02 08:00", 5, Day, &pauses), "2026-03-10 17:30:00");
    assert_eq!(due("2026-03-02 08:00", 1, Month, &pauses), "2026-04-06 17:30:00");
}

#[test]
fn the_second_supplement_counts_although_only_the_first_brings_it_before_the_due_time() {
    let (first, second) =
        (pause("2026-03-02 09:00", "2026-03-03 09:00"), pause("2026-03-03 10:00", "2026-03-03 11:00"));
    assert_eq!(due("2026-03-02 08:00", 8, Hour, &[second]), "2026-03-03 08:00:00");
    assert_eq!(due("2026-03-02 08:00", 8, Hour, &[second, first]), "2026-03-04 09:00:00");
}

#[test]
fn a_pause_outside_office_time_costs_no_office_time() {
    let night = pause("2026-03-06 17:30", "2026-03-09 07:30");
    assert_eq!(due("2026-03-06 16:00", 1, WorkingDay, &[night]), "2026-03-09 16:00:00");
    assert_eq!(due("2026-03-06 16:00", 6, Day, &[]), "2026-03-12 17:30:00");
    assert_eq!(due("2026-03-06 16:00", 6, Day, &[night]), "2026-03-16 17:30:00");
}

#[test]
fn overlapping_pauses_count_once_in_any_order() {
    let whole = [pause("2026-03-03 08:00", "2026-03-03 11:00")];
    let parts = [pause("2026-03-03 09:00", "2026-03-03 11:00"), pause("2026-03-03 08:00", "2026-03-03 10:00")];
    let inside = [whole[0], pause("2026-03-03 08:30", "2026-03-03 09:00"), whole[0]];
    for pauses in [&whole[..], &parts, &inside] {
        assert_eq!(due("2026-03-02 08:00", 2, WorkingDay, pauses), "2026-03-04 11:00:00");
    }
}

#[test]
fn calendar_time_used_up_on_a_day_off_can_still_be_paused_before_it_is_due() {
    // Used up on Saturday 08:00, due on Monday.
    assert_eq!(
        due("2026-03-02 08:00", 5, Day, &[pause("2026-03-07 09:00", "2026-03-08 09:00")]),
        "2026-03-09 17:30:00"
    );
    assert_eq!(
        due("2026-03-02 08:00", 5, Day, &[pause("2026-03-08 09:00", "2026-03-12 09:00")]),
        "2026-03-12 17:30:00"
    );
    assert_eq!(
        due("2026-03-02 08:00", 5, Day, &[pause("2026-03-09 17:30", "2026-03-12 09:00")]),
        "2026-03-09 17:30:00"
    );
}

#[test]
fn of_a_pause_only_the_part_after_the_count_begins_lengthens_calendar_time() {
    assert_eq!(
        due("2026-03-02 08:00", 1, Day, &[pause("2026-03-01 00:00", "2026-03-03 08:00")]),
        "2026-03-04 17:30:00"
    );
    assert_eq!(
        due("2026-03-06 18:00", 1, Day, &[pause("2026-03-06 18:00", "2026-03-09 09:00")]),
        "2026-03-10 17:30:00"
    );
}

#[test]
fn a_pause_keeps_the_order_of_two_receipts_whose_month_is_too_short() {
    let pauses = [pause("2023-02-01 08:00", "2023-02-01 10:00")];
    assert_eq!(due("2023-01-30 16:00", 1, Month, &pauses), "2023-03-01 17:30:00");
    assert_eq!(due("2023-01-31 08:00", 1, Month, &pauses), "2023-03-01 17:30:00");
}

#[test]
fn refuses_sessions_that_make_no_office_day() {
    let made = |sessions: &[(Time, Time)]| {
        let sessions = sessions.iter().map(|&(from, to)| Session { from, to }).collect();
        WorkingCalendar::new([], sessions).map(|_| ())
    };
    let hour = |hour| time(hour, 0, 0, 0);
    assert_eq!(made(&[]), Err(CalendarMistake::NoSession));
    assert_eq!(made(&[(hour(8), hour(8))]), Err(CalendarMistake::SessionNotForward { number: 1 }));
    assert_eq!(made(&[(hour(8), hour(12)), (hour(11), hour(15))]), Err(CalendarMistake::SessionsOverlap { number: 2 }));
    assert_eq!(made(&[(hour(13), hour(17)), (hour(7), hour(11))]), Err(CalendarMistake::SessionsOverlap { number: 2 }));
    assert_eq!(made(&[(hour(8), hour(12)), (hour(12), hour(16))]), Ok(()));
}

#[test]
fn refuses_a_table_that_contradicts_itself_or_has_no_end() {
    let made = |days: Vec<CalendarDay>| WorkingCalendar::new(days, WorkingCalendar::office_hours()).map(|_| ());
    let saturday = date(2026, 8, 22);
    let row = |kind| CalendarDay { date: saturday, kind };
    let contradiction = Err(CalendarMistake::Contradiction { date: saturday });
    assert_eq!(made(vec![row(DayKind::MakeUpWorkingDay), row(DayKind::Holiday)]), contradiction);
    assert_eq!(made(vec![row(DayKind::DayOff), row(DayKind::Holiday)]), Ok(()));
    assert!(matches!(made(vec![row(DayKind::Holiday); 10_001]), Err(CalendarMistake::TooMany { .. })));
}

#[test]
fn mistakes_in_the_table_name_the_line() {
    let line = |table: &str| match WorkingCalendar::parse_days(table) {
        Err(CalendarMistake::Line { line, .. }) => line,
        other => panic!("a mistake with its line was expected, not {other:?}"),
    };
    assert_eq!(line(""), 1);
    assert_eq!(line("2026-01-01,holiday\n"), 1);
    assert_eq!(line("date,kind\n2026-01-01,holiday\n\n2026-02-30,holiday\n"), 4);
    assert_eq!(line("date,kind\n20260101,holiday\n"), 2);
    assert_eq!(line("date,kind\n2026-01-01,Holiday\n"), 2);
    assert_eq!(line("date,kind\n2026-01-01\n"), 2);
    let days = WorkingCalendar::parse_days("\u{feff}weekday,date,kind,name\r\nThu,2026-01-01,holiday,\"a, b\"\r\n");
    assert_eq!(days, Ok(vec![CalendarDay { date: date(2026, 1, 1), kind: DayKind::Holiday }]));
}

#[test]
fn refuses_a_time_limit_of_nothing_or_beyond_ten_years() {
    let asked = |amount, unit| CALENDAR.due_at(at("2026-03-02 08:00"), Duration { amount, unit }, &[]);
    for unit in [Hour, WorkingDay, Day, Month] {
        let most = unit.most();
        assert_eq!(asked(0, unit), Err(CalendarMistake::ZeroDuration));
        assert!(asked(most, unit).is_ok(), "{unit:?}");
        for amount in [most + 1, u32::MAX] {
            assert_eq!(asked(amount, unit), Err(CalendarMistake::DurationTooLong { unit, most }));
        }
    }
}

#[test]
fn refuses_pauses_that_cannot_be() {
    let asked = |pauses: &[Pause]| {
        CALENDAR.due_at(at("2026-03-02 08:00"), Duration { amount: 1, unit: WorkingDay }, pauses).map(|_| ())
    };
    let good = pause("2026-03-02 09:00", "2026-03-02 10:00");
    let backwards = Pause { from: good.to, to: good.from };
    assert_eq!(asked(&[good, backwards]), Err(CalendarMistake::PauseNotForward { number: 2 }));
    assert!(matches!(asked(&vec![good; 1_001]), Err(CalendarMistake::TooMany { .. })));
}

#[test]
fn refuses_to_look_further_than_twenty_years_or_past_the_last_timestamp() {
    for unit in [Hour, WorkingDay, Day, Month] {
        let one = Duration { amount: 1, unit };
        let years = pause("2026-03-02 08:30", "2051-03-02 09:00");
        assert_eq!(
            CALENDAR.due_at(at("2026-03-02 08:00"), one, &[years]),
            Err(CalendarMistake::DueTooLate),
            "{unit:?}"
        );
        let never = date(2026, 1, 1).series(1.day()).take(8_000);
        let never = never.map(|date| CalendarDay { date, kind: DayKind::DayOff });
        let never = WorkingCalendar::new(never, WorkingCalendar::office_hours()).expect("sound");
        assert_eq!(never.due_at(at("2026-03-02 08:00"), one, &[]), Err(CalendarMistake::DueTooLate), "{unit:?}");
        let last = Timestamp::from_micros(i64::MAX);
        assert_eq!(CALENDAR.due_at(last, one, &[]), Err(CalendarMistake::OutOfRange), "{unit:?}");
        assert!(CALENDAR.due_at(Timestamp::from_micros(i64::MIN), one, &[]).is_ok(), "{unit:?}");
    }
}

const MINUTE: i64 = 60_000_000;

/// Whole minutes of the weeks around Tết, the make-up Saturday and National Day of 2026.
fn instants() -> impl Strategy<Value = Timestamp> {
    let minutes = |from: &str, days: i64| {
        let from = at(from).micros();
        (0..days * 24 * 60).prop_map(move |minutes| Timestamp::from_micros(from + minutes * MINUTE))
    };
    prop_oneof![minutes("2026-01-25 00:00", 40), minutes("2026-08-10 00:00", 40)]
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1..60u32).prop_map(|amount| Duration { amount, unit: Hour }),
        (1..30u32).prop_map(|amount| Duration { amount, unit: WorkingDay }),
        (1..45u32).prop_map(|amount| Duration { amount, unit: Day }),
        (1..15u32).prop_map(|amount| Duration { amount, unit: Month }),
    ]
}

fn pauses() -> impl Strategy<Value = Vec<Pause>> {
    let one = (instants(), 0..8 * 24 * 60i64)
        .prop_map(|(from, minutes)| Pause { from, to: Timestamp::from_micros(from.micros() + minutes * MINUTE) });
    prop::collection::vec(one, 0..4)
}

fn is_office_time(day: Date, clock: Time) -> bool {
    let in_session = |session: &Session| session.from <= clock && clock < session.to;
    CALENDAR.is_working_day(day) && WorkingCalendar::office_hours().iter().any(in_session)
}

/// The same answer found in the most pedestrian way: minute by minute.
fn due_minute_by_minute(received: Timestamp, hours: u32, pauses: &[Pause]) -> Timestamp {
    let (mut now, mut left) = (received.micros(), hours * 60);
    while left > 0 {
        let wall = Timestamp::from_micros(now).in_vietnam();
        let paused = pauses.iter().any(|pause| (pause.from.micros()..pause.to.micros()).contains(&now));
        if is_office_time(wall.date(), wall.time()) && !paused {
            left -= 1;
        }
        now += MINUTE;
    }
    Timestamp::from_micros(now)
}

proptest! {
    #[test]
    fn due_is_after_the_receipt_in_office_time_and_never_on_a_day_off(
        received in instants(), duration in durations(), pauses in pauses(),
    ) {
        let due = CALENDAR.due_at(received, duration, &pauses).unwrap();
        prop_assert!(due > received);
        let just_before = Timestamp::from_micros(due.micros() - 1).in_vietnam();
        prop_assert!(CALENDAR.is_working_day(due.date_in_vietnam()));
        prop_assert!(is_office_time(just_before.date(), just_before.time()));
    }

    #[test]
    fn an_earlier_receipt_is_never_due_later(
        one in instants(), other in instants(), duration in durations(), pauses in pauses(),
    ) {
        let (earlier, later) = (one.min(other), one.max(other));
        // Two receipts can end on the same last day of a month: a pause between them can only lengthen the earlier one.
        let between = |pause: &Pause| duration.unit == Month && pause.from < later;
        let pauses: Vec<_> = pauses.into_iter().filter(|pause| !between(pause)).collect();
        let due = |received| CALENDAR.due_at(received, duration, &pauses).unwrap();
        prop_assert!(due(earlier) <= due(later));
    }

    #[test]
    fn a_longer_time_limit_is_never_due_earlier(
        received in instants(), duration in durations(), more in 1..5u32, pauses in pauses(),
    ) {
        let longer = Duration { amount: duration.amount + more, ..duration };
        let due = |duration| CALENDAR.due_at(received, duration, &pauses).unwrap();
        prop_assert!(due(duration) <= due(longer));
    }

    #[test]
    fn a_pause_never_brings_the_due_time_forward(
        received in instants(), duration in durations(), pauses in pauses(),
    ) {
        for count in 0..pauses.len() {
            let due = |count| CALENDAR.due_at(received, duration, &pauses[..count]).unwrap();
            prop_assert!(due(count) <= due(count + 1));
        }
    }

    #[test]
    fn a_pause_split_in_two_or_given_in_another_order_changes_nothing(
        received in instants(), duration in durations(), mut pauses in pauses(), share in 0..=100i64,
    ) {
        let due = CALENDAR.due_at(received, duration, &pauses).unwrap();
        if let Some(whole) = pauses.pop() {
            let middle = whole.from.micros() + (whole.to.micros() - whole.from.micros()) / 100 * share;
            let middle = Timestamp::from_micros(middle);
            pauses.insert(0, Pause { from: middle, to: whole.to });
            pauses.push(Pause { from: whole.from, to: middle });
        }
        prop_assert_eq!(CALENDAR.due_at(received, duration, &pauses), Ok(due));
    }

    #[test]
    fn a_pause_before_the_receipt_or_after_the_due_time_changes_nothing(
        received in instants(), duration in durations(), minutes in 0..100_000i64,
    ) {
        let due = CALENDAR.due_at(received, duration, &[]).unwrap();
        let before = Pause { from: Timestamp::from_micros(received.micros() - minutes * MINUTE), to: received };
        let after = Pause { from: due, to: Timestamp::from_micros(due.micros() + minutes * MINUTE) };
        prop_assert_eq!(CALENDAR.due_at(received, duration, &[after, before]), Ok(due));
    }

    #[test]
    fn office_time_agrees_with_counting_minute_by_minute(
        received in instants(), days in 1..5u32, hours in 1..9u32, pauses in pauses(),
    ) {
        let due = |amount, unit| CALENDAR.due_at(received, Duration { amount, unit }, &pauses);
        prop_assert_eq!(due(hours, Hour), Ok(due_minute_by_minute(received, hours, &pauses)));
        prop_assert_eq!(due(days, WorkingDay), Ok(due_minute_by_minute(received, days * 8, &pauses)));
    }
}
