//! The decision which fault, if any, hits a call: a pure function of seed, operation, key and how often that key was called.
//! It must never look at time, order of arrival or other keys, or a run could not be repeated under concurrency.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use super::kind::{FaultKind, OperationFaults};
use super::plan::FaultPlan;
use crate::digest;
use crate::locks::hold;
use crate::operation::Operation;

/// What happens to one call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Draw {
    pub(crate) kind: Option<FaultKind>,
    /// Picks between the forms that some kinds have.
    pub(crate) is_second_form: bool,
    pub(crate) delay: Duration,
    pub(crate) drip: Duration,
}

/// The plan with its operations in an array, so that a call costs no search.
#[derive(Debug)]
pub(crate) struct CompiledPlan {
    pub(crate) written: FaultPlan,
    operations: [OperationFaults; Operation::ALL.len()],
}

impl CompiledPlan {
    pub(crate) fn new(written: FaultPlan) -> Self {
        let operations =
            Operation::ALL.map(|operation| written.operations.get(operation.name()).cloned().unwrap_or_default());
        Self { written, operations }
    }

    pub(crate) fn draw(&self, operation: Operation, key: &str, nth_call: u32) -> Draw {
        let faults = &self.operations[operation as usize];
        let hash = call_hash(self.written.seed, operation, key, nth_call);
        let extra = digest::mix(hash);
        let (least, most) = faults.delay_ms;
        Draw {
            kind: pick(faults, hash),
            is_second_form: extra & 1 == 1,
            delay: Duration::from_millis(least + (extra >> 1) % (most.saturating_sub(least) + 1)),
            drip: Duration::from_millis(faults.drip_ms),
        }
    }
}

impl FaultPlan {
    /// The fault that will hit the `nth_call` (from 1) of `operation` for `key`: dossier code, user name, procedure or number.
    pub fn decide(&self, operation: Operation, key: &str, nth_call: u32) -> Option<FaultKind> {
        let faults = self.operations.get(operation.name())?;
        pick(faults, call_hash(self.seed, operation, key, nth_call))
    }
}

fn call_hash(seed: u64, operation: Operation, key: &str, nth_call: u32) -> u64 {
    digest::hash64(&[&seed.to_le_bytes(), operation.name().as_bytes(), key.as_bytes(), &nth_call.to_le_bytes()])
}

fn pick(faults: &OperationFaults, hash: u64) -> Option<FaultKind> {
    // The top 53 bits are a number in [0, 1) without rounding.
    let point = (hash >> 11) as f64 / (1_u64 << 53) as f64;
    let mut edge = 0.0;
    FaultKind::ALL.iter().copied().find(|kind| {
        edge += faults.rate(*kind);
        point < edge
    })
}

const SHARDS: usize = 64;
/// Most keys remembered per shard. A full shard forgets: bounded memory is worth more than the numbering of 16 million keys.
const KEYS_PER_SHARD: usize = 250_000;

/// How many times each operation was called for each key; keys are kept as hashes.
#[derive(Debug)]
pub(crate) struct CallCounts {
    shards: Vec<Mutex<HashMap<u64, u32>>>,
}

impl CallCounts {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Counts this call and tells its number, from 1.
    pub(crate) fn next(&self, operation: Operation, key: &str) -> u32 {
        let hash = digest::hash64(&[operation.name().as_bytes(), key.as_bytes()]);
        let mut shard = hold(&self.shards[hash as usize % SHARDS]);
        if shard.len() >= KEYS_PER_SHARD && !shard.contains_key(&hash) {
            shard.clear();
        }
        let count = shard.entry(hash).or_insert(0);
        *count = count.saturating_add(1);
        *count
    }

    pub(crate) fn clear(&self) {
        self.shards.iter().for_each(|shard| hold(shard).clear());
    }
}
