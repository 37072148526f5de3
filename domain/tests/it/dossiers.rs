//! What may follow what, and what a local status may be told as.

use lienthong_domain::dossier::{DossierState, Edge, LocalStatus, StatusMap, StatusMapEntry, TABLE, edge};
use lienthong_domain::invalid::InvalidFields;
use lienthong_domain::scalar::Scalar;
use proptest::prelude::*;
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

use DossierState::{
    FinancialDutyRequested, Finished, NotAccepted, Processing, Received, Registered, ResultReturned, Stopped,
    SupplementRequested, WithdrawnByCitizen,
};

#[test]
fn the_table_has_one_row_a_state_in_the_order_of_the_states() {
    let rows: Vec<DossierState> = TABLE.iter().map(|(state, _)| *state).collect();
    assert_eq!(rows, DossierState::ALL);
    for (state, next) in TABLE {
        assert!(!next.contains(state), "{state}: a move to itself is always allowed and need not be listed");
        let mut once = next.to_vec();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), next.len(), "{state}: a move is listed twice");
    }
}

#[test]
fn a_first_sync_and_a_repeated_state_are_always_ordinary() {
    for state in DossierState::ALL {
        assert_eq!(edge(None, *state), Edge::Allowed, "a dossier may be sent for the first time as {state}");
        assert_eq!(edge(Some(*state), *state), Edge::Allowed, "{state} again");
    }
}

#[test]
fn ordinary_moves_are_allowed_and_impossible_looking_ones_need_a_reason() {
    for (from, to) in [
        (Registered, Received),
        (Received, Processing),
        (Processing, SupplementRequested),
        (SupplementRequested, Processing),
        (Processing, FinancialDutyRequested),
        (FinancialDutyRequested, Finished),
        (Processing, Finished),
        (Finished, ResultReturned),
        (Stopped, Processing),
        (Received, ResultReturned),
    ] {
        assert_eq!(edge(Some(from), to), Edge::Allowed, "{from} → {to}");
    }
    for (from, to) in [
        (ResultReturned, Registered),
        (NotAccepted, Finished),
        (WithdrawnByCitizen, Processing),
        (Finished, Received),
        (Processing, Registered),
        (SupplementRequested, Finished),
        (Stopped, Finished),
    ] {
        assert_eq!(edge(Some(from), to), Edge::NeedsReason, "{from} → {to}");
    }
    for from in DossierState::ALL {
        for to in DossierState::ALL {
            assert_ne!(edge(Some(*from), *to), Edge::Refused, "the portal's own rule is not known: {from} → {to}");
        }
    }
}

#[test]
fn states_have_one_name_each_and_nothing_else_is_a_state() {
    for state in DossierState::ALL {
        assert_eq!(DossierState::parse(state.as_str()).ok(), Some(*state));
        assert!(!state.vietnamese().is_empty());
    }
    for text in ["", "Received", "received ", "2", "Được tiếp nhận"] {
        let refusal = DossierState::parse(text).expect_err("no state");
        assert_eq!(refusal.code, "unknown_value");
        assert!(refusal.message.vi.contains("result_returned"), "the known ones are listed: {}", refusal.message.vi);
    }
    let not_received: Vec<DossierState> =
        DossierState::ALL.iter().copied().filter(|state| !state.implies_receipt()).collect();
    assert_eq!(not_received, [Registered, NotAccepted, WithdrawnByCitizen]);
}

fn entry(status: &str, sub_status: Option<&str>, means: DossierState) -> StatusMapEntry {
    StatusMapEntry {
        status: status.into(),
        sub_status: sub_status.map(Into::into),
        means,
        sent_as: None,
        override_reason: None,
    }
}

fn local(status: &str, sub_status: Option<&str>) -> LocalStatus {
    let mut written = json!({ "status": status });
    if let Some(sub_status) = sub_status {
        written["subStatus"] = json!(sub_status);
    }
    deserr::deserialize::<_, _, InvalidFields>(written).expect("a local status")
}

#[test]
fn no_state_is_told_as_another_without_a_reason() {
    for means in DossierState::ALL {
        for sent_as in DossierState::ALL.iter().filter(|state| *state != means) {
            let with_reason = |reason: Option<&str>| StatusMapEntry {
                sent_as: Some(*sent_as),
                override_reason: reason.map(Into::into),
                ..entry("5", None, *means)
            };
            for reason in [None, Some(""), Some(" \t")] {
                let mistakes =
                    StatusMap::new([entry("1", None, Received), with_reason(reason)]).expect_err("no reason");
                assert_eq!(
                    mistakes.iter().map(|mistake| mistake.entry).collect::<Vec<_>>(),
                    [1],
                    "{means} → {sent_as}"
                );
                assert!(mistakes[0].message.vi.contains(means.vietnamese()), "{:?}", mistakes[0]);
                assert!(mistakes[0].message.en.contains(sent_as.as_str()), "{:?}", mistakes[0]);
            }
            let table = StatusMap::new([with_reason(Some("Công văn 12/UBND"))]).expect("a reason was given");
            let mapped = table.find(&local("5", None)).expect("it is there");
            assert_eq!((mapped.state, mapped.is_override), (*sent_as, true), "each use is known as an override");
        }
        let same = StatusMapEntry { sent_as: Some(*means), ..entry("5", None, *means) };
        let table = StatusMap::new([same]).expect("told as what it is");
        assert!(!table.find(&local("5", None)).expect("it is there").is_override);
    }
}

#[test]
fn the_pair_is_looked_up_before_the_status_alone() {
    let table =
        [entry("02", None, Processing), entry("02", Some("chờ"), SupplementRequested), entry("03", Some("x"), Stopped)];
    let table = StatusMap::new(table).expect("a sound table");
    let state = |status: &str, sub: Option<&str>| table.find(&local(status, sub)).map(|mapped| mapped.state);
    assert_eq!(state("02", Some("chờ")), Some(SupplementRequested));
    assert_eq!(state("02", Some("khác")), Some(Processing));
    assert_eq!(state("02", None), Some(Processing));
    assert_eq!((state("03", None), state("03", Some("y")), state("2", None)), (None, None, None));
}

#[test]
fn a_status_is_the_same_however_its_letters_were_typed() {
    let decomposed = |text: &str| text.nfd().collect::<String>();
    let table = [entry(&decomposed("Đang xử lý"), Some(&decomposed("chờ ký")), Processing)];
    let table = StatusMap::new(table).expect("a sound table");
    for sub in ["chờ ký".to_owned(), decomposed("chờ ký")] {
        assert_eq!(table.find(&local("Đang xử lý", Some(&sub))).map(|mapped| mapped.state), Some(Processing));
    }
    let twice = [entry("Đã xong", None, Finished), entry(&decomposed("Đã xong"), None, Stopped)];
    assert_eq!(StatusMap::new(twice).expect_err("twice the same status").len(), 1);
}

#[test]
fn all_mistakes_of_a_table_are_told_at_once() {
    let lines = [
        entry("1", None, Received),
        StatusMapEntry { sent_as: Some(Finished), ..entry("5", None, SupplementRequested) },
        entry("1", None, Processing),
        StatusMapEntry { sent_as: Some(Finished), ..entry("8", None, Stopped) },
    ];
    let places: Vec<usize> = StatusMap::new(lines).expect_err("mistakes").iter().map(|mistake| mistake.entry).collect();
    assert_eq!(places, [1, 2, 3]);
}

proptest! {
    #[test]
    fn a_table_finds_exactly_what_it_has(
        lines in proptest::collection::btree_map(("[a-c]{1,2}", proptest::option::of("[x-z]{1,2}")), 0..10_usize, 0..8),
        asked in ("[a-c]{1,2}", proptest::option::of("[x-z]{1,2}")),
    ) {
        let table = lines.iter().map(|((status, sub), state)| entry(status, sub.as_deref(), DossierState::ALL[*state]));
        let table = StatusMap::new(table).expect("no status is there twice");
        let expected = lines.get(&asked).or_else(|| lines.get(&(asked.0.clone(), None)));
        let found = table.find(&local(&asked.0, asked.1.as_deref()));
        prop_assert_eq!(found.map(|mapped| mapped.state), expected.map(|state| DossierState::ALL[*state]));
    }
}
