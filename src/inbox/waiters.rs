//! Those who wait for a message: only so many at a time, and no client takes all of their places. Whoever finds none is told at
//! once that there is nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Places for those who wait.
#[derive(Debug, Clone)]
pub struct Waiters {
    most: usize,
    /// How many there are, by client.
    waiting: Arc<Mutex<HashMap<String, usize>>>,
}

/// Held while somebody waits.
pub(super) struct Waiting {
    waiters: Waiters,
    client: String,
}

/// One client may have this part of the places.
const PART: usize = 4;

impl Waiters {
    pub fn new(most: usize) -> Self {
        Self { most, waiting: Arc::default() }
    }

    pub(super) fn enter(&self, client: &str) -> Option<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own): (usize, usize) = (waiting.values().sum(), waiting.get(client).copied().unwrap_or_default());
        if all >= self.most || own >= self.most.div_ceil(PART) {
            return None;
        }
        *waiting.entry(client.to_owned()).or_default() += 1;
        Some(Waiting { waiters: self.clone(), client: client.to_owned() })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.waiters.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = waiting.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_leaves_room_for_others_and_places_are_given_back() {
        let waiters = Waiters::new(8);
        let ours: Vec<_> = std::iter::from_fn(|| waiters.enter("one")).collect();
        assert_eq!(ours.len(), 2);
        let others: Vec<_> = (0..20).filter_map(|n| waiters.enter(&format!("other-{n}"))).collect();
        assert_eq!(others.len(), 6, "all places are taken");
        drop(ours);
        assert!(waiters.enter("one").is_some());
        drop(others);
        assert!(waiters.waiting.lock().unwrap().is_empty());
    }
}
