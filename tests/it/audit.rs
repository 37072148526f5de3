//! Audit records as they are stored.

use lienthong::audit::event::{ALWAYS, EVENTS, Event};
use lienthong::audit::{
    BodyCommitment, Draft, Kind, LegalGround, MOST_BYTES, NewAnchor, NewClosing, NewComparison, NewConfiguration,
    NewEpoch, NewGeneration, NewVersions, Outcome, leaf_hash,
};
use lienthong::storage::bodies::SealedBody;

use crate::sealers::Sealers;

/// With every member that a record of this event may have, as long as it may be.
fn longest_draft(event: &Event) -> Draft<'static> {
    let decision = event.decisions.iter().max_by_key(|decision| decision.len()).unwrap();
    let outcome = Outcome { code: Some("x".repeat(64)), decision, status: Some(202) };
    let mut draft = Draft::new(event.kind, event.op, outcome);
    for member in event.members {
        match *member {
            "agency" => draft.agency = Some("H15.50.05.13.001.002.003.004.005.006"),
            "generation" => {
                draft.generation = Some(NewGeneration { name: "bodies-4294967295".into(), public: Some([7; 32]) });
            }
            "closing" => {
                let log = format!("{}/audit/2026h2.4294967295", "x".repeat(64));
                draft.closing = Some(NewClosing { log, root: [7; 32], size: u64::MAX >> 11 });
            }
            "catalogue" => draft.versions = Some(NewVersions::of(i64::MAX >> 11, [[7; 32]].into_iter())),
            "comparison" => {
                let most = u64::MAX >> 11;
                draft.comparison = Some(NewComparison { different: most, looked_up: most });
            }
            "anchor" => draft.anchor = Some(NewAnchor::new(u64::MAX >> 11, b"a time stamp")),
            "body" => draft = draft.body(&longest_body()),
            "client" => {
                let client = "a-client-with-the-longest-name-that-may-be-configured-0123456789";
                draft.client = Some(client);
            }
            "config" => {
                let names: Vec<String> = (0..300).map(|n| format!("adapters.portal-dvcqg.headers.x-{n:03}")).collect();
                draft.config = Some(NewConfiguration::instead([1; 32], [2; 32], &names));
            }
            "dir" => draft.dir = Some("out"),
            "document" => draft.document = Some("1234567/QĐ-ỦỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶỶ"),
            "epoch" => {
                let (kept, signed) = (u64::MAX >> 11, u64::MAX >> 11);
                draft.epoch = Some(NewEpoch { kept, number: u32::MAX, signed, signed_root: [7; 32] });
            }
            "ground" => draft.ground = Some(LegalGround::PurposeFulfilled),
            "key" => draft.key = Some("dossier-portal/H15.50.05.13-20261008-0975123/dossier.sync/1"),
            "officer" => draft.officer = Some("officer-17"),
            "person" => draft.person = Some("001099012345"),
            "procedure" => {
                let procedure = "1.000656.000.00.00.H56-and-a-local-suffix-that-is-quite-long";
                draft.procedure = Some(procedure);
            }
            "purpose" => draft.purpose = Some("unusual_transition"),
            "ref" => draft.continues = Some(uuid::Uuid::now_v7()),
            "route" => draft.route = Some("an-authority-with-the-longest-name-that-may-be-configured.0123456"),
            "subject" => draft = draft.subject("H15.50.05.13-20261008-0975123"),
            other => panic!("what may be in `{other}`?"),
        }
    }
    draft
}

fn longest_body() -> SealedBody {
    SealedBody {
        id: uuid::Uuid::now_v7(),
        key_id: 1,
        wrapped_key: Vec::new(),
        sealed: Vec::new(),
        commitment: BodyCommitment { commit: [7; 32], len: u64::MAX >> 11 },
    }
}

#[test]
fn the_longest_record_of_every_event_is_canonical_json_within_its_limit() {
    let sealers = Sealers::new();
    for event in EVENTS {
        let record = sealers.recorder.seal(&longest_draft(event)).unwrap();
        assert!(record.bytes.len() <= MOST_BYTES, "{event:?}: {} bytes", record.bytes.len());
        // Reading into a sorted map and writing again gives the same bytes: members are sorted, nothing is superfluous.
        let value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&record.bytes).unwrap();
        assert_eq!(serde_json::to_vec(&value).unwrap(), record.bytes);
        assert_eq!(record.leaf_hash, leaf_hash(&record.bytes));
        // What it may have it has: no member of the list is one that records never get.
        let of_event: Vec<&str> = event.members.iter().chain(ALWAYS).copied().collect();
        assert!(of_event.iter().all(|member| value.contains_key(*member)), "{event:?}");
    }
}

#[test]
#[should_panic(expected = "is no event of src/audit/event.rs")]
fn what_is_no_event_of_the_specification_is_found_by_every_test() {
    let outcome = Outcome::decided("done");
    let _ = Sealers::new().recorder.seal(&Draft::new(Kind::Operator, "outbox.tidy", outcome));
}

#[test]
#[should_panic(expected = "has no member subject")]
fn a_member_that_an_event_does_not_have_is_found_by_every_test() {
    let outcome = Outcome::decided("done");
    let _ = Sealers::new().recorder.seal(&Draft::new(Kind::Config, "config.start", outcome).subject("a"));
}

#[test]
fn a_body_and_the_record_of_its_coming_have_one_id() {
    let sealers = Sealers::new();
    let body = longest_body();
    let draft = Draft::new(Kind::Accept, "dossier.sync", Outcome::decided("accepted")).body(&body);
    assert_eq!(sealers.recorder.seal(&draft).unwrap().id, body.id);
}

#[test]
fn subject_key_and_officer_leave_only_as_pseudonyms_that_repeat() {
    let sealers = Sealers::new();
    for event in EVENTS {
        let record = sealers.recorder.seal(&longest_draft(event)).unwrap();
        let text = String::from_utf8(record.bytes).unwrap();
        assert!(!text.contains("0975123") && !text.contains("officer-17"), "{text}");
    }
    let (one, two) = (
        sealers.recorder.seal(&longest_draft(&EVENTS[0])).unwrap(),
        sealers.recorder.seal(&longest_draft(&EVENTS[0])).unwrap(),
    );
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
