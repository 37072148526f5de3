//! The outbox's limit: beyond it new requests are refused with 503; deliveries go on and make room.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether as much waits as may wait. Counted every second, so that it may be passed by what one second brings.
pub struct Backlog {
    most_open: u64,
    is_full: AtomicBool,
}

impl Backlog {
    pub fn new(most_open: u64) -> Self {
        Self { most_open, is_full: AtomicBool::new(false) }
    }

    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Takes a count of open items.
    pub fn counted(&self, open: u64) {
        let is_full = open >= self.most_open;
        if self.is_full.swap(is_full, Ordering::Relaxed) != is_full {
            tracing::warn!(is_full, open, "outbox limit");
        }
    }
}
