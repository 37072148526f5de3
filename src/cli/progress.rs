//! How far something long is: one line that is written again and again on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

const OFTEN: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(10);
/// Back to the beginning of the line, which is emptied.
const AGAIN: &str = "\r\x1b[2K";

/// The line.
pub(super) struct Line {
    is_terminal: bool,
    /// What is counted.
    unit: &'static str,
    phase: Option<Begun>,
}

/// A phase that goes on.
struct Begun {
    verb: String,
    at: Instant,
    shown: Instant,
    /// What was done when it began, and what is now.
    before: u64,
    now: u64,
}

impl Line {
    pub(super) fn new(unit: &'static str) -> Self {
        Self { is_terminal: stdout().is_terminal(), unit, phase: None }
    }

    /// So many were done in all; `text` follows the verb, and is told how many are done in a second.
    pub(super) fn show(&mut self, verb: &str, done: u64, text: impl FnOnce(f64) -> String) {
        if self.phase.as_ref().is_none_or(|begun| begun.verb != verb) {
            self.end();
            let now = Instant::now();
            self.phase = Some(Begun { verb: verb.to_owned(), at: now, shown: now, before: done, now: done });
        }
        let Some(begun) = &mut self.phase else { return };
        begun.now = done;
        let pause = if self.is_terminal { OFTEN } else { SELDOM };
        if begun.shown.elapsed() >= pause {
            begun.shown = Instant::now();
            let (before, after) = if self.is_terminal { (AGAIN, "") } else { ("", "\n") };
            print!("{before}{verb} {}{after}", text(begun.rate()));
            let _ = stdout().flush();
        }
    }

    /// Says how long the phase took, in the place of the line.
    pub(super) fn end(&mut self) {
        let Some(begun) = self.phase.take() else { return };
        let (done, seconds) = (grouped(begun.now - begun.before), begun.at.elapsed().as_secs_f64());
        let rate = grouped(begun.rate() as u64);
        let before = if self.is_terminal { AGAIN } else { "" };
        println!("{before}{}: {done} {}, {seconds:.1} s, {rate}/s", begun.verb, self.unit);
    }
}

/// What is said next, an error perhaps, begins on a line of its own.
impl Drop for Line {
    fn drop(&mut self) {
        self.end();
    }
}

impl Begun {
    fn rate(&self) -> f64 {
        (self.now - self.before) as f64 / self.at.elapsed().as_secs_f64().max(0.001)
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
