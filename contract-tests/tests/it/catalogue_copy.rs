//! The copy of the national catalogue, over the real wire: copied with few calls, changed only where the nation has changed
//! something, never emptied by a list that is wrong, and searched.

use std::time::Duration;

use lienthong_contract_tests::catalogue::generated;
use lienthong_sandbox::{CatalogueProcedure, FaultKind, FaultPlan, Operation, OperationFaults, Settings};
use serde_json::{Value, json};

use crate::support::{Answer, World};

const COPY: &str = "[catalogue]\nretry_s = 1\nparallel_calls = 4\n";

/// A gateway beside a portal with these procedures.
async fn world(procedures: Vec<CatalogueProcedure>) -> World {
    let world = World::with(Settings::default(), COPY).await;
    world.sandbox.set_catalogue(procedures);
    world
}

fn delayed(ms: u64) -> OperationFaults {
    OperationFaults { delay_ms: (ms, ms), ..OperationFaults::default() }
}

async fn status(world: &World) -> Value {
    world.get("/v1/catalogue").await.is(200).json()
}

/// Has the catalogue copied, as an operator does, and waits for the end.
async fn copy(world: &World, arguments: &[&str]) -> Value {
    let before = status(world).await["run"]["beganAt"].clone();
    let asked = world.cli(&[&["catalogue", "sync"], arguments].concat()).await;
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    world.wait_for("/v1/catalogue", |now| now["run"]["beganAt"] != before && now["run"]["endedAt"].is_string()).await
}

fn calls(world: &World, service: &str) -> u64 {
    world.sandbox.counters().services.get(service).copied().unwrap_or_default()
}

async fn changes(world: &World, after: i64) -> Vec<(String, String, String)> {
    let (mut after, mut all) = (after, Vec::new());
    loop {
        let page = world.get(&format!("/v1/catalogue/changes?after={after}&limit=500")).await.is(200).json();
        let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
        let items = page["items"].as_array().unwrap();
        all.extend(items.iter().map(|item| (text(item, "list"), text(item, "code"), text(item, "change"))));
        after = page["last"].as_i64().unwrap();
        if page["hasMore"] == false {
            return all;
        }
    }
}

async fn of_procedures(world: &World, after: i64) -> Vec<(String, String)> {
    let all = changes(world, after).await.into_iter();
    all.filter(|(list, ..)| list == "procedures").map(|(_, code, change)| (code, change)).collect()
}

fn changed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(code, change)| ((*code).to_owned(), (*change).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_is_copied_with_one_list_call_and_some_details_at_a_time_and_again_only_what_has_changed() {
    let world = world(generated(300, 1)).await;
    world.get("/v1/catalogue/procedures").await.refused(503, "catalogue.not_copied");
    world.get("/v1/catalogue/dictionaries/fields").await.refused(503, "catalogue.not_copied");
    world.sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, delayed(5)));
    let first = copy(&world, &[]).await;
    assert_eq!((&first["run"]["listed"], &first["run"]["asked"]), (&json!(300), &json!(300)), "{first}");
    assert_eq!((&first["run"]["failures"], &first["run"]["failed"]), (&json!(0), &json!([])));
    assert_eq!((calls(&world, "LayDanhSachTTHC"), calls(&world, "LayThuTuc")), (1, 300));
    let most = world.sandbox.counters().most_under_way;
    assert!((2..=4).contains(&most), "{most} calls were under way at a time");
    let last = first["version"].as_i64().unwrap();

    // Nothing has changed: nothing is written but when it was.
    let second = copy(&world, &[]).await;
    assert_eq!((second["version"].as_i64(), &second["run"]["asked"]), (Some(last), &json!(300)));
    assert_eq!((&second["run"]["added"], &second["run"]["changed"]), (&json!(0), &json!(0)));
    assert_ne!(second["copiedAt"], first["copiedAt"]);

    // One nested fee, one name, one that is hidden, one that is new, one that is gone.
    let mut procedures = world.sandbox.catalogue();
    let codes: Vec<String> = procedures.iter().take(5).map(|procedure| procedure.code.clone()).collect();
    let fee = json!([{ "KENH": "2", "THOIGIAN": [{ "THOIGIANGIAIQUYET": "3", "DONVITINH": "Giờ", "MOTA": "",
                       "PHILEPHI": [{ "MAPHILEPHI": "P1", "SOTIEN": "50000", "DONVI": "VNĐ", "MOTA": "", "TENTEP": "", "URL": "" }] }] }]);
    procedures[0] = procedures[0].clone().with("CACHTHUCTHUCHIEN", fee);
    procedures[1].name = "Tên mới".into();
    procedures[2].is_public = false;
    procedures[3].is_listed = false;
    procedures.push(CatalogueProcedure::new("9.999999", "Thủ tục mới", "G15-HT01", "Hộ tịch"));
    world.sandbox.set_catalogue(procedures);
    copy(&world, &[]).await;
    let mut expected = changed(&[
        (&codes[0], "changed"),
        (&codes[1], "changed"),
        (&codes[2], "changed"),
        (&codes[3], "withdrawn"),
        ("9.999999", "added"),
    ]);
    let mut found = of_procedures(&world, last).await;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let entry = async |code: &str| world.get(&format!("/v1/catalogue/procedures/{code}")).await.is(200).json();
    let fee = entry(&codes[0]).await["content"]["methods"][0]["times"][0].clone();
    assert_eq!((&fee["unit"], &fee["fees"][0]["amount"]), (&json!("hour"), &json!("50000")));
    assert_eq!(entry(&codes[2]).await["standing"], "not_public");
    // What is gone from the list is flagged, keeps its content and its past, and can come back.
    let gone = entry(&codes[3]).await;
    assert_eq!((&gone["standing"], gone["content"]["name"].is_string()), (&json!("withdrawn"), true));
    let past = world.get(&format!("/v1/catalogue/procedures/{}/versions", codes[3])).await.is(200).json();
    assert_eq!(past["items"].as_array().unwrap().len(), 2);
    let before = past["items"][1]["version"].as_i64().unwrap();
    let before = world.get(&format!("/v1/catalogue/procedures/{}?version={before}", codes[3])).await.is(200).json();
    assert_eq!((&before["standing"], &before["content"]), (&json!("in_force"), &gone["content"]));
    let mut procedures = world.sandbox.catalogue();
    procedures[3].is_listed = true;
    world.sandbox.set_catalogue(procedures);
    let last = status(&world).await["version"].as_i64().unwrap();
    copy(&world, &[]).await;
    assert_eq!(of_procedures(&world, last).await, changed(&[(&codes[3], "restored")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_lost_much_changes_nothing_until_an_operator_says_that_it_is_right() {
    let world = world(generated(60, 2)).await;
    let last = copy(&world, &[]).await["version"].as_i64().unwrap();
    let half: Vec<_> = world.sandbox.catalogue().into_iter().take(30).collect();
    world.sandbox.set_catalogue(half);
    let stopped = copy(&world, &[]).await;
    assert_eq!((&stopped["run"]["stopped"], stopped["version"].as_i64()), (&json!("shrunk"), Some(last)), "{stopped}");
    let text = world.cli(&["catalogue", "status"]).await;
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("30") && text.contains("--accept-shrink"), "{text}");
    let taken = copy(&world, &["--accept-shrink"]).await;
    assert_eq!(taken["run"]["stopped"], Value::Null, "{taken}");
    let page = world.get("/v1/catalogue/procedures?standing=withdrawn").await.is(200).json();
    assert_eq!(page["total"], 30);
    // An empty list is the same.
    world.sandbox.set_catalogue(Vec::new());
    assert_eq!(copy(&world, &[]).await["run"]["stopped"], "shrunk");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_over_is_told_and_keeps_nothing_else_from_it() {
    let mut procedures = generated(20, 3);
    let codes: Vec<String> = procedures.iter().map(|procedure| procedure.code.clone()).collect();
    procedures[0] = procedures[0].clone().with("CAPTHUCHIEN", json!([{ "CAPTHUCHIEN": "7", "TENCAP": "?" }]));
    procedures[1] = procedures[1].clone().with("MATTHC", json!(codes[2]));
    procedures[3].has_detail = false;
    procedures[4] = procedures[4].clone().with("YEUCAU", json!("dài ".repeat(30_000)));
    let many: Vec<Value> = (0..1001).map(|n| json!({ "MATTHC": n.to_string(), "TENTTHC": "" })).collect();
    procedures[5] = procedures[5].clone().with("TTHCLIENQUAN", many.into());
    procedures[6] = procedures[6].clone().with("THANHPHANHOSO", json!("một văn bản"));
    // Oddities that are none: a word processor's characters, blanks, a code with its owner, the same code twice.
    procedures[7] = procedures[7].clone().with("TENTTHC", json!("Tên\u{b}có dấu ngắt")).with("MOTA", json!("   "));
    procedures.push(CatalogueProcedure::new("1.000656.000.00.00.H56", "Đăng ký khai tử", "G15-HT01", "Hộ tịch"));
    procedures.push(CatalogueProcedure::new("TS_lop1.000.00.00.H22", "Tuyển sinh lớp 1", "G15-GD01", "Giáo dục"));
    procedures.push(procedures[8].clone());
    procedures.push(CatalogueProcedure::new("không phải mã", "Gì đó", "G15-HT01", "Hộ tịch"));
    let world = world(procedures).await;
    let copied = copy(&world, &[]).await;
    assert_eq!((&copied["run"]["listed"], &copied["run"]["failures"]), (&json!(22), &json!(7)), "{copied}");
    let failed = copied["run"]["failed"].as_array().unwrap();
    let reason = |code: &str| {
        let found = failed.iter().find(|failed| failed["code"] == code);
        found.map(|failed| failed["reason"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    for (n, expected) in [
        (0, "/CAPTHUCHIEN/0/CAPTHUCHIEN: unknown_value"),
        (1, "another procedure"),
        (3, "nothing is published"),
        (4, "/YEUCAU: too_long"),
        (5, "/TTHCLIENQUAN: too_many"),
        (6, "/THANHPHANHOSO: type"),
    ] {
        assert!(reason(&codes[n]).contains(expected), "{n}: {}", reason(&codes[n]));
    }
    assert!(failed.iter().any(|failed| failed.get("code").is_none()), "what is no code is told without it");
    let name = world.get(&format!("/v1/catalogue/procedures/{}", codes[7])).await.is(200).json();
    assert_eq!(name["content"]["name"], "Tên có dấu ngắt");
    world.get("/v1/catalogue/procedures/1.000656.000.00.00.H56").await.is(200);
    world.get("/v1/catalogue/procedures/TS_lop1.000.00.00.H22").await.is(200);
    world.get(&format!("/v1/catalogue/procedures/{}.H15", codes[9])).await.is(200);
    world.get("/v1/catalogue/procedures/1.999999").await.refused(404, "procedure.not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_or_an_outage_only_what_remains_is_asked_for() {
    let mut world = World::outside(COPY).await;
    world.sandbox.set_catalogue(generated(200, 4));
    // The portal is gone in the midst of it.
    world.sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, delayed(10)));
    world.cli(&["catalogue", "sync"]).await;
    while calls(&world, "LayThuTuc") < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let away = OperationFaults::only(FaultKind::ServerErrorBefore, 1.0);
    world.sandbox.set_faults(FaultPlan::none().with(Operation::Catalogue, away));
    let paused = world
        .wait_for("/v1/catalogue", |now| now["run"]["remaining"].as_u64().is_some_and(|left| left > 0 && left < 200))
        .await;
    let left = paused["run"]["remaining"].as_u64().unwrap();
    world.kill().await;
    world.sandbox.set_faults(FaultPlan::none());
    let before = calls(&world, "LayThuTuc");
    world.start_outside().await;
    let done = world.wait_for("/v1/catalogue", |now| now["run"]["endedAt"].is_string()).await;
    assert_eq!(
        (&done["run"]["failures"], &done["run"]["added"].as_u64().is_some_and(|added| added >= 200)),
        (&json!(0), &true)
    );
    assert_eq!(calls(&world, "LayThuTuc") - before, left, "what was there is not asked for again");
    assert_eq!(calls(&world, "LayDanhSachTTHC"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn procedures_are_searched_filtered_and_paged_and_who_has_an_answer_is_told_so() {
    let mut procedures = generated(50, 5);
    procedures.push(CatalogueProcedure::new("1.001193", "Thủ tục đăng ký khai sinh", "G15-HT01", "Hộ tịch"));
    procedures.push(CatalogueProcedure::new("2.000528", "Đăng ký khai sinh", "G15-HT01", "Hộ tịch"));
    let world = world(procedures).await;
    copy(&world, &[]).await;
    let list = async |query: &str| world.get(&format!("/v1/catalogue/procedures?{query}")).await.is(200);
    let codes = |answer: &Answer| {
        let page = answer.json();
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for query in
        ["search=dang%20ky%20khai%20sinh", "search=%C4%91%C4%83ng+k%C3%BD+khai+sinh", "search=khai+sinh&field=G15-HT01"]
    {
        assert_eq!(codes(&list(query).await), ["1.001193", "2.000528"], "{query}");
    }
    assert_eq!(codes(&list("search=khai+sinh&level=ministry").await), [""; 0]);
    assert_eq!(codes(&list("search=1.0011").await), ["1.001193"]);
    // Pages, by the link that is given.
    let (mut found, mut path) = (Vec::new(), "/v1/catalogue/procedures?limit=20&standing=in_force".to_owned());
    loop {
        let page = world.get(&path).await.is(200);
        found.extend(codes(&page));
        assert_eq!(page.json()["total"], 52);
        let Some(link) = page.headers.get("link") else { break };
        path = link.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    }
    let mut sorted = found.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((found.len(), &found), (52, &sorted));
    // An answer that is known.
    let first = list("search=khai").await;
    let again = world.request(reqwest::Method::GET, "/v1/catalogue/procedures?search=khai").bearer_auth(&world.token);
    let again = again.header("if-none-match", first.header("etag")).send().await.unwrap();
    assert_eq!(again.status(), 304);
    for (query, field, code) in [
        ("search=", "#/query/search", "too_short"),
        ("search=...", "#/query/search", "too_short"),
        ("standing=gone", "#/query/standing", "unknown_value"),
        ("level=x", "#/query/level", "unknown_value"),
        ("limit=501", "#/query/limit", "limit"),
        ("cursor=x", "#/query/cursor", "cursor"),
        ("x=1", "#/query/x", "unknown_parameter"),
        ("field=", "#/query/field", "too_short"),
        (&format!("field={}", "x".repeat(101)), "#/query/field", "too_long"),
    ] {
        let answer = world.get(&format!("/v1/catalogue/procedures?{query}")).await.refused(400, "request.invalid");
        answer.wrong_fields(&[(field, code)]);
    }
    for (path, header, name) in [
        ("/v1/catalogue/procedures", "if-none-match", "If-None-Match"),
        ("/v1/procedures/1.001193", "if-none-match", "If-None-Match"),
        ("/v1/procedures/1.001193", "cache-control", "Cache-Control"),
    ] {
        let of = |length: usize| {
            world.request(reqwest::Method::GET, path).bearer_auth(&world.token).header(header, "x".repeat(length))
        };
        Answer::of(of(200)).await.is(200);
        let refused = Answer::of(of(201)).await.refused(400, "request.invalid");
        refused.wrong_fields(&[(&format!("#/headers/{name}"), "length")]);
    }
    let fields = world.get("/v1/catalogue/dictionaries/fields?search=ho+tich").await.is(200).json();
    assert_eq!((&fields["items"][0]["code"], &fields["items"][0]["sector"]), (&json!("G15-HT01"), &json!("G15")));
    let agencies = world.get("/v1/catalogue/dictionaries/agencies?search=van+phong").await.is(200).json();
    assert_eq!(agencies["items"][0]["level"], "ministry");
    world.get("/v1/catalogue/dictionaries/nothing").await.refused(400, "request.invalid");
    // The profile names no service for it.
    world.get("/v1/catalogue/dictionaries/districts").await.refused(404, "catalogue.dictionary_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_copied_by_itself_and_not_before_its_time() {
    let world = World::with(Settings::default(), "[catalogue]\nevery_hours = 1\n").await;
    let done = world.wait_for("/v1/catalogue", |now| now["copiedAt"].is_string()).await;
    assert_eq!(done["run"]["failures"], 0, "{done}");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(calls(&world, "LayDanhSachTTHC"), 1);
}
