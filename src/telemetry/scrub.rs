//! The last line of defence of the logs: a standalone run of 9 or 12 digits is masked, whoever wrote it. The end of one of our
//! own ids is none: one id in 280 ends in twelve digits, and must still be found in the log.

use std::io::{self, Write};

/// A writer that masks what could be a person's number. Each `write` is one whole log line, as the subscriber gives it.
pub struct Scrubbed<W>(W);

impl<W: Write> Scrubbed<W> {
    pub fn new(writer: W) -> Self {
        Self(writer)
    }
}

impl<W: Write> Write for Scrubbed<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(&scrub(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn scrub(line: &[u8]) -> Vec<u8> {
    let mut clean = line.to_vec();
    let mut start = 0;
    while start < clean.len() {
        let length = clean[start..].iter().take_while(|c| c.is_ascii_digit()).count();
        if length == 0 {
            start += 1;
            continue;
        }
        let end = start + length;
        let is_part_of_word = |at: Option<&u8>| at.is_some_and(|c| c.is_ascii_alphanumeric());
        let before = start.checked_sub(1).and_then(|at| clean.get(at));
        // In JSON a line break before the number is written as a backslash and a letter.
        let is_escape = matches!(before, Some(b'n' | b'r' | b't')) && start >= 2 && clean[start - 2] == b'\\';
        let stands_alone = (is_escape || !is_part_of_word(before)) && !is_part_of_word(clean.get(end));
        if stands_alone && matches!(length, 9 | 12) && !ends_an_id(&clean[..start]) {
            clean[start..end].fill(b'*');
        }
        start = end;
    }
    clean
}

/// Whether this ends in all of a UUID of version 7 but its last group.
fn ends_an_id(before: &[u8]) -> bool {
    const SHAPE: &[u8; 24] = b"xxxxxxxx-xxxx-7xxx-xxxx-";
    let Some((rest, id)) = before.split_last_chunk::<24>() else { return false };
    let fits = |(c, shape): (&u8, &u8)| if *shape == b'x' { c.is_ascii_hexdigit() } else { c == shape };
    id.iter().zip(SHAPE).all(fits) && !rest.last().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::scrub;

    #[test]
    fn standalone_runs_of_9_and_12_digits_are_masked_and_nothing_else() {
        let line = b"n=001099012345 o=012345678, id=019aa0c0-0000-7000-8000-012345678901x t=1.123456789s k=1234567890 \\n001099012345";
        let clean = String::from_utf8(scrub(line)).unwrap();
        assert_eq!(
            clean,
            "n=************ o=*********, id=019aa0c0-0000-7000-8000-012345678901x t=1.123456789s k=1234567890 \\n************"
        );
    }

    #[test]
    fn the_end_of_one_of_our_ids_stays_and_what_only_looks_like_it_does_not() {
        let clean = |line: &str| String::from_utf8(scrub(line.as_bytes())).unwrap();
        for stays in [
            "\"request_id\":\"01a206c0-ee83-73ae-a00a-001099012345\"",
            "01a206c0-ee83-73ae-a00a-001099012345",
            "/v1/operations/01a206c0-ee83-73ae-a00a-001099012345",
        ] {
            assert_eq!(clean(stays), stays);
        }
        for masked in [
            "01a206c0-ee83-43ae-a00a-",
            "x01a206c0-ee83-73ae-a00a-",
            "1a206c0-ee83-73ae-a00a-",
            "g1a206c0-ee83-73ae-a00a-",
            "-",
        ] {
            assert_eq!(clean(&format!("{masked}001099012345")), format!("{masked}************"));
        }
    }
}
