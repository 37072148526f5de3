//! A refusal's reason reaches people without what would name a person, and bounded.

use lienthong_domain::dossier::{DossierState, StatusReport};
use lienthong_domain::inbox::NationalCode;
use lienthong_domain::scalar::Scalar;
use lienthong_domain::text::Text;
use lienthong_domain::time::Timestamp;
use serde_json::json;

use crate::fake_portal::Answer;
use crate::support::{adapter, code, insert_answered, portal, reason, step};

async fn told(message: &str) -> String {
    let reply = Answer::ok(json!({ "error_code": "-1", "message": message }));
    let error = insert_answered(reply, json!({})).await.unwrap_err();
    assert_eq!(error.upstream_code.as_deref(), Some("-1"));
    let (vi, en) = reason(&error);
    let words = vi.strip_prefix("Cổng Dịch vụ công quốc gia từ chối: ").unwrap();
    assert_eq!(en.strip_prefix("The portal refused: "), Some(words));
    assert!(!format!("{error} {error:?}").contains("Tuyết"));
    words.to_owned()
}

#[tokio::test]
async fn numbers_of_persons_are_taken_out_and_others_stay() {
    assert_eq!(told("Số 001099000001 và 123450009 sai").await, "Số […] và […] sai");
    assert_eq!(told("Mã 12345678, 1234567890, 1234567890123").await, "Mã 12345678, 1234567890, 1234567890123");
    assert_eq!(told("Hồ sơ H15.50.05.13-261008-0975 trùng").await, "Hồ sơ H15.50.05.13-261008-0975 trùng");
}

#[tokio::test]
async fn what_we_sent_of_the_person_does_not_come_back() {
    let message = "Ông NGUYỄN THỊ ánh tuyết (0912345678, tuyet@example.vn, 8001234567, tech-7f3a) do Lê Văn Cảnh";
    assert_eq!(told(message).await, "Ông […] ([…], […], […], […]) do […]");
    assert_eq!(told("Nguye\u{302}\u{303}n Thi\u{323} A\u{301}nh Tuye\u{302}\u{301}t: sai tên").await, "[…]: sai tên");
}

#[tokio::test]
async fn a_step_s_officer_does_not_come_back() {
    let portal =
        portal(|_| Answer::ok(json!({ "error_code": 1, "message": "Cán bộ Lê Văn Cảnh không có quyền" }))).await;
    let error = adapter(&portal.url, json!({})).0.append_step(&code(), &step(json!({}))).await.unwrap_err();
    assert!(reason(&error).0.ends_with("Cán bộ […] không có quyền"));
}

#[tokio::test]
async fn what_an_officer_has_written_for_the_citizen_does_not_come_back() {
    let note = "Bà Nguyễn Thị Ví Dụ:\r\ncần nộp bản chính";
    let refusal = format!("Nội dung không hợp lệ: {note} (cần nộp bản chính)");
    let portal = portal(move |_| Answer::ok(json!({ "error_code": "-1", "message": refusal }))).await;
    let report = StatusReport {
        national_code: NationalCode::parse("000.00.00.G22-261121-0001").unwrap(),
        local_code: Some(code()),
        state: DossierState::SupplementRequested,
        note: Some(Text::parse(note).unwrap()),
        results: Vec::new(),
        at: Timestamp::from_micros(0),
    };
    let error = adapter(&portal.url, json!({})).0.report(&report).await.unwrap_err();
    assert!(reason(&error).0.ends_with("Nội dung không hợp lệ: […] ([…])"), "{:?}", reason(&error));
}

#[tokio::test]
async fn a_long_reason_is_cut_and_control_characters_are_spaces() {
    assert_eq!(told(&"ậ".repeat(5_000)).await, "ậ".repeat(500));
    assert_eq!(told("một\r\nhai\u{0}ba").await, "một  hai ba");
    assert_eq!(told(&"1".repeat(100_000)).await.chars().count(), 500);
}
