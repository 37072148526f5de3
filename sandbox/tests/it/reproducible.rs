//! The same seed and the same calls meet the same faults, in whatever order and however many at a time.

use std::collections::BTreeMap;

use lienthong_sandbox::{FaultKind, FaultPlan, LedgerEntry, Operation, OperationFaults, Settings};
use proptest::prelude::*;
use serde_json::json;

use crate::caller::{INTEGRATION, dossier, open};

const CALLS_PER_DOSSIER: usize = 4;

fn plan(seed: u64) -> FaultPlan {
    let faults = OperationFaults {
        server_error_before: 0.2,
        server_error_after: 0.2,
        reset_after: 0.2,
        phrase_missing: 0.2,
        ..OperationFaults::default()
    };
    FaultPlan { seed, ..FaultPlan::none() }.with(Operation::Insert, faults)
}

/// Dossier code to what its ledger entry says about the fault.
async fn run(seed: u64, at_a_time: usize, backwards: bool) -> (BTreeMap<String, Option<FaultKind>>, String) {
    let (sandbox, caller) = open(Settings { faults: plan(seed), ..Settings::default() }).await;
    let mut codes: Vec<String> = (0..60).map(|number| format!("H15-261121-{number:04}")).collect();
    if backwards {
        codes.reverse();
    }
    for some in codes.chunks(at_a_time) {
        futures::future::join_all(some.iter().map(async |code| {
            for _ in 0..CALLS_PER_DOSSIER {
                let _ = caller.send(INTEGRATION, &caller.upsert("False", json!([dossier(code)]))).await;
            }
        }))
        .await;
    }
    let told = |entry: LedgerEntry| (entry.code, entry.fault);
    let counters = serde_json::to_string(&sandbox.counters().operations["insert"]).unwrap();
    (sandbox.ledger().into_iter().map(told).collect(), counters)
}

#[tokio::test]
async fn a_run_can_be_repeated_whatever_the_order_and_the_concurrency() {
    let one = run(7, 1, false).await;
    assert_eq!(run(7, 20, true).await, one);
    assert_ne!(run(8, 1, false).await, one);
    assert!(one.0.values().any(Option::is_some) && one.0.values().any(Option::is_none));
}

#[test]
fn a_realistic_plan_strikes_about_as_often_as_asked_with_every_kind_that_applies() {
    let plan = FaultPlan::realistic(1, 0.3);
    plan.check().unwrap();
    for operation in Operation::ALL {
        let mut seen: BTreeMap<FaultKind, u32> = BTreeMap::new();
        for number in 0..20_000 {
            if let Some(kind) = plan.decide(operation, &format!("H15-261121-{number:05}"), 1) {
                *seen.entry(kind).or_default() += 1;
            }
        }
        let struck: u32 = seen.values().sum();
        assert!((5_600..6_400).contains(&struck), "{operation:?}: {struck}");
        let applicable = FaultKind::ALL.iter().filter(|kind| kind.applies_to(operation)).count();
        assert_eq!(seen.len(), applicable);
    }
    FaultPlan::realistic(1, 1.0).check().unwrap();
}

#[test]
fn names_in_json_are_the_names_in_the_counters() {
    for kind in FaultKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        let faults: OperationFaults = serde_json::from_value(json!({ kind.name(): 0.5 })).unwrap();
        assert_eq!(faults.rate(*kind), 0.5);
    }
    for operation in Operation::ALL {
        assert_eq!(serde_json::to_value(operation).unwrap(), operation.name());
    }
}

proptest! {
    #[test]
    fn a_decision_is_a_pure_function_of_its_four_inputs(seed: u64, key in ".{0,40}", nth in 1_u32..50) {
        let plan = FaultPlan::realistic(seed, 0.9);
        let first = plan.decide(Operation::Update, &key, nth);
        prop_assert_eq!(plan.clone().decide(Operation::Update, &key, nth), first);
        let read_back: FaultPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        prop_assert_eq!(read_back.decide(Operation::Update, &key, nth), first);
    }
}
