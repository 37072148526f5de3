//! Whether province and nation agree, over the real wire: every kind of difference is found and none is invented; what the portal does
//! not tell is never taken for equal; what is repaired is repaired once, and seen to be.

use std::collections::BTreeMap;
use std::process::Output;

use lienthong_contract_tests::load;
use lienthong_sandbox::{FaultPlan, Operation, OperationFaults, PortalSettings, Settings};
use serde_json::{Map, Value, json};

use crate::support::{World, dossier, dossier_path, set};

const CODE: &str = "H15.50-261121-00";
/// Only some months later does the nation hear of it.
const PLANTED: &str = "H15.50-261121-9001";
const NEVER_GIVEN: &str = "H15.50-261121-9002";

/// A portal that tells what it holds.
fn telling() -> Settings {
    Settings { portal: PortalSettings { rich_lookup: true, ..PortalSettings::default() }, ..Settings::default() }
}

fn code(n: usize) -> String {
    format!("{CODE}{n:02}")
}

fn finished() -> Value {
    let mut body = dossier("result_returned");
    for (pointer, value) in [
        ("/finishedAt", json!("2026-11-21T10:00:00+07:00")),
        ("/returnedAt", json!("2026-11-21T11:00:00+07:00")),
        ("/results", json!([{ "name": "Giấy phép", "id": "1", "link": "https://h15.example/kq/1" }])),
    ] {
        set(&mut body, pointer, value);
    }
    body
}

/// Dossiers that were delivered: the last of them is finished, with its result.
async fn delivered(portal: Settings, more: &str, dossiers: usize) -> World {
    let world = World::with(portal, more).await;
    for n in 0..dossiers - 1 {
        world.put(&code(n), &dossier("received")).await.is(202);
    }
    let last = finished();
    world.put(&code(dossiers - 1), &dossier("processing")).await.is(202);
    world.put(&code(dossiers - 1), &last).await.is(202);
    world.settle().await;
    world
}

fn change(world: &World, code: &str, member: &str, value: Value) {
    world.sandbox.tamper(code, |fields| {
        let mut fields = fields.unwrap();
        assert!(fields.contains_key(member), "{member}");
        fields.insert(member.to_owned(), value);
        Some(fields)
    });
}

fn today() -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7)));
    now.date().to_string()
}

/// Has today checked, as an operator does, and waits for the end.
pub(crate) async fn reconcile(world: &World, more: &[&str]) -> Output {
    let today = today();
    let output = world.cli(&[&["portal", "reconcile", "--from", &today], more].concat()).await;
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Open cases, as dossier and class.
async fn cases(world: &World) -> Vec<(String, String)> {
    listed(world, "/v1/agreement/cases?limit=500").await
}

async fn listed(world: &World, path: &str) -> Vec<(String, String)> {
    let page = world.get(path).await.is(200).json();
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    let mut cases: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|item| (text(item, "code"), text(item, "class"))).collect();
    cases.sort();
    cases
}

fn expected(cases: &[(usize, &str)]) -> Vec<(String, String)> {
    cases.iter().map(|(n, class)| (code(*n), (*class).to_owned())).collect()
}

/// The newest check.
async fn last_run(world: &World) -> Value {
    world.get("/v1/agreement/runs").await.is(200).json()["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_difference_between_province_and_nation_is_found_and_none_is_invented() {
    let world = delivered(telling(), "", 8).await;
    let output = reconcile(&world, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(cases(&world).await, []);

    world.sandbox.tamper(&code(0), |_| None);
    change(&world, &code(1), "TrangThaiHoSo", json!("8"));
    change(&world, &code(2), "NgayHenTra", json!("20261126170000"));
    change(&world, &code(3), "NgayHenTra", json!(""));
    change(&world, &code(4), "TrangThaiHoSo", json!("9"));
    change(&world, &code(4), "NgayHenTra", json!("20261125170001"));
    change(&world, &code(7), "DanhSachGiayToKetQua", json!([]));
    let planted = world.sandbox.dossier(&code(5)).unwrap().fields;
    world.sandbox.tamper(PLANTED, |_| Some(planted));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let national = file("national.csv", format!("\u{feff}Mã hồ sơ;Ngày\n{};1\n{PLANTED};2\n", code(5)));
    let local = file("local.txt", format!("{}\n{NEVER_GIVEN}\n\n", code(6)));
    let output = reconcile(&world, &["--national-list", &national, "--local-list", &local]).await;
    assert_eq!(output.status.code(), Some(3), "what differs is told by the exit code");
    let mut all = expected(&[
        (0, "missing_nationally"),
        (1, "state"),
        (2, "due_at"),
        (3, "due_at"),
        (4, "due_at"),
        (4, "state"),
        (7, "result_missing"),
    ]);
    all.extend([
        (PLANTED.to_owned(), "missing_locally".to_owned()),
        (NEVER_GIVEN.to_owned(), "never_given".to_owned()),
    ]);
    assert_eq!(cases(&world).await, all);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("missing_nationally") && text.contains("Chờ quyết định"), "{text}");
    // Found again it is the same case, and once it is gone it is settled.
    reconcile(&world, &[]).await;
    assert_eq!(cases(&world).await, all);
    change(&world, &code(1), "TrangThaiHoSo", json!("2"));
    world.put(NEVER_GIVEN, &dossier("received")).await.is(202);
    world.settle().await;
    reconcile(&world, &[]).await;
    all.retain(|(code, class)| class != "never_given" && *code != self::code(1));
    assert_eq!(cases(&world).await, all);
    let settled = listed(&world, "/v1/agreement/cases?status=settled").await;
    assert_eq!(settled, [(code(1), "state".to_owned()), (NEVER_GIVEN.to_owned(), "never_given".to_owned())]);
    let one = world.get("/v1/agreement/cases?class=state").await.json()["items"][0].clone();
    assert_eq!((&one["expected"], &one["observed"]), (&json!("received"), &json!("finished")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_portal_does_not_tell_is_never_called_equal() {
    let world = delivered(Settings::default(), "", 4).await;
    world.sandbox.tamper(&code(1), |_| None);
    change(&world, &code(2), "TrangThaiHoSo", json!("8"));
    let output = reconcile(&world, &[]).await;
    assert_eq!(
        cases(&world).await,
        expected(&[(1, "missing_nationally")]),
        "that it is not there is all that can be seen"
    );
    let run = last_run(&world).await;
    let seen: BTreeMap<&str, u64> = run["notObservable"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["aspect"].as_str().unwrap(), item["dossiers"].as_u64().unwrap()))
        .collect();
    assert_eq!(seen, BTreeMap::from([("due_at", 3), ("results", 3), ("state", 3)]));
    assert!(String::from_utf8(output.stdout).unwrap().contains("Cổng không cho biết / not told"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_settled_only_by_an_answer_that_tells() {
    let world = delivered(telling(), "", 3).await;
    change(&world, &code(0), "TrangThaiHoSo", json!("8"));
    reconcile(&world, &[]).await;
    assert_eq!(cases(&world).await, expected(&[(0, "state")]));
    for unreadable in [json!("88"), json!({ "ma": 2 })] {
        change(&world, &code(0), "TrangThaiHoSo", unreadable);
        reconcile(&world, &[]).await;
        assert_eq!(cases(&world).await, expected(&[(0, "state")]), "nobody has seen that it is the same now");
        assert_eq!(last_run(&world).await["unreadable"], json!([{ "aspect": "state", "dossiers": 1 }]));
    }
    change(&world, &code(0), "TrangThaiHoSo", json!("2"));
    reconcile(&world, &[]).await;
    assert_eq!(cases(&world).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_repairs_is_sent_again_with_its_steps_and_then_seen_to_be_right() {
    let world = delivered(telling(), "", 4).await;
    let step = load::step("processing", "Thẩm định");
    world.steps(&code(0), "key", &step).await.is(202);
    world.settle().await;
    let before = world.sandbox.dossier(&code(0)).unwrap();
    assert_eq!(before.steps.len(), 1);
    world.sandbox.tamper(&code(0), |_| None);
    change(&world, &code(1), "TrangThaiHoSo", json!("8"));
    world.sandbox.tamper(PLANTED, |_| Some(Map::from_iter([("MaHoSo".to_owned(), json!(PLANTED))])));
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.txt");
    std::fs::write(&list, format!("{PLANTED}\n")).unwrap();
    reconcile(&world, &["--national-list", &list.display().to_string()]).await;
    assert_eq!(cases(&world).await.len(), 3);

    let repair = world.cli(&["portal", "repair", "--class", "missing_nationally"]).await;
    assert!(repair.status.success(), "{}", String::from_utf8_lossy(&repair.stderr));
    let page = world.get("/v1/agreement/cases").await.json();
    let of = |class: &str| {
        let items = page["items"].as_array().unwrap().iter();
        items.clone().find(|item| item["class"] == class).unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert!(world.cli(&["portal", "repair", &of("state")]).await.status.success());
    let asked = world.cli(&["portal", "repair", &of("missing_locally")]).await;
    assert!(!asked.status.success() && String::from_utf8_lossy(&asked.stderr).contains("phải hỏi"));
    assert!(!world.cli(&["portal", "repair", &of("state")]).await.status.success(), "it is not open any more");
    world.settle().await;
    let after = world.sandbox.dossier(&code(0)).unwrap();
    assert_eq!((&after.fields, &after.steps), (&before.fields, &before.steps), "the dossier is there as it was");
    assert_eq!(world.sandbox.dossier(&code(1)).unwrap().fields["TrangThaiHoSo"], "2");
    let repaired = world.get("/v1/agreement/cases?status=repaired").await.json();
    assert_eq!(repaired["items"].as_array().unwrap().len(), 2);
    let operation = repaired["items"][0]["operation"].as_str().unwrap();
    assert_eq!(world.get(operation).await.is(200).json()["status"], "delivered");
    reconcile(&world, &[]).await;
    assert_eq!(listed(&world, "/v1/agreement/cases?status=repaired").await, []);
    assert_eq!(listed(&world, "/v1/agreement/cases?status=settled").await.len(), 2);
    // Somebody finds out that it belongs to another province.
    let dismissed = world.cli(&["portal", "dismiss", &of("missing_locally"), "--reason", "Hồ sơ của tỉnh bạn"]).await;
    assert!(dismissed.status.success());
    reconcile(&world, &["--national-list", &list.display().to_string()]).await;
    assert_eq!(cases(&world).await, [], "what was dismissed does not come back as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_repairs_it_repairs_once_and_never_when_too_much_differs() {
    let more = "[agreement]\nrepair = [\"state\", \"missing_nationally\"]\nmost_repairs_percent = 40\n";
    let world = delivered(telling(), more, 6).await;
    change(&world, &code(0), "TrangThaiHoSo", json!("8"));
    change(&world, &code(1), "NgayHenTra", json!(""));
    reconcile(&world, &[]).await;
    world.settle().await;
    assert_eq!(last_run(&world).await["repaired"], 1);
    assert_eq!(world.sandbox.dossier(&code(0)).unwrap().fields["TrangThaiHoSo"], "2");
    assert_eq!(cases(&world).await, expected(&[(1, "due_at")]), "what is not in the policy waits for a person");
    // It was not enough: a person looks.
    change(&world, &code(0), "TrangThaiHoSo", json!("8"));
    reconcile(&world, &[]).await;
    world.settle().await;
    assert_eq!(cases(&world).await, expected(&[(0, "state"), (1, "due_at")]));
    assert_eq!(last_run(&world).await["repaired"], 0);
    // So much that it may be the look-up that is wrong.
    for n in 2..5 {
        world.sandbox.tamper(&code(n), |_| None);
    }
    let output = reconcile(&world, &[]).await;
    let run = last_run(&world).await;
    assert_eq!((&run["repaired"], &run["stopped"]), (&json!(0), &json!("too_many_differences")));
    assert!(String::from_utf8(output.stdout).unwrap().contains("quá nhiều chênh lệch"));
    assert!(world.sandbox.dossier(&code(2)).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_delivered_is_told_and_what_is_on_its_way_is_left_alone() {
    let plan = FaultPlan { poison: [(code(0), "Sai lĩnh vực".to_owned())].into(), ..FaultPlan::none() };
    let world = World::with(Settings { faults: plan, ..telling() }, "").await;
    let refused = world.put(&code(0), &dossier("received")).await.is(202);
    world.wait_for(refused.header("location"), |operation| operation["status"] == "dead").await;
    world.put(&code(1), &dossier("received")).await.is(202);
    world.settle().await;
    let slow = OperationFaults { delay_ms: (60_000, 60_000), ..OperationFaults::default() };
    world.sandbox.set_faults(FaultPlan::none().with(Operation::Update, slow));
    world.put(&code(1), &dossier("processing")).await.is(202);
    world.wait_for(&dossier_path(&code(1)), |view| view["sync"]["status"] == "sending").await;
    reconcile(&world, &[]).await;
    assert_eq!(cases(&world).await, expected(&[(0, "not_sent")]));
    let run = last_run(&world).await;
    assert_eq!((&run["inDelivery"], &run["lookedUp"]), (&json!(1), &json!(0)));
    let case = world.get("/v1/agreement/cases").await.json()["items"][0].clone();
    assert!(case["observed"].as_str().unwrap().starts_with("dead: rejected"), "{case}");
    assert_eq!(case["repair"], "ask");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_pauses_while_the_portal_is_away_and_goes_on_after_a_kill_where_it_was() {
    let mut world = World::outside("[agreement]\nretry_s = 1\n").await;
    for n in 0..40 {
        world.put(&code(n), &dossier("received")).await.is(202);
    }
    world.settle().await;
    for n in [3, 17, 39] {
        world.sandbox.tamper(&code(n), |_| None);
    }
    let away = OperationFaults { server_error_before: 1.0, ..OperationFaults::default() };
    world.sandbox.set_faults(FaultPlan::none().with(Operation::LookUp, away));
    let asked = world.cli(&["portal", "reconcile", "--from", &today(), "--no-wait"]).await;
    assert!(asked.status.success());
    let calls = || world.sandbox.counters().services.get("TraCuuHoSo").copied().unwrap_or_default();
    for _ in 0..500 {
        if calls() > 10 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(calls() < 60, "it does not ask whoever does not answer");
    assert_eq!(cases(&world).await, [], "no answer is no difference");
    world.kill().await;
    world.sandbox.set_faults(FaultPlan::none());
    world.start_outside().await;
    let all = expected(&[(3, "missing_nationally"), (17, "missing_nationally"), (39, "missing_nationally")]);
    for _ in 0..500 {
        if cases(&world).await == all {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(cases(&world).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_system_sees_the_differences_of_its_own_agency() {
    let world = World::with(telling(), "").await;
    let own = "H15.61-261121-0001";
    for code in [own, &code(0)] {
        world.put(code, &dossier("received")).await.is(202);
    }
    world.settle().await;
    for code in [own, &code(0)] {
        world.sandbox.tamper(code, |_| None);
    }
    reconcile(&world, &[]).await;
    assert_eq!(cases(&world).await.len(), 2);
    let request = world.request(reqwest::Method::GET, "/v1/agreement/cases").bearer_auth(&world.ward);
    let page = crate::support::Answer::of(request).await.is(200).json();
    let codes: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| item["code"].clone()).collect();
    assert_eq!(codes, [json!(own)]);
    // A list with a line that is no code is refused with the line's number, and nothing is asked for.
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.txt");
    std::fs::write(&list, "H15.50-261121-0001\nkhông phải mã\n").unwrap();
    let refused = world.cli(&["portal", "reconcile", "--local-list", &list.display().to_string()]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("dòng / line 2"));
}
