//! What the portal sends, over its real wire: taken in once, shown to the right local system, decided, and told to the portal.

mod files;
mod links;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_sandbox::{
    AnswerKind, Cut, Hold, Outgoing, OutgoingKind, Prefix, ProvinceSettings, SendingFaults, SentMessage, Settings,
};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) use self::files::a_message_with_a_file;
use self::files::{pdf, promotion};
use crate::support::{Answer, World, dossier, dossier_path};

pub(crate) const INBOX: &str = "
    [inbox]
    enabled = true
    sender_addresses = [\"127.0.0.1\"]
    agency = \"H15\"
    poll_ms = 50
    hold_ms = 60000
    routes = [{ procedure = \"1.001193\", agency = \"H15.61\" }]
";

const BORN: &str = "000.00.00.G22-261121-0001";

async fn world() -> World {
    let world = World::with(Settings::default(), INBOX).await;
    world.sandbox.set_province(Some(province(&world)));
    world
}

pub(crate) fn province(world: &World) -> ProvinceSettings {
    ProvinceSettings { pause_ms: 50, ..ProvinceSettings::at(world.deployment.url()) }
}

pub(crate) fn born(code: &str) -> Outgoing {
    Outgoing::new(OutgoingKind::Dossier)
        .with("MaHoSoQG", code)
        .with("MaTTHC", "1.013225")
        .with("NgayNopHoSo", "20261121083000")
        .with("TenNguoiNop", "Nguyễn Thị Ví Dụ")
}

pub(crate) fn supplement(code: &str, at: &str) -> Outgoing {
    Outgoing::new(OutgoingKind::Supplement)
        .with("MaHoSoQG", code)
        .with("MaTTHC", "1.013225")
        .with("NgayNopHoSo", at)
        .with("LyDoDieuChinh", "Bổ sung bản vẽ")
}

pub(crate) async fn send(world: &World, message: Outgoing) -> SentMessage {
    let id = world.sandbox.send(message).unwrap();
    world.sandbox.settled(id).await.unwrap()
}

/// How the province answered each time.
fn answers(sent: &SentMessage) -> Vec<AnswerKind> {
    sent.attempts.iter().map(|attempt| attempt.answer.kind).collect()
}

/// What waits, as kind and dossier.
async fn waiting(world: &World) -> Vec<(String, String)> {
    let page = world.get("/v1/inbox-items").await.is(200).json();
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    page["items"].as_array().unwrap().iter().map(|item| (text(item, "kind"), text(item, "nationalCode"))).collect()
}

/// The id of what waits first.
async fn first(world: &World) -> String {
    let page = world.get("/v1/inbox-items").await.is(200).json();
    page["items"][0]["id"].as_str().unwrap().to_owned()
}

async fn decide(world: &World, id: &str, what: &str, body: Value) -> Answer {
    let request = world.request(Method::POST, &format!("/v1/inbox-items/{id}/{what}"));
    Answer::of(request.bearer_auth(&world.token).json(&body)).await
}

pub(crate) async fn acknowledge(world: &World, id: &str, code: &str) -> Answer {
    decide(world, id, "acknowledgement", json!({ "localCode": code })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dossier_born_on_the_portal_goes_to_the_local_system_and_its_end_back() {
    let world = world().await;
    assert_eq!(answers(&send(&world, born(BORN)).await), [AnswerKind::Accepted]);
    let id = first(&world).await;
    let item = world.get(&format!("/v1/inbox-items/{id}")).await.is(200).json();
    assert_eq!((&item["kind"], &item["agencyCode"]), (&json!("dossier.submitted"), &json!("H15")), "{item}");
    assert_eq!(item["content"]["details"]["TenNguoiNop"], "Nguyễn Thị Ví Dụ");
    assert_eq!(item["content"]["submittedAt"], "2026-11-21T01:30:00Z");

    let local = "000.00.00.H15-261121-0001";
    let taken = acknowledge(&world, &id, local).await.is(200).json();
    assert_eq!((&taken["status"], &taken["localCode"]), (&json!("acknowledged"), &json!(local)));
    world.put(local, &dossier("received")).await.is(202);
    world.settle().await;
    let held = world.sandbox.portal_born(BORN).unwrap();
    assert_eq!((held.status.as_deref(), held.local_code.as_deref()), (Some("2"), Some(local)));
    assert!(world.sandbox.dossier(local).is_some(), "{}", dossier_path(local));
    let operation = world.get(taken["operation"].as_str().unwrap()).await.is(200).json();
    assert_eq!((&operation["status"], &operation["items"][0]["kind"]), (&json!("delivered"), &json!("dossier.report")));
    assert_eq!(waiting(&world).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_follows_its_dossier_through_a_supplement_to_the_result_whatever_happens_to_us() {
    let mut world = World::outside(INBOX).await;
    world.sandbox.set_province(Some(province(&world)));
    let local = "000.00.00.H15-261121-0001";
    let put = async |world: &World, state: &str, results: Value| {
        let mut body = dossier(state);
        body["results"] = results;
        world.put(local, &body).await.is(202).json()
    };
    let reported = |world: &World| world.sandbox.portal_born(BORN).unwrap();
    send(&world, born(BORN)).await;
    acknowledge(&world, &first(&world).await, local).await.is(200);
    put(&world, "received", json!([])).await;
    put(&world, "processing", json!([])).await;
    put(&world, "supplement_requested", json!([])).await;
    world.settle().await;
    assert_eq!(
        (reported(&world).status.as_deref(), reported(&world).history.len()),
        (Some("5"), 3),
        "received, processing, supplement"
    );

    // The citizen answers; the gateway dies before and after the local system takes it.
    world.kill().await;
    world.start_outside().await;
    assert_eq!(answers(&send(&world, supplement(BORN, "20261122083000")).await), [AnswerKind::Accepted]);
    world.kill().await;
    world.start_outside().await;
    acknowledge(&world, &first(&world).await, local).await.is(200);
    world.kill().await;
    world.start_outside().await;
    put(&world, "processing", json!([])).await;
    let result = json!([{ "name": "Giấy phép xây dựng", "id": "KQ-1", "resultCode": "KQ.G17.000001", "link": "https://kq.h15.example/1" }]);
    let operation = put(&world, "finished", result.clone()).await;
    put(&world, "result_returned", result).await;
    world.settle().await;
    let held = reported(&world);
    assert_eq!((held.status.as_deref(), held.local_code.as_deref()), (Some("2"), Some(local)));
    assert_eq!(held.documents[0]["TenTepDinhKem"], "Giấy phép xây dựng");
    assert_eq!(held.documents[0]["DuongDanTaiTepTin"], "https://kq.h15.example/1");
    // The dossier itself is there with its result, and both are one operation.
    let synced = world.sandbox.dossier(local).unwrap();
    assert_eq!(synced.fields["DanhSachGiayToKetQua"][0]["MaGiayToKetQua"], "KQ.G17.000001");
    let operation = world.get(operation["operation"].as_str().unwrap()).await.is(200).json();
    let kinds: Vec<&str> =
        operation["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["dossier.sync", "dossier.report"]);
    // A dossier that was not born there is reported nowhere.
    world.put("000.00.00.H15-261121-0002", &dossier("received")).await.is(202);
    world.settle().await;
    assert_eq!(world.sandbox.counters().operations["report_status"].refused.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_portal_sends_again_is_taken_once_and_answered_as_a_duplicate() {
    let world = world().await;
    // The answer is lost on the way, the portal sends again; then it sends twice at a time.
    let cut = SendingFaults { cut: Some(Cut::WhenAnswered), cut_attempts: 2, ..SendingFaults::default() };
    let sent = send(&world, born(BORN).with_faults(cut)).await;
    assert_eq!(answers(&sent), [AnswerKind::NoAnswer, AnswerKind::NoAnswer, AnswerKind::Duplicate]);
    let twice = SendingFaults { times: 6, at_once: true, ..SendingFaults::default() };
    let sent = send(&world, born("000.00.00.G22-261121-0002").with_faults(twice)).await;
    let accepted = answers(&sent).iter().filter(|answer| **answer == AnswerKind::Accepted).count();
    assert_eq!((accepted, sent.attempts.len()), (1, 6), "{:?}", answers(&sent));
    assert_eq!(waiting(&world).await.len(), 2);
    // The same code with other content is neither taken nor lost.
    let other = send(&world, born(BORN).with("TenNguoiNop", "Người Khác")).await;
    assert_eq!(answers(&other), [AnswerKind::Refused]);
    assert_eq!(waiting(&world).await.len(), 2);
    let page = world.get("/v1/inbox-items?status=conflict").await.is(200).json();
    let conflict = page["items"][0]["id"].as_str().unwrap();
    let item = world.get(&format!("/v1/inbox-items/{conflict}")).await.is(200).json();
    assert_eq!(item["content"]["details"]["TenNguoiNop"], "Người Khác");
    let rejection = json!({ "localCode": "000.00.00.H15-261121-0009", "reason": "Trùng mã hồ sơ." });
    decide(&world, conflict, "rejection", rejection).await.is(200);
    assert_eq!(world.get("/v1/inbox-items?status=conflict").await.json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_contradicts_nothing_and_is_taken_once() {
    let world = world().await;
    let notice = |amount: &str, is_correction: bool| {
        let xml = include_str!("notice.xml").replace("250000", amount);
        json!({ "service": "NhanThongBaoThueDat", "isUpdating": is_correction,
                "data": { "FileThongBaoThue": STANDARD.encode(xml) } })
        .to_string()
    };
    for (amount, is_correction, code) in [
        ("250000", false, 0),
        ("250000", false, 1),
        ("300000", true, 0),
        ("300000", true, 1),
        ("350000", true, 0),
        // What is no correction contradicts the first.
        ("300000", false, -1),
    ] {
        let answer = post(&world, "/nhantbthuedvcqg", notice(amount, is_correction)).await;
        assert_eq!(answer.0, code, "{amount} {is_correction}: {}", answer.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn supplements_come_after_their_dossier_and_one_after_the_other_whatever_the_way_they_came() {
    let world = world().await;
    let held = SendingFaults { hold: Hold::UntilReleased, ..SendingFaults::default() };
    let dossier = world.sandbox.send(born(BORN).with_faults(held)).unwrap();
    for at in ["20261122083000", "20261123083000"] {
        assert_eq!(answers(&send(&world, supplement(BORN, at)).await), [AnswerKind::Accepted]);
    }
    assert_eq!(waiting(&world).await, [], "a supplement is shown before its dossier");
    assert!(world.sandbox.release(&[dossier]));
    world.sandbox.settled(dossier).await.unwrap();
    let mut seen = Vec::new();
    while let [(kind, _)] = waiting(&world).await.as_slice() {
        let id = first(&world).await;
        let item = world.get(&format!("/v1/inbox-items/{id}")).await.is(200).json();
        seen.push((kind.clone(), item["content"]["submittedAt"].as_str().unwrap().to_owned()));
        acknowledge(&world, &id, "000.00.00.H15-261121-0001").await.is(200);
    }
    let supplemented = |at: &str| ("dossier.supplemented".to_owned(), at.to_owned());
    assert_eq!(
        seen,
        [
            ("dossier.submitted".to_owned(), "2026-11-21T01:30:00Z".to_owned()),
            supplemented("2026-11-22T01:30:00Z"),
            supplemented("2026-11-23T01:30:00Z"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_checked_made_once_and_told_to_the_portal() {
    let world = world().await;
    send(&world, born(BORN)).await;
    send(&world, supplement(BORN, "20261122083000")).await;
    let id = first(&world).await;
    decide(&world, &id, "acknowledgement", json!({})).await.wrong_fields(&[("/localCode", "required")]);
    decide(&world, &id, "rejection", json!({})).await.wrong_fields(&[("/reason", "required")]);
    decide(&world, &id, "rejection", json!({ "reason": "x" })).await.wrong_fields(&[("/localCode", "required")]);
    acknowledge(&world, &id, "000.00.00.H31-261121-0001").await.refused(403, "access.agency_not_allowed");
    let local = "000.00.00.H15-261121-0001";
    let rejection = json!({ "localCode": local, "reason": "Không thuộc thẩm quyền." });
    let rejected = decide(&world, &id, "rejection", rejection.clone()).await.is(200);
    assert_eq!(rejected.json()["status"], "rejected");
    decide(&world, &id, "rejection", rejection).await.is(200);
    acknowledge(&world, &id, local).await.refused(409, "inbox.decided");
    world.settle().await;
    let held = world.sandbox.portal_born(BORN).unwrap();
    assert_eq!((held.status.as_deref(), held.note.as_deref()), (Some("5"), Some("Không thuộc thẩm quyền.")));
    assert_eq!(held.history.len(), 1, "a decision that was repeated was told twice");
    // Of the supplement nobody needs to say the code again.
    decide(&world, &first(&world).await, "acknowledgement", json!({ "note": "Đã nhận bổ sung." })).await.is(200);
    world.settle().await;
    let held = world.sandbox.portal_born(BORN).unwrap();
    assert_eq!((held.status.as_deref(), held.local_code.as_deref()), (Some("2"), Some(local)));
    let nothing = "019aa0c0-0000-7000-8000-000000000000";
    acknowledge(&world, nothing, "000.00.00.H15-261121-0001").await.refused(404, "inbox.item_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_system_sees_what_its_agency_is_competent_for() {
    let world = world().await;
    send(&world, born(BORN)).await;
    let birth = born("000.00.00.G22-261121-0002");
    send(&world, birth.with("MaTTHC", "1.001193")).await;
    let as_ward = |method, path: &str| world.request(method, path).bearer_auth(&world.ward);
    let page = Answer::of(as_ward(Method::GET, "/v1/inbox-items")).await.is(200).json();
    let [own] = page["items"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((&own["agencyCode"], &own["procedureCode"]), (&json!("H15.61"), &json!("1.001193")));
    let all = world.get("/v1/inbox-items").await.json();
    let [others, _] = all["items"].as_array().unwrap().as_slice() else { panic!("{all}") };
    let path = format!("/v1/inbox-items/{}", others["id"].as_str().unwrap());
    Answer::of(as_ward(Method::GET, &path)).await.refused(404, "inbox.item_not_found");
    let decision = as_ward(Method::POST, &format!("{path}/rejection")).json(&json!({ "reason": "x" }));
    Answer::of(decision).await.refused(404, "inbox.item_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_answered_as_soon_as_something_comes() {
    let world = world().await;
    let started = std::time::Instant::now();
    assert_eq!(world.get("/v1/inbox-items?wait=1").await.is(200).json()["items"], json!([]));
    assert!(started.elapsed() >= Duration::from_secs(1));
    let waiting = world.get("/v1/inbox-items?wait=20");
    let sending = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        send(&world, born(BORN)).await
    };
    let started = std::time::Instant::now();
    let (page, _) = tokio::join!(waiting, sending);
    assert_eq!(page.is(200).json()["items"].as_array().unwrap().len(), 1);
    assert!(started.elapsed() < Duration::from_secs(15));
    world.get("/v1/inbox-items?wait=61").await.wrong_fields(&[("#/query/wait", "value")]);
    world.get("/v1/inbox-items?status=rejected").await.wrong_fields(&[("#/query/status", "value")]);
}

/// Posts to an address of the portal and reads the answer as the portal does.
async fn post(world: &World, path: &str, body: impl Into<reqwest::Body>) -> (i64, String) {
    let request = world.request(Method::POST, path).header("content-type", "application/json").body(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.unwrap();
    (answer["error_code"].as_i64().unwrap(), answer["message"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_refused_with_a_reason_and_leaves_nothing() {
    let world = world().await;
    let program = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0".repeat(8);
    let script = "<?php system($_GET['c']); ?>".repeat(40_000);
    let mut not_base64 = promotion("KM-3", &[&pdf(10)]);
    not_base64["data"]["TaiLieuNop"][0]["Base64"] = json!("không phải base64");
    let mut long_text = promotion("KM-4", &[]);
    long_text["data"]["TenThuongNhan"] = json!("x".repeat(600_000));
    let mut long_words = promotion("KM-4", &[]);
    long_words["data"]["TenThuongNhan"] = json!("Công ty Ví Dụ ".repeat(60_000));
    let mut long_base64 = promotion("KM-5", &[]);
    long_base64["data"]["GhiChu"] = json!(STANDARD.encode(pdf(600_000)));
    let many: Vec<Vec<u8>> = (0..51).map(|_| pdf(10)).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    let deep = format!("{{\"data\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    let cases: Vec<(&str, String, &str)> = vec![
        (
            "/addtthcKhuyenMai",
            promotion("KM-1", &[&program]).to_string(),
            "loại application/vnd.microsoft.portable-executable",
        ),
        ("/addtthcKhuyenMai", promotion("KM-2", &[script.as_bytes()]).to_string(), "không được nhận"),
        ("/addtthcKhuyenMai", promotion("KM-2", &[b""]).to_string(), "Base64: Thiếu"),
        ("/addtthcKhuyenMai", not_base64.to_string(), "không phải base64"),
        ("/addtthcKhuyenMai", long_text.to_string(), "không phải tệp"),
        ("/addtthcKhuyenMai", long_words.to_string(), "không phải tệp"),
        ("/addtthcKhuyenMai", long_base64.to_string(), "không phải tệp"),
        ("/addtthcKhuyenMai", promotion("KM-6", &many).to_string(), "nhiều hơn 50 tệp"),
        ("/nhanhsdvcqg", "{\"data\": {\"MaHoSoQG\": \"A\",".into(), "Không đọc được JSON"),
        ("/nhanhsdvcqg", "{\"data\": {\"MaHoSoQG\": \"A\", \"MaHoSoQG\": \"B\"}}".into(), "hai lần"),
        ("/nhanhsdvcqg", "null".into(), "data: Thiếu"),
        ("/nhanhsdvcqg", String::new(), "Không đọc được JSON"),
        ("/nhanhsdvcqg", deep, "Không đọc được JSON"),
        ("/nhanhsdvcqg", format!("[{}]", "1,".repeat(2_000_000)), "hơn 20000 giá trị"),
        ("/nhanhsdvcqg", format!("{{\"data\": {{}} {}", " ".repeat(5_000_000)), "dài hơn 4194304 byte"),
        ("/nhantbthuedvcqg", json!({ "data": { "FileThongBaoThue": "PCFET0NUWVBFIHg+" } }).to_string(), "DOCTYPE"),
    ];
    for (path, body, reason) in cases {
        let (code, words) = post(&world, path, body).await;
        assert!(code == -1 && words.contains(reason), "{words:?} instead of {reason:?}");
    }
    assert_eq!(waiting(&world).await, []);
    let left = std::fs::read_dir(world.deployment.folder().join("data/files")).unwrap().count();
    assert_eq!(left, 0, "what was refused has left files");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_messages_keeps_nobody_from_anything() {
    let more = format!("{INBOX}\nlongest_wait_s = 10\nwaiting_requests = 8\n[http]\nconcurrent_requests = 4");
    let world = World::with(Settings::default(), &more).await;
    let wait = async || {
        let begun = std::time::Instant::now();
        world.get("/v1/inbox-items?wait=2").await.is(200);
        begun.elapsed()
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for _ in 0..20 {
            world.get("/v1/dossiers").await.is(200);
        }
    };
    let (waited, ()) = tokio::join!(futures::future::join_all((0..4).map(|_| wait())), others);
    let long = waited.iter().filter(|time| **time >= Duration::from_secs(2)).count();
    assert_eq!(long, 2, "a quarter of those who may wait are of one client: {waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_those_without_the_key_are_not_read() {
    let strange = INBOX.replace("127.0.0.1", "10.0.0.0/28");
    let world = World::with(Settings::default(), &strange).await;
    let request = world.request(Method::POST, "/nhanhsdvcqg").json(&json!({ "data": {} }));
    Answer::of(request).await.refused(403, "access.sender_unknown");

    let with_key = format!("{INBOX}\n[adapters.portal-dvcqg.inbound]\nsecurity_key = \"khóa chung\"");
    let world = World::with(Settings::default(), &with_key).await;
    world.sandbox.set_province(Some(province(&world)));
    assert_eq!(answers(&send(&world, born(BORN)).await), [AnswerKind::Refused]);
    let keyed = ProvinceSettings { security_key: Some("khóa chung".into()), prefix: Prefix::Vxp, ..province(&world) };
    world.sandbox.set_province(Some(keyed));
    assert_eq!(answers(&send(&world, born(BORN)).await), [AnswerKind::Accepted]);

    // Where it is off there is no such address.
    let off = World::start().await;
    let request = off.request(Method::POST, "/nhanhsdvcqg").json(&json!({ "data": {} }));
    Answer::of(request).await.refused(404, "route.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_what_came_what_was_refused_and_who_has_seen_it() {
    let world = world().await;
    send(&world, born(BORN)).await;
    post(&world, "/nhanhsdvcqg", "{}").await;
    let id = first(&world).await;
    world.get(&format!("/v1/inbox-items/{id}")).await.is(200);
    acknowledge(&world, &id, "000.00.00.H15-261121-0001").await.is(200);
    world.settle().await;
    let page = world.get(&format!("/v1/audit/records?dossier={BORN}&limit=50")).await;
    // The portal's code is no code of a dossier here; what was received is found by its operation.
    drop(page);
    for (operation, outcome) in [
        ("inbox.receive", "accepted"),
        ("inbox.receive", "refused"),
        ("inbox.view", "shown"),
        ("inbox.acknowledge", "done"),
        ("dossier.report", "delivered"),
    ] {
        let path = format!("/v1/audit/records?operation={operation}&outcome={outcome}&limit=10");
        let found = world.get(&path).await.is(200).json();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{operation} {outcome}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_the_end_of_the_gateway_at_any_moment() {
    let mut world = World::outside(INBOX).await;
    let mut sent = Vec::new();
    for round in 0..4_u32 {
        world.sandbox.set_province(Some(ProvinceSettings { attempts: 100, ..province(&world) }));
        for n in 0..30 {
            sent.push(world.sandbox.send(born(&format!("000.00.00.G22-261121-{round}{n:03}"))).unwrap());
        }
        tokio::time::sleep(Duration::from_millis(u64::from(20 + round * 37))).await;
        world.kill().await;
        world.start_outside().await;
        world.sandbox.set_province(Some(ProvinceSettings { attempts: 100, ..province(&world) }));
    }
    for id in sent {
        let message = world.sandbox.settled(id).await.unwrap();
        let last = message.last_answer.unwrap().kind;
        assert!(matches!(last, AnswerKind::Accepted | AnswerKind::Duplicate), "{last:?}");
    }
    let mut codes: Vec<String> = Vec::new();
    let mut path = "/v1/inbox-items?limit=100".to_owned();
    loop {
        let page = world.get(&path).await.is(200).json();
        codes.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["nationalCode"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/inbox-items?limit=100&cursor={cursor}");
    }
    let all = codes.len();
    codes.sort();
    codes.dedup();
    assert_eq!((all, codes.len()), (120, 120));
}
