//! How far something long is: one line that is written again and again on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use crate::storage::copy::{Phase, Progress};

const OFTEN: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(10);
/// Back to the beginning of the line, which is emptied.
const AGAIN: &str = "\r\x1b[2K";

/// The line.
pub(super) struct Line {
    is_terminal: bool,
    phase: Option<Begun>,
}

/// A phase that goes on.
struct Begun {
    phase: Phase,
    at: Instant,
    shown: Instant,
    /// Rows that were done when it began, and that are now.
    before: u64,
    now: u64,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { is_terminal: stdout().is_terminal(), phase: None }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        if self.phase.as_ref().is_none_or(|begun| begun.phase != progress.phase) {
            self.end();
            let (Progress { phase, all, .. }, now) = (*progress, Instant::now());
            self.phase = Some(Begun { phase, at: now, shown: now, before: all, now: all });
        }
        let Some(begun) = &mut self.phase else { return };
        begun.now = progress.all;
        let pause = if self.is_terminal { OFTEN } else { SELDOM };
        if begun.shown.elapsed() >= pause {
            begun.shown = Instant::now();
            let (before, after) = if self.is_terminal { (AGAIN, "") } else { ("", "\n") };
            print!("{before}{}{after}", begun.text(progress));
            let _ = stdout().flush();
        }
    }

    /// Says how long the phase took, in the place of the line.
    pub(super) fn end(&mut self) {
        let Some(begun) = self.phase.take() else { return };
        let (rows, seconds) = (begun.now - begun.before, begun.at.elapsed().as_secs_f64());
        let (verb, rows, rate) = (begun.verb(), grouped(rows), grouped(begun.rate() as u64));
        let before = if self.is_terminal { AGAIN } else { "" };
        println!("{before}{verb}: {rows} dòng / rows, {seconds:.1} s, {rate}/s");
    }
}

/// What is said next, an error perhaps, begins on a line of its own.
impl Drop for Line {
    fn drop(&mut self) {
        self.end();
    }
}

impl Begun {
    fn verb(&self) -> &'static str {
        match self.phase {
            Phase::Copy => "chép / copying",
            Phase::Verify => "so / comparing",
        }
    }

    fn rate(&self) -> f64 {
        (self.now - self.before) as f64 / self.at.elapsed().as_secs_f64().max(0.001)
    }

    fn text(&self, progress: &Progress) -> String {
        let (rows, of, rate) = (grouped(progress.rows), grouped(progress.of), grouped(self.rate() as u64));
        let left = (progress.all_of.saturating_sub(progress.all) as f64 / self.rate().max(1.0)) as u64;
        let (minutes, seconds) = (left / 60, left % 60);
        format!("{} {:12} {rows} / {of}  {rate}/s  còn / left {minutes}:{seconds:02}", self.verb(), progress.table)
    }
}

/// `1,234,567`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
