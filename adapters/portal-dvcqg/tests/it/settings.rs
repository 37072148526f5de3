//! The profile is read whole: every mistake at once, with its place; the defaults lack only what a province must say.

use lienthong_adapter_kit::merge;
use lienthong_domain::invalid::InvalidFields;
use lienthong_portal_dvcqg::CARD;
use serde_json::{Value, json};

use crate::support::settings;

fn places(outcome: Result<(), InvalidFields>) -> Vec<String> {
    let mut places: Vec<_> = match outcome {
        Ok(()) => Vec::new(),
        Err(wrong) => wrong.fields().iter().map(|field| field.pointer.clone()).collect(),
    };
    places.sort();
    places
}

#[test]
fn the_defaults_lack_only_the_province_s_own() {
    let defaults = CARD.default_settings().unwrap();
    assert_eq!(places((CARD.check)(&defaults)), ["/account/password", "/account/username", "/adapter_url", "/madonvi"]);
    assert_eq!(places((CARD.check)(&settings("http://10.0.0.5:8080", json!({})))), Vec::<String>::new());
}

#[test]
fn every_mistake_is_reported_at_once() {
    let wrong = settings(
        "ftp://a",
        json!({
            "madonvi": "nowhere", "dstcode_placement": "body", "surprise": 1, "login_path": "",
            "account": { "password": 271_828 },
            "session": { "max_age_ms": 10, "renew_before_ms": 10 },
            "http": { "total_timeout_ms": "long", "most_in_flight": 0 },
            "headers": { "Bad Header": "x", "Accept": 5 },
            "wire": { "time_format": "hh:mm", "json_unwrap_depth": 9, "supplement_paper_members": { "name": "SoLuong" } },
            "after_ambiguity": { "append_step": "resend", "insert": "hope" },
            "catalogue": { "most_procedures": 0 },
            "codes": { "fee_kind": { "fee": "1", "charge": "1" }, "paper_form": { "copy": "", "photo": "9" } },
            "http_status": { "not_taken": ["503"] },
            "reply": { "rules": [
                { "outcome": "accepted", "codes": ["0"] }, { "outcome": "exists" }, { "outcome": "fine", "codes": ["1"] },
                { "outcome": "missing", "phrases": [" "] }
            ] }
        }),
    );
    let places = places((CARD.check)(&wrong));
    for expected in [
        "/account/password",
        "/adapter_url",
        "/after_ambiguity/insert",
        "/catalogue/most_procedures",
        "/codes/fee_kind/fee",
        "/codes/paper_form/copy",
        "/codes/paper_form/photo",
        "/dstcode_placement",
        "/headers/Accept",
        "/http/total_timeout_ms",
        "/http_status/not_taken/0",
        "/login_path",
        "/madonvi",
        "/reply/rules/0",
        "/reply/rules/1",
        "/reply/rules/2/outcome",
        "/reply/rules/3",
        "/session/max_age_ms",
        "/surprise",
        "/wire/json_unwrap_depth",
        "/wire/supplement_paper_members",
        "/wire/time_format",
    ] {
        assert!(places.iter().any(|place| place == expected), "{expected} is not in {places:?}");
    }
}

#[test]
fn a_step_may_be_resent_only_where_steps_are_deduplicated() {
    let with = |set: Value| {
        let mut all = settings("http://a", json!({}));
        merge(&mut all, json!({ "after_ambiguity": set }));
        places((CARD.check)(&all))
    };
    assert_eq!(with(json!({ "append_step": "resend" })), ["/after_ambiguity/append_step"]);
    assert_eq!(with(json!({ "append_step": "look_up" })), ["/after_ambiguity/append_step"]);
    assert!(with(json!({ "append_step": "resend", "steps_are_deduplicated": true })).is_empty());
}

#[test]
fn mistakes_do_not_show_secrets_and_secrets_exist() {
    let defaults = CARD.default_settings().unwrap();
    for secret in CARD.secrets {
        let pointer = format!("/{}", secret.replace('.', "/"));
        assert!(defaults.pointer(&pointer).is_some(), "{pointer}");
    }
    let wrong = (CARD.check)(&settings("hunter2", json!({ "account": { "password": ["hunter2"] } }))).unwrap_err();
    assert!(!format!("{wrong:?}").contains("hunter2"));
}
