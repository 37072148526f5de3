//! Names under which a log is signed. After a restore from a backup a log goes on under another name: no name ever has two
//! heads that contradict each other.

use lienthong_domain::time::Timestamp;

/// A log as it began.
pub const FIRST: u32 = 1;

/// The name of a shard's log (its origin, the name of its key): the shard itself, then `<shard>.2`, `<shard>.3`, …
pub fn name(shard: &str, number: u32) -> String {
    if number <= FIRST { shard.to_owned() } else { format!("{shard}.{number}") }
}

/// The shard and the number of a name.
pub fn parse(name: &str) -> (&str, u32) {
    let numbered = name.rsplit_once('.').and_then(|(shard, number)| {
        let is_plain = !number.starts_with('0') && number.bytes().all(|digit| digit.is_ascii_digit());
        let number: u32 = number.parse().ok().filter(|number| is_plain && *number > FIRST)?;
        // A deployment's name has dots, too.
        shard.rsplit('/').next().is_some_and(is_half_year).then_some((shard, number))
    });
    numbered.unwrap_or((name, FIRST))
}

/// Whether this is one of the names of the shard's log.
pub fn is_of(name: &str, shard: &str) -> bool {
    parse(name).0 == shard
}

/// Such as `2026h2`.
pub fn is_half_year(text: &str) -> bool {
    match text.as_bytes() {
        [year @ .., b'h', b'1' | b'2'] => year.len() == 4 && year.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// When a log of this name begins: at the first midnight of its half-year, in Viet Nam.
pub fn begins(name: &str) -> Option<Timestamp> {
    midnight(first_day(name)?)
}

/// When it ends: where the next half-year begins.
pub fn ends(name: &str) -> Option<Timestamp> {
    midnight(first_day(name)?.checked_add(jiff::Span::new().months(6)).ok()?)
}

fn first_day(name: &str) -> Option<jiff::civil::Date> {
    let half_year = parse(name).0.rsplit('/').next().filter(|half_year| is_half_year(half_year))?;
    let (year, half) = half_year.split_once('h')?;
    jiff::civil::Date::new(year.parse().ok()?, if half == "1" { 1 } else { 7 }, 1).ok()
}

fn midnight(date: jiff::civil::Date) -> Option<Timestamp> {
    Timestamp::from_vietnam(date.at(0, 0, 0, 0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_begins_with_its_half_year_in_viet_nam() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let begins = |name| begins(name).map(|at| at.micros());
        assert_eq!(begins("gateway.h15.example/audit/2026h2.3"), Some(at("2026-06-30T17:00:00Z")));
        assert_eq!(begins("gateway.h15.example/audit/2027h1"), Some(at("2026-12-31T17:00:00Z")));
        assert_eq!(begins("gateway.h15.example/audit"), None);
        assert_eq!(ends("gateway.h15.example/audit/2026h2").map(|at| at.micros()), Some(at("2026-12-31T17:00:00Z")));
    }

    #[test]
    fn a_name_is_read_as_it_was_written_and_nothing_else_is_a_number() {
        let shard = "gateway.h15.example/audit/2026h2";
        for number in [1, 2, 3, 17] {
            assert_eq!(parse(&name(shard, number)), (shard, number));
        }
        for other in ["a.b/audit/2026h2.02", "a.b/audit/2026h2.1", "a.b/audit/2026h2.x", "a.b/audit/2026h2.2.3", "a.2"]
        {
            assert_eq!(parse(other), (other, 1), "{other}");
        }
    }
}
