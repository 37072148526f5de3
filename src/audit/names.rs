//! Names under which a log is signed. After a restore from a backup a log goes on under another name: no name ever has two
//! heads that contradict each other.

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

#[cfg(test)]
mod tests {
    use super::*;

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
