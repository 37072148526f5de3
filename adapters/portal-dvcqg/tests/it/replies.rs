//! Every row of the classification, the ways a reply can be written, and what each means for each operation.

use lienthong_domain::port::{AfterAmbiguity, PortalOperation};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fake_portal::Answer;
use crate::fixture;
use crate::support::{adapter, code, dossier, insert_answered, kind, portal, step};

async fn insert(reply: Value) -> &'static str {
    kind(insert_answered(Answer::ok(reply), json!({})).await)
}

#[tokio::test]
async fn every_row_of_the_table() {
    let row = |code: Value, message: &str| json!({ "error_code": code, "message": message });
    let rows = [
        (row(json!("0"), "Đồng bộ thành công"), "accepted"),
        (row(json!(0), "THÀNH CÔNG"), "accepted"),
        (row(json!(0.0), "thành\u{a0} công"), "accepted"),
        (row(json!("00"), "Cập nhật thành công."), "accepted"),
        (row(json!("3"), "Thành công"), "accepted"),
        (row(json!(3), "Thành công"), "accepted"),
        (row(json!("-3"), "Thành công"), "accepted"),
        (row(json!(-3), "Thành công"), "accepted"),
        (row(json!("-3"), "Hồ sơ đã tồn tại"), "already_exists"),
        (row(json!("0"), "Mã hồ sơ ĐÃ TỒN TẠI, đồng bộ không thành công"), "already_exists"),
        (row(json!("77"), "đã tồn tại"), "already_exists"),
        (row(json!("-1"), "Sai định dạng ngày"), "rejected"),
        (row(json!(1), "Thiếu trường MaTTHC"), "rejected"),
        // "Does not exist" in answer to an insert is about something that the dossier names.
        (row(json!("-1"), "Thủ tục không tồn tại"), "rejected"),
        // Neither success nor failure.
        (row(json!("0"), "OK"), "outcome_unknown"),
        (row(json!("0"), ""), "outcome_unknown"),
        (row(json!("0"), "Đồng bộ không thành công"), "outcome_unknown"),
        (row(json!("0"), "Chưa thành công"), "outcome_unknown"),
        (row(json!("000"), "Thành công"), "outcome_unknown"),
        (row(json!("2"), "Thành công"), "outcome_unknown"),
        (row(json!("-1"), ""), "outcome_unknown"),
        (row(json!("-99"), "Lỗi lạ"), "outcome_unknown"),
        (row(json!(true), "Thành công"), "outcome_unknown"),
        (json!({ "error_code": "0" }), "outcome_unknown"),
        (json!({ "error_code": "0", "message": ["thành công"] }), "outcome_unknown"),
        // Not replies at all.
        (row(json!(null), "Thành công"), "unreadable"),
        (row(json!(""), "Thành công"), "unreadable"),
        (json!({ "message": "Thành công" }), "unreadable"),
        (json!([{ "error_code": "0", "message": "Thành công" }]), "unreadable"),
        (json!("Thành công"), "unreadable"),
        (json!(0), "unreadable"),
    ];
    for (reply, expected) in rows {
        assert_eq!(insert(reply.clone()).await, expected, "{reply}");
    }
}

#[tokio::test]
async fn phrases_fit_in_composed_and_decomposed_unicode() {
    use std::fmt::Write as _;
    let decomposed = "thành công".chars().fold(String::new(), |mut text, c| {
        match c {
            'à' => text.push_str("a\u{300}"),
            'ô' => text.push_str("o\u{302}"),
            other => write!(text, "{other}").unwrap(),
        }
        text
    });
    assert_ne!(decomposed, "thành công");
    assert_eq!(insert(json!({ "error_code": 0, "message": decomposed })).await, "accepted");
    assert_eq!(
        insert(json!({ "error_code": 0, "message": "d\u{323}a\u{303} \u{111}\u{61}\u{303} tồn tại" })).await,
        "already_exists"
    );
    let more = json!({ "reply": { "rules": [{ "outcome": "accepted", "codes": ["0"], "phrases": [decomposed] }] } });
    let reply = Answer::ok(json!({ "error_code": 0, "message": "Thành công" }));
    assert_eq!(kind(insert_answered(reply, more).await), "accepted");
}

#[tokio::test]
async fn json_inside_json_is_read_up_to_the_limit() {
    let core = json!({ "error_code": 0, "message": "Đồng bộ thành công" });
    let in_message = |inner: &Value, code: &str| json!({ "error_code": code, "message": inner.to_string() });
    let as_text = |inner: &Value| json!(inner.to_string());
    assert_eq!(insert(fixture!("replies/double-encoded.json")).await, "accepted");
    assert_eq!(insert(as_text(&core)).await, "accepted");
    assert_eq!(insert(as_text(&in_message(&core, "0"))).await, "accepted");
    assert_eq!(insert(in_message(&in_message(&core, "0"), "0")).await, "accepted");
    assert_eq!(insert(as_text(&as_text(&core))).await, "accepted");
    assert_eq!(insert(as_text(&as_text(&as_text(&core)))).await, "unreadable");
    assert_eq!(insert(in_message(&core, "-9")).await, "outcome_unknown", "the wrapping contradicts");
    assert_eq!(insert(in_message(&json!({ "error_code": 1, "message": "Sai" }), "0")).await, "rejected");
    assert_eq!(insert(json!({ "error_code": 0, "message": "\"thành công\"" })).await, "accepted", "only quotes");
    assert_eq!(insert(json!({ "error_code": 0, "message": "{thành công}" })).await, "accepted", "only a brace");
    let flat = json!({ "wire": { "json_unwrap_depth": 0 } });
    assert_eq!(kind(insert_answered(Answer::ok(in_message(&core, "0")), flat).await), "unreadable");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_unreadable() {
    for body in ["", "<html>502</html>", "{\"error_code\":0,\"message\":\"thành", "\u{feff}nothing"] {
        assert_eq!(kind(insert_answered(Answer::ok(body), json!({})).await), "unreadable", "{body}");
    }
    let with_mark = format!("\u{feff}{}", fixture!("replies/accepted.json"));
    assert_eq!(kind(insert_answered(Answer::ok(with_mark), json!({})).await), "accepted");
}

#[tokio::test]
async fn exists_and_missing_mean_different_things_to_different_operations() {
    for (reply, update, append) in [
        (fixture!("replies/exists.json"), "outcome_unknown", "already_exists"),
        (fixture!("replies/missing.json"), "not_found", "not_found"),
        (fixture!("replies/accepted.json"), "accepted", "accepted"),
    ] {
        let portal = portal(move |_| Answer::ok(&reply)).await;
        let (port, _) = adapter(&portal.url, json!({}));
        assert_eq!(kind(port.update(&dossier(json!({}))).await), update);
        assert_eq!(kind(port.append_step(&code(), &step(json!({}))).await), append);
    }
}

#[tokio::test]
async fn a_retryable_reply_is_one_that_the_profile_names() {
    let busy = json!({ "error_code": "-77", "message": "Hệ thống bận" });
    assert_eq!(insert(busy.clone()).await, "outcome_unknown");
    let more = json!({ "reply": { "rules": [{ "outcome": "retryable", "codes": ["-77"] }] } });
    assert_eq!(kind(insert_answered(Answer::ok(busy), more).await), "unavailable");
}

#[tokio::test]
async fn the_upstream_code_is_kept_only_if_it_looks_like_one() {
    for (code, kept) in
        [("-99", Some("-99")), ("E.12_a", Some("E.12_a")), ("001099012345", None), ("Nguyễn Văn An", None)]
    {
        let reply = Answer::ok(json!({ "error_code": code, "message": "?" }));
        let error = insert_answered(reply, json!({})).await.unwrap_err();
        assert_eq!(error.upstream_code.as_deref(), kept);
    }
}

#[tokio::test]
async fn what_may_follow_an_unknown_outcome_is_the_profile_s() {
    let of = |more| {
        let port = adapter("http://127.0.0.1:1", more).0;
        [PortalOperation::Insert, PortalOperation::Update, PortalOperation::AppendStep].map(|o| port.after_ambiguity(o))
    };
    assert_eq!(of(json!({})), [AfterAmbiguity::LookUp, AfterAmbiguity::Resend, AfterAmbiguity::Park]);
    let deduplicated = json!({ "after_ambiguity": { "steps_are_deduplicated": true, "update": "park" } });
    assert_eq!(of(deduplicated), [AfterAmbiguity::LookUp, AfterAmbiguity::Park, AfterAmbiguity::Resend]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    /// Whatever the portal says, only a code of the table with its phrase is a success.
    #[test]
    fn nothing_but_code_and_phrase_is_a_success(code in "(0|00|3|-3|1|-1|2|[a-z0-9]{0,4})", message in "(đồng bộ |không |chưa |đã tồn tại |thành công|OK|\\PC{0,9}){0,4}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(insert(json!({ "error_code": code, "message": message })));
        if outcome == "accepted" {
            prop_assert!(["0", "00", "3", "-3"].contains(&code.as_str()));
            prop_assert!(message.contains("thành công"));
        }
    }
}
