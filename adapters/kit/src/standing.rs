//! Whether this process may still act: one that was paused must not send what others have meanwhile taken over.

use std::sync::Arc;

/// The process's own knowledge of whether it may act, without asking anyone.
pub trait Standing: Send + Sync {
    /// The number under which it may act at present. A process that was given up gets another one: what it began under
    /// the old number is no longer its own.
    fn epoch(&self) -> Option<u64>;

    fn may_act(&self) -> bool {
        self.epoch().is_some()
    }
}

/// The standing of a process that nobody can replace.
pub struct Always;

impl Standing for Always {
    fn epoch(&self) -> Option<u64> {
        Some(0)
    }
}

/// The standing of a process that nobody can replace.
pub fn always() -> Arc<dyn Standing> {
    Arc::new(Always)
}
