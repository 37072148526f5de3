//! The good paths, as a local system and an operator see them: accepted, delivered, acknowledged; repeated without a
//! second effect; parked where only a person can decide, and going on when that person has decided.

use std::process::Output;
use std::time::Duration;

use lienthong_contract_tests::gateway::{Deployment, PROVINCE, client};
use lienthong_contract_tests::load::step;
use lienthong_sandbox::{Effect, FaultKind, FaultPlan, Operation, OperationFaults, Sandbox, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::inbox::{INBOX, a_message_with_a_file};
use crate::support::{Answer, World, dossier, dossier_path, dossier_with};

const CODE: &str = "H15.50-261121-0001";

#[tokio::test(flavor = "multi_thread")]
async fn a_dossier_is_accepted_delivered_and_acknowledged() {
    let world = World::start().await;
    let accepted = world.put(CODE, &dossier("received")).await.is(202);
    let body = accepted.json();
    assert_eq!((&body["code"], &body["revision"], &body["unchanged"]), (&json!(CODE), &json!(1), &json!(false)));
    assert_eq!((accepted.header("etag"), accepted.header("location")), ("\"1\"", body["operation"].as_str().unwrap()));
    assert_eq!(accepted.header("api-version"), lienthong::http::openapi::API_VERSION);

    let operation = world.wait_for(accepted.header("location"), |operation| operation["status"] == "delivered").await;
    assert_eq!(accepted.header("location"), format!("/v1/operations/{}", operation["id"].as_str().unwrap()));
    let item = &operation["items"][0];
    assert_eq!((&item["kind"], &item["resource"]), (&json!("dossier.sync"), &json!(dossier_path(CODE))));
    assert_eq!((&item["ordinal"], &item["attempts"], &item["problem"]), (&json!(1), &json!(1), &Value::Null));

    let seen = world.get(&dossier_path(CODE)).await.is(200);
    let view = seen.json();
    assert_eq!((seen.header("etag"), &view["revision"]), ("\"1\"", &json!(1)));
    assert_eq!(view["sync"]["acknowledgedRevision"], 1);
    assert_eq!((&view["sync"]["status"], &view["sync"]["openItems"]), (&json!("delivered"), &json!(0)));
    assert_eq!(view["sync"]["operation"], body["operation"]);
    assert_eq!(view["dossier"]["owner"]["name"], "Nguyễn Văn Thử");
    assert_eq!(world.sandbox.dossier(CODE).unwrap().fields["ChuHoSo"], "Nguyễn Văn Thử");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_state_again_is_unchanged_and_has_no_second_effect() {
    let world = World::start().await;
    let first = world.put(CODE, &dossier("received")).await.is(202);
    world.settle().await;
    // The same content, whatever the order of its members, the offset of its times and the form of its letters.
    let mut reordered: Vec<(String, Value)> = dossier("received").as_object().unwrap().clone().into_iter().collect();
    reordered.reverse();
    let mut reordered = Value::Object(reordered.into_iter().collect());
    reordered["submittedAt"] = json!("2026-11-20T01:00:00Z");
    reordered["code"] = json!(CODE);
    reordered["owner"]["name"] = json!("Nguye\u{302}\u{303}n Va\u{306}n Thu\u{309}\u{31b}");
    for body in [dossier("received"), reordered] {
        let again = world.put(CODE, &body).await.is(200);
        assert_eq!((again.header("etag"), again.header("location")), ("\"1\"", first.header("location")));
        assert_eq!(again.json()["unchanged"], true);
    }
    world.settle().await;
    assert_eq!(world.sandbox.ledger().len(), 1);
    // Back to what it was before is a change again.
    world.put(CODE, &dossier("processing")).await.is(202);
    assert_eq!(world.put(CODE, &dossier("processing")).await.is(200).json()["revision"], 2);
    let mut back = dossier("received");
    back["transitionReason"] = json!("Nhập nhầm.");
    assert_eq!(world.put(CODE, &back).await.is(202).json()["revision"], 3);
    world.settle().await;
    let effects: Vec<Effect> = world.sandbox.ledger().iter().map(|entry| entry.operation).collect();
    assert_eq!(effects, [Effect::Insert, Effect::Update, Effect::Update]);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_reach_the_portal_in_the_order_in_which_they_were_sent() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    let one = world.steps(CODE, "1", &step("received", "bước 1")).await.is(202);
    assert_eq!((&one.json()["firstOrdinal"], &one.json()["count"]), (&json!(1), &json!(1)));
    let three: Vec<Value> = (2..5).map(|n| step("processing", &format!("bước {n}"))).collect();
    let three = world.steps(CODE, "2", &json!(three)).await.is(202);
    assert_eq!((&three.json()["firstOrdinal"], &three.json()["count"]), (&json!(2), &json!(3)));
    world.put(CODE, &dossier("processing")).await.is(202);
    world.steps(CODE, "3", &step("finished", "bước 5")).await.is(202);

    let operation = world.wait_for(three.header("location"), |operation| operation["status"] == "delivered").await;
    let ordinals: Vec<&Value> = operation["items"].as_array().unwrap().iter().map(|item| &item["ordinal"]).collect();
    assert_eq!(ordinals, [2, 3, 4]);
    world.settle().await;
    let effects: Vec<(Effect, String)> =
        world.sandbox.ledger().into_iter().map(|entry| (entry.operation, entry.mark)).collect();
    let step = |n: u8| (Effect::AppendStep, format!("bước {n}"));
    let expected =
        [(Effect::Insert, String::new()), step(1), step(2), step(3), step(4), (Effect::Update, String::new()), step(5)];
    assert_eq!(effects, expected);
    let view = world.get(&dossier_path(CODE)).await.json();
    let shown: Vec<(&Value, &Value)> =
        view["steps"].as_array().unwrap().iter().map(|step| (&step["ordinal"], &step["step"]["content"])).collect();
    assert_eq!(shown.len(), 5);
    assert_eq!(shown[4], (&json!(5), &json!("bước 5")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_page_by_page_without_gap_or_repeat() {
    let world = World::start().await;
    let code = |n: usize| format!("H15.{}-261121-{n:04}", if n.is_multiple_of(3) { 61 } else { 50 });
    for n in 0..20 {
        world.put(&code(n), &dossier(if n % 2 == 0 { "received" } else { "processing" })).await.is(202);
    }
    let pages = async |query: &str, key: &str| {
        let (mut codes, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let path = format!("/v1/dossiers?{query}{cursor}");
            let page = Answer::of(world.request(Method::GET, &path).bearer_auth(key)).await.is(200);
            let body = page.json();
            let items = body["items"].as_array().unwrap();
            assert!(items.iter().all(|item| item.get("owner").is_none()), "a list holds no personal data: {body}");
            codes.extend(items.iter().map(|item| item["code"].as_str().unwrap().to_owned()));
            pages += 1;
            assert!(pages < 50, "the pages do not end");
            match body["nextCursor"].as_str() {
                Some(next) => {
                    assert!(page.header("link").contains(next), "{}", page.header("link"));
                    cursor = format!("&cursor={next}");
                }
                None => return codes,
            }
        }
    };
    let all: Vec<String> = (0..20).map(code).collect();
    for limit in [1, 3, 7, 20, 500] {
        assert_eq!(pages(&format!("limit={limit}"), &world.token).await, all, "limit {limit}: oldest change first");
    }
    let even: Vec<String> = (0..20).step_by(2).map(code).collect();
    assert_eq!(pages("limit=3&state=received", &world.token).await, even);
    // Whoever follows the link of a page keeps what was asked for.
    let (mut linked, mut path) =
        (Vec::new(), "/v1/dossiers?limit=3&state=received&updatedSince=2026-01-01T00:00:00%2B07:00".to_owned());
    loop {
        let page = world.get(&path).await.is(200);
        linked.extend(
            page.json()["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.header("link").strip_prefix('<').and_then(|rest| rest.split('>').next()) else { break };
        path = next.to_owned();
        assert!(linked.len() <= 20, "the links do not end");
    }
    assert_eq!(linked, even, "the links lead elsewhere");
    let ward: Vec<String> = (0..20).step_by(3).map(code).collect();
    assert_eq!(pages("limit=2", &world.ward).await, ward, "the ward sees its own and loses none");

    // What changes moves to the end; what changed since is what is asked for.
    let list = world.get("/v1/dossiers").await.json();
    let last = list["items"][19]["updatedAt"].as_str().unwrap();
    world.put(&code(4), &dossier("finished")).await.is(202);
    assert_eq!(pages("limit=5", &world.token).await.last(), Some(&code(4)));
    assert_eq!(pages(&format!("updatedSince={last}"), &world.token).await, [code(19), code(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_delivers_the_states_of_one_dossier_in_the_order_of_its_items() {
    let world = World::start().await;
    let item = |code: &str, state: &str, note: &str| {
        let mut body = dossier_with("/code", json!(code));
        (body["state"], body["note"]) = (json!(state), json!(note));
        body
    };
    let other = "H15.61-261121-0001";
    let items = json!({ "items": [
        item(CODE, "received", "1"), item(other, "received", "1"), item(CODE, "processing", "2"),
        item(CODE, "processing", "2"), item(CODE, "finished", "3"),
    ] });
    let result = world.post("/v1/dossier-batches", "key", &items).await.is(202);
    let statuses: Vec<Value> =
        result.json()["items"].as_array().unwrap().iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, [202, 202, 202, 200, 202]);
    let again = world.post("/v1/dossier-batches", "key", &items).await.is(202);
    assert_eq!((again.text, again.headers["idempotent-replayed"].to_str().unwrap()), (result.text, "true"));
    world.settle().await;
    let effects = world.sandbox.ledger();
    let of_one: Vec<&str> =
        effects.iter().filter(|entry| entry.code == CODE).map(|entry| entry.mark.as_str()).collect();
    assert_eq!((of_one, effects.len()), (vec!["1", "2", "3"], 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_api_document_are_accepted_as_they_stand_and_delivered() {
    let world = World::with(Settings::default(), INBOX).await;
    let document = Answer::of(world.request(Method::GET, "/v1/openapi.json")).await.is(200).json();
    let mut sent = 0;
    // The dossier before its steps.
    let order = [
        ("putDossier", 202),
        ("postDossierSteps", 202),
        ("postDossierBatch", 202),
        ("postPersonView", 200),
        ("acknowledgeInboxItem", 200),
        ("rejectInboxItem", 200),
    ];
    for (operation_id, status) in order {
        let (path, method, operation) =
            operations(&document).find(|(_, _, o)| o["operationId"] == operation_id).unwrap();
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        assert!(example.is_object(), "{operation_id} has no example");
        let message = a_message_with_a_file(&world, operation_id).await;
        let path = path.replace("{code}", CODE).replace("{id}", &message);
        let method: Method = method.to_uppercase().parse().unwrap();
        let request = world
            .request(method, &path)
            .bearer_auth(&world.token)
            .header("Idempotency-Key", operation_id)
            .json(example);
        Answer::of(request).await.is(status);
        sent += 1;
    }
    let is_example = |operation: &Value| !operation["requestBody"]["content"]["application/json"].is_null();
    let with_body = operations(&document).filter(|(_, _, operation)| is_example(operation)).count();
    assert_eq!(sent, with_body, "an operation with a body is not tried here");
    world.settle().await;
    assert_eq!(world.sandbox.ledger().len(), 3, "dossier, step and batch of one");
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |(m, o)| (path, m, o)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_neither_answers_nor_dossiers_nor_what_waits() {
    let mut world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    let first = world.steps(CODE, "key", &step("received", "bước 1")).await.is(202);
    world.settle().await;
    let refusing = OperationFaults::only(FaultKind::ServerErrorBefore, 1.0);
    world.sandbox.set_faults(FaultPlan::none().with(Operation::AppendSteps, refusing));
    world.steps(CODE, "key-2", &step("processing", "bước 2")).await.is(202);

    world.restart().await;
    let again = world.steps(CODE, "key", &step("received", "bước 1")).await.is(202);
    assert_eq!((again.text.as_str(), again.header("idempotent-replayed")), (first.text.as_str(), "true"));
    world.steps(CODE, "key", &step("received", "khác")).await.refused(422, "idempotency.key_reused");
    assert_eq!(world.put(CODE, &dossier("received")).await.is(200).json()["unchanged"], true);
    assert_eq!(world.get(&dossier_path(CODE)).await.json()["sync"]["openItems"], 1);
    world.sandbox.set_faults(FaultPlan::none());
    world.settle().await;
    let told: Vec<String> = world.sandbox.ledger().into_iter().map(|entry| entry.mark).collect();
    assert_eq!(told, ["", "bước 1", "bước 2"]);
}

fn poison(code: &str, reason: &str) -> FaultPlan {
    FaultPlan { poison: [(code.to_owned(), reason.to_owned())].into(), ..FaultPlan::none() }
}

const REASON: &str = "Trường DonViXuLy: vượt quá 500 ký tự";

/// A dossier that the portal refuses, with a state and a step waiting behind it.
async fn with_a_dead_letter() -> (World, String, String) {
    let busy = OperationFaults::only(FaultKind::ServerErrorBefore, 1.0);
    let faults = FaultPlan::none().with(Operation::Insert, busy);
    let world = World::with(Settings { faults, ..Settings::default() }, "").await;
    let first = world.put(CODE, &dossier("received")).await.is(202);
    world.put(CODE, &dossier("processing")).await.is(202);
    world.steps(CODE, "key", &step("processing", "bước 1")).await.is(202);
    world.sandbox.set_faults(poison(CODE, REASON));
    let operation = first.header("location").to_owned();
    let dead = world.wait_for(&operation, |operation| operation["status"] == "dead").await;
    (world, operation, dead["items"][0]["id"].as_str().unwrap().to_owned())
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_dossier_says_which_field_and_why_and_its_lane_waits_alone() {
    let (world, operation, id) = with_a_dead_letter().await;
    let item = world.get(&operation).await.json()["items"][0].clone();
    assert_eq!((&item["status"], &item["problem"]["kind"]), (&json!("dead"), &json!("rejected")));
    for language in ["vi", "en"] {
        let reason = item["problem"]["reason"][language].as_str().unwrap();
        assert!(reason.contains(REASON), "{language}: {reason}");
    }
    assert_eq!(item["dueAt"], Value::Null, "it waits for a person, not for a time");
    let sync = world.get(&dossier_path(CODE)).await.json()["sync"].clone();
    assert_eq!((&sync["status"], &sync["openItems"]), (&json!("dead"), &json!(3)));
    assert_eq!(sync["acknowledgedRevision"], Value::Null, "nothing is acknowledged that the portal refused");
    assert!(sync["problem"]["reason"]["vi"].as_str().unwrap().contains(REASON));
    let other = world.put("H15.50-261121-0002", &dossier("received")).await.is(202);
    world.wait_for(other.header("location"), |operation| operation["status"] == "delivered").await;

    let list = world.cli(&["outbox", "list"]).await;
    assert!(list.status.success());
    for text in [id.as_str(), CODE, "rejected", REASON, "dead"] {
        assert!(printed(&list).contains(text), "no {text} in {}", printed(&list));
    }
    assert!(printed(&world.cli(&["outbox", "show", &id]).await).contains(REASON));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_state_takes_the_place_of_the_refused_one_without_an_operator() {
    let world = World::with(Settings { faults: poison(CODE, REASON), ..Settings::default() }, "").await;
    let refused = world.put(CODE, &dossier("received")).await.is(202);
    world.wait_for(refused.header("location"), |operation| operation["status"] == "dead").await;
    world.steps(CODE, "key", &step("received", "bước 1")).await.is(202);
    // The same again is the same refusal: nothing is sent.
    assert_eq!(world.put(CODE, &dossier("received")).await.is(200).json()["unchanged"], true);
    assert_eq!(world.get(refused.header("location")).await.json()["status"], "dead");
    world.sandbox.set_faults(FaultPlan::none());
    let corrected = world.put(CODE, &dossier_with("/handlingUnit", json!("Bộ phận một cửa, sửa tên"))).await.is(202);
    world.wait_for(corrected.header("location"), |operation| operation["status"] == "delivered").await;
    world.wait_for(&dossier_path(CODE), |view| view["sync"]["openItems"] == 0).await;
    assert_eq!(world.get(refused.header("location")).await.json()["status"], "cancelled");
    let effects: Vec<Effect> = world.sandbox.ledger().iter().map(|entry| entry.operation).collect();
    assert_eq!(effects, [Effect::Insert, Effect::AppendStep], "the dossier before its step, each once");
    let sync = world.get(&dossier_path(CODE)).await.json()["sync"].clone();
    assert_eq!((&sync["acknowledgedRevision"], &sync["status"]), (&json!(2), &json!("delivered")));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_cause_is_healed_a_retry_delivers_all_that_waited() {
    let (world, operation, id) = with_a_dead_letter().await;
    // Too early: it is refused again, visibly.
    let before = world.get(&operation).await.json()["items"][0]["attempts"].as_i64();
    assert!(world.cli(&["outbox", "retry", &id]).await.status.success());
    let again = world
        .wait_for(&operation, |operation| {
            operation["items"][0]["attempts"].as_i64() > before && operation["status"] == "dead"
        })
        .await;
    assert_eq!(again["items"][0]["problem"]["kind"], "rejected");
    world.sandbox.set_faults(FaultPlan::none());
    let retried = world.cli(&["outbox", "retry", &id]).await;
    assert!(retried.status.success() && printed(&retried).contains("retry"), "{}", printed(&retried));
    world.wait_for(&operation, |operation| operation["status"] == "delivered").await;
    world.wait_for(&dossier_path(CODE), |view| view["sync"]["openItems"] == 0).await;
    let effects: Vec<Effect> = world.sandbox.ledger().iter().map(|entry| entry.operation).collect();
    assert_eq!(effects, [Effect::Insert, Effect::Update, Effect::AppendStep]);
    assert_eq!(world.get(&dossier_path(CODE)).await.json()["sync"]["acknowledgedRevision"], 2);
    // What is done is done.
    let late = world.cli(&["outbox", "skip", &id, "--reason", "không cần nữa"]).await;
    assert!(!late.status.success() && printed(&late).contains("`delivered`"), "{}", printed(&late));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_item_lets_its_dossier_go_on_and_says_who_said_so() {
    let (world, operation, id) = with_a_dead_letter().await;
    world.sandbox.set_faults(FaultPlan::none());
    let no_reason = world.cli(&["outbox", "skip", &id]).await;
    assert!(!no_reason.status.success(), "a skip needs a reason");
    assert!(!world.cli(&["outbox", "skip", &id, "--reason", "  "]).await.status.success());
    assert_eq!(world.get(&operation).await.json()["status"], "dead", "nothing was decided yet");

    let skipped = world.cli(&["outbox", "skip", &id, "--reason", "Đã nhập tay trên Cổng"]).await;
    assert!(skipped.status.success(), "{}", printed(&skipped));
    world.wait_for(&dossier_path(CODE), |view| view["sync"]["openItems"] == 0).await;
    let item = world.get(&operation).await.json()["items"][0].clone();
    assert_eq!((&item["status"], &item["problem"]["note"]), (&json!("skipped"), &json!("Đã nhập tay trên Cổng")));
    // The next full state created the dossier, its step followed.
    let effects: Vec<Effect> = world.sandbox.ledger().iter().map(|entry| entry.operation).collect();
    assert_eq!(effects, [Effect::Insert, Effect::AppendStep]);
    assert_eq!(world.get(&dossier_path(CODE)).await.json()["sync"]["acknowledgedRevision"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_item_is_never_sent_and_unknown_ids_are_told() {
    let (world, operation, id) = with_a_dead_letter().await;
    // The second state waits behind the first and can be cancelled before its turn.
    let waiting = world.get(&dossier_path(CODE)).await.json()["sync"]["operation"].as_str().unwrap().to_owned();
    let waiting_item = world.get(&waiting).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(world.cli(&["outbox", "cancel", &waiting_item, "--reason", "gửi nhầm"]).await.status.success());
    assert_eq!(world.get(&waiting).await.json()["status"], "cancelled");
    assert_eq!(world.get(&operation).await.json()["status"], "dead", "the one before it still waits");
    world.sandbox.set_faults(FaultPlan::none());
    assert!(world.cli(&["outbox", "retry", &id]).await.status.success());
    world.wait_for(&dossier_path(CODE), |view| view["sync"]["openItems"] == 0).await;
    let effects: Vec<Effect> = world.sandbox.ledger().iter().map(|entry| entry.operation).collect();
    assert_eq!(effects, [Effect::Insert, Effect::AppendStep]);

    let nobody = "019aa0c0-0000-7000-8000-000000000000";
    for arguments in [vec!["outbox", "retry", nobody], vec!["outbox", "show", nobody], vec!["outbox", "retry", "x"]] {
        let output = world.cli(&arguments).await;
        assert!(!output.status.success(), "{arguments:?}: {}", printed(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_unknown_outcome_is_parked_until_a_person_lets_its_dossier_go_on() {
    let mut settings = Settings::default();
    settings.portal.hold_ms = 1000;
    let timeouts = "adapters.portal-dvcqg.http = { connect_timeout_ms = 200, total_timeout_ms = 300 }";
    let world = World::with(settings, timeouts).await;
    world.put(CODE, &dossier("received")).await.is(202);
    world.settle().await;
    let silent = OperationFaults::only(FaultKind::EffectThenTimeout, 1.0);
    world.sandbox.set_faults(FaultPlan::none().with(Operation::AppendSteps, silent));
    let first = world.steps(CODE, "1", &step("received", "bước 1")).await.is(202);
    world.wait_for(first.header("location"), |operation| operation["status"] == "unknown").await;
    world.sandbox.set_faults(FaultPlan::none());
    world.steps(CODE, "2", &step("processing", "bước 2")).await.is(202);

    // Time does not make it known: it is neither repeated nor passed by.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let parked = world.get(first.header("location")).await.json()["items"][0].clone();
    assert_eq!((&parked["status"], &parked["problem"]["kind"]), (&json!("unknown"), &json!("outcome_unknown")));
    assert_eq!((&parked["attempts"], &parked["dueAt"]), (&json!(1), &Value::Null));
    let sync = world.get(&dossier_path(CODE)).await.json()["sync"].clone();
    assert_eq!((&sync["status"], &sync["openItems"]), (&json!("unknown"), &json!(2)));
    assert_eq!(world.sandbox.dossier(CODE).unwrap().steps.len(), 1, "it took effect once");
    let id = parked["id"].as_str().unwrap();
    let list = world.cli(&["outbox", "list"]).await;
    assert!(printed(&list).contains(id) && printed(&list).contains("dossier.step #1"), "{}", printed(&list));

    assert!(world.cli(&["outbox", "skip", id, "--reason", "Đã thấy bước này trên Cổng"]).await.status.success());
    world.wait_for(&dossier_path(CODE), |view| view["sync"]["openItems"] == 0).await;
    let told: Vec<String> = world.sandbox.ledger().into_iter().map(|entry| entry.mark).collect();
    assert_eq!(told, ["", "bước 1", "bước 2"], "each once");
    let nothing = world.cli(&["outbox", "list"]).await;
    assert!(printed(&nothing).contains("Nothing waits for an operator"), "{}", printed(&nothing));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_portal_is_away_everything_is_accepted_and_later_delivered() {
    let deployment = Deployment::new("http://127.0.0.1:1", "").unwrap();
    let gateway = deployment.start().await.unwrap();
    let token = deployment.token(PROVINCE).await.unwrap();
    for n in 1..=5 {
        let path = format!("{}/v1/dossiers/H15.50-261121-{n:04}", deployment.url());
        Answer::of(client().put(path).bearer_auth(&token).json(&dossier("received"))).await.is(202);
    }
    let path = format!("{}/v1/dossiers/{CODE}", deployment.url());
    let sync = Answer::of(client().get(&path).bearer_auth(&token)).await.json()["sync"].clone();
    assert_eq!((&sync["openItems"], &sync["acknowledgedRevision"]), (&json!(1), &Value::Null));
    gateway.stop().await;

    // The portal comes up at an address that the operator has corrected; the folder is the same.
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let settings = std::fs::read_to_string(&deployment.file).unwrap();
    std::fs::write(&deployment.file, settings.replace("http://127.0.0.1:1", &sandbox.url())).unwrap();
    let _gateway = deployment.start().await.unwrap();
    let open = ["accepted", "sending", "retry", "unknown", "dead"];
    let patience = Duration::from_secs(20);
    lienthong_contract_tests::gateway::wait_until_none(&deployment.url(), &open, patience).await.unwrap();
    assert_eq!(sandbox.dossiers().iter().map(|held| held.inserts).collect::<Vec<_>>(), [1; 5]);
}
