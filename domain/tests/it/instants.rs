//! Instants as they are written (RFC 3339) and as the clock on a wall in Việt Nam shows them.

use lienthong_domain::scalar::Scalar;
use lienthong_domain::time::Timestamp;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|refusal| panic!("{text}: {}", refusal.message.en))
}

#[test]
fn one_instant_may_be_written_with_any_offset() {
    for text in [
        "2026-11-21T01:30:00Z",
        "2026-11-21T08:30:00+07:00",
        "2026-11-20T20:30:00-05:00",
        "2026-11-21T07:15:00+05:45",
        "2026-11-21t01:30:00z",
        "2026-11-21T01:30:00.000Z",
        "2026-11-21T01:30:00.000000000+00:00",
    ] {
        assert_eq!(at(text).to_text(), "2026-11-21T01:30:00Z", "{text}");
    }
}

#[test]
fn fractions_are_kept_to_the_microsecond() {
    for (text, micros) in [
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.123456Z", 123_456),
        ("1969-12-31T23:59:59.999999Z", -1),
    ] {
        assert_eq!((at(text).micros(), at(text).to_text().as_str()), (micros, text));
    }
    assert_eq!(at("1970-01-01T00:00:00.123456789Z").micros(), 123_456, "what is finer is cut");
}

#[test]
fn what_is_no_rfc_3339_time_is_refused() {
    for text in [
        "",
        "2026-11-21",
        "2026-11-21T08:30:00",
        "2026-11-21T08:30Z",
        "2026-11-21 08:30:00Z",
        "21/11/2026 08:30:00",
        "20261121T083000Z",
        "2026-11-21T08:30:00+0700",
        "2026-11-21T08:30:00+07",
        "2026-11-21T08:30:00[Asia/Ho_Chi_Minh]",
        "2026-11-21T08:30:00+07:00[Asia/Ho_Chi_Minh]",
        "2026-11-21T08:30:00.Z",
        "2026-11-21T08:30:00.1234567890Z",
        "2026-11-21T08:30:00,5Z",
        " 2026-11-21T08:30:00Z",
        "2026-11-21T08:30:00Z\n",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-10T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T08:60:00Z",
        "2026-11-21T08:30:61Z",
        "2026-11-21T08:30:00+07:60",
        "2026-11-21T08:30:00+24:00",
        "2026-11-21T08:30:60Z",
        "٢٠٢٦-11-21T08:30:00Z",
        "+002026-11-21T08:30:00Z",
        "-2026-11-21T08:30:00Z",
        "1732152600",
    ] {
        assert_eq!(Timestamp::parse(text).map_err(|refusal| refusal.code), Err("timestamp"), "{text}");
    }
}

#[test]
fn the_clock_has_twenty_four_hours() {
    assert_eq!(at("2026-11-21T12:30:00+07:00").to_text(), "2026-11-21T05:30:00Z");
    assert_eq!(at("2026-11-21T00:30:00+07:00").to_text(), "2026-11-20T17:30:00Z");
    assert_eq!(at("2028-02-29T23:59:59+07:00").to_text(), "2028-02-29T16:59:59Z");
}

#[test]
fn a_leap_second_is_the_last_second_of_its_minute() {
    assert_eq!(at("2016-12-31T23:59:60Z"), at("2016-12-31T23:59:59Z"));
    assert_eq!(at("2017-01-01T06:59:60+07:00"), at("2016-12-31T23:59:59Z"));
}

#[test]
fn times_lie_between_1900_and_2999() {
    for (text, written) in [
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00Z"),
        ("2999-12-31T23:59:59.999999Z", "2999-12-31T23:59:59.999999Z"),
        ("1900-01-01T07:00:00+07:00", "1900-01-01T00:00:00Z"),
    ] {
        assert_eq!(at(text).to_text(), written);
    }
    for text in [
        "1899-12-31T23:59:59Z",
        "1900-01-01T06:59:59+07:00",
        "3000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        assert_eq!(Timestamp::parse(text).map_err(|refusal| refusal.code), Err("timestamp"), "{text}");
    }
    for far in [i64::MIN, i64::MAX] {
        let bound = Timestamp::from_micros(far);
        assert_eq!(at(&bound.to_text()), bound, "an instant is never one that cannot be written");
        assert_eq!(bound.plus_millis(far), bound);
    }
}

#[test]
fn the_wall_clock_of_viet_nam_around_midnight_and_noon() {
    for (utc, vietnam) in [
        ("2026-11-20T17:00:00Z", "2026-11-21T00:00:00"),
        ("2026-11-20T17:05:00Z", "2026-11-21T00:05:00"),
        ("2026-11-20T16:59:59Z", "2026-11-20T23:59:59"),
        ("2026-11-21T05:00:00Z", "2026-11-21T12:00:00"),
        ("2026-11-21T05:59:59Z", "2026-11-21T12:59:59"),
        ("2026-12-31T17:00:00Z", "2027-01-01T00:00:00"),
    ] {
        let civil = at(utc).in_vietnam();
        assert_eq!(civil.to_string(), vietnam, "{utc}");
        assert_eq!(at(utc).date_in_vietnam(), civil.date());
        assert_eq!(Timestamp::from_vietnam(civil).ok(), Some(at(utc)), "there and back");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![
        any::<String>(),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,10})?([Zz]|[+-][0-9]{2}:?[0-9]{2})?",
    ]) {
        if let Ok(instant) = Timestamp::parse(&text) {
            prop_assert_eq!(at(&instant.to_text()), instant);
        }
    }

    #[test]
    fn an_instant_is_written_and_read_back(micros in any::<i64>()) {
        let instant = Timestamp::from_micros(micros);
        prop_assert_eq!(at(&instant.to_text()), instant);
        prop_assert_eq!(Timestamp::from_vietnam(instant.in_vietnam()).ok().is_none_or(|back| back == instant), true);
    }

    #[test]
    fn earlier_is_earlier_on_every_clock(one in -2_000_000_000_000_000_i64..32_000_000_000_000_000, millis in 0..1_000_000_000_i64) {
        let (one, other) = (Timestamp::from_micros(one), Timestamp::from_micros(one).plus_millis(millis));
        prop_assert!(one <= other && one.in_vietnam() <= other.in_vietnam());
        prop_assert_eq!((other.millis_since(one), one.millis_since(other)), (millis, -millis));
    }
}
