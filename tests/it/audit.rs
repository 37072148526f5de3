//! Audit records as they are stored.

use lienthong::audit::{BodyCommitment, Draft, Kind, MOST_BYTES, NewConfiguration, Outcome, leaf_hash};

use crate::sealers::Sealers;

fn longest_draft() -> Draft<'static> {
    let outcome = Outcome { code: Some("x".repeat(64)), decision: "accepted", status: Some(202) };
    let mut draft = Draft::new(Kind::BodyRead, "dossier.append_step", outcome)
        .client(
            "a-client-with-the-longest-name-that-may-be-configured-0123456789",
            "H15.50.05.13.001.002.003.004.005.006",
        )
        .subject("H15.50.05.13-20261008-0975123");
    draft.procedure = Some("1.000656.000.00.00.H56-and-a-local-suffix-that-is-quite-long");
    draft.key = Some("dossier-portal/H15.50.05.13-20261008-0975123/dossier.sync/1");
    draft.officer = Some("officer-17");
    draft.purpose = Some("unusual_transition");
    draft.route = Some("dossier-portal");
    draft.dir = Some("out");
    draft.body = Some(BodyCommitment { commit: [7; 32], len: u64::MAX >> 11 });
    draft.continues = Some(uuid::Uuid::now_v7());
    draft
}

#[test]
fn the_longest_record_is_canonical_json_within_its_limit() {
    let sealers = Sealers::new();
    let record = sealers.recorder.seal(&longest_draft()).unwrap();
    assert!(record.bytes.len() <= MOST_BYTES, "{} bytes", record.bytes.len());
    // Reading into a sorted map and writing again gives the same bytes: members are sorted, nothing is superfluous.
    let value: serde_json::Value = serde_json::from_slice(&record.bytes).unwrap();
    assert_eq!(serde_json::to_vec(&value).unwrap(), record.bytes);
    assert_eq!(record.leaf_hash, leaf_hash(&record.bytes));
}

#[test]
fn subject_key_and_officer_leave_only_as_pseudonyms_that_repeat() {
    let sealers = Sealers::new();
    let (one, two) =
        (sealers.recorder.seal(&longest_draft()).unwrap(), sealers.recorder.seal(&longest_draft()).unwrap());
    let text = String::from_utf8(one.bytes.clone()).unwrap();
    assert!(!text.contains("0975123") && !text.contains("officer-17"), "{text}");
    let subject = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["subject"].clone();
    assert_eq!(subject(&one.bytes), subject(&two.bytes));
    assert_ne!(one.id, two.id);
}

#[test]
fn a_change_of_everything_fits_into_a_record_and_says_how_much_it_does_not_name() {
    let sealers = Sealers::new();
    let names: Vec<String> = (0..300).map(|n| format!("adapters.portal-dvcqg.headers.x-{n:03}")).collect();
    let changed = [vec!["adapters.portal-dvcqg.headers.".to_owned() + &"x".repeat(2000)], names].concat();
    let mut draft = Draft::new(Kind::Config, "config.change", Outcome::decided("done"));
    draft.purpose = Some("signal");
    draft.config = Some(NewConfiguration::instead([1; 32], [2; 32], &changed));
    let record = sealers.recorder.seal(&draft).unwrap();
    assert!(record.bytes.len() <= MOST_BYTES, "{} bytes", record.bytes.len());
    let value: serde_json::Value = serde_json::from_slice(&record.bytes).unwrap();
    assert_eq!(serde_json::to_vec(&value).unwrap(), record.bytes, "members are sorted");
    let named = value["config"]["changed"].as_array().unwrap();
    assert!(named.len() >= 8 && named.iter().all(|name| changed.iter().any(|known| name == known)), "{value}");
    assert_eq!(value["config"]["more"], changed.len() - named.len());
}
