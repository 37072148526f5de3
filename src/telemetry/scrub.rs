//! The last line of defence of the logs: a standalone run of 9 or 12 digits is masked, whoever wrote it.

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
        if stands_alone && matches!(length, 9 | 12) {
            clean[start..end].fill(b'*');
        }
        start = end;
    }
    clean
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
}
