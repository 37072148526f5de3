//! Reading the audit log over the API: what is found, its proof, and that each reading is itself recorded.

use lienthong::audit::log::{ProofFile, VerifierKey};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Answer, World, dossier, dossier_path, dossier_with};

const CODE: &str = "000.00.50.H15-261122-0001";
const OTHER: &str = "000.00.50.H15-261122-0002";
const NUMBER: &str = "079099000017";

async fn records(world: &World, query: &str) -> Vec<Value> {
    let page = world.get(&format!("/v1/audit/records{query}")).await.is(200).json();
    page["items"].as_array().unwrap().clone()
}

fn events(records: &[Value]) -> Vec<String> {
    let text = |record: &Value, member: &str| record["record"][member].as_str().unwrap().to_owned();
    records.iter().map(|record| format!("{} {}", text(record, "kind"), text(record, "op"))).collect()
}

async fn person_view(world: &World, number: &str) -> Vec<Value> {
    let request = world.request(Method::POST, "/v1/audit/person-views").bearer_auth(&world.token);
    let page = Answer::of(request.json(&json!({ "identityNumber": number }))).await.is(200).json();
    page["items"].as_array().unwrap().clone()
}

fn of_person(number: &str) -> Value {
    dossier_with("/owner/identityDocuments", json!([{ "kind": "personal_number", "number": number }]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_to_a_dossier_is_found_and_so_is_who_asked() {
    let world = World::start().await;
    world.put(CODE, &of_person(NUMBER)).await.is(202);
    world.put(OTHER, &dossier("received")).await.is(202);
    world.settle().await;
    world.get(&dossier_path(CODE)).await.is(200);
    let mut backwards = of_person(NUMBER);
    backwards["state"] = json!("not_received");
    let refused = world.put(CODE, &backwards).await;
    assert!(refused.status >= 400, "{refused:?}");

    let of_dossier = format!("?dossier={CODE}");
    let found = records(&world, &of_dossier).await;
    let told = events(&found);
    assert_eq!(told[0], "log_read audit.records", "this very question, recorded before it was answered");
    assert_eq!(
        told[1..],
        [
            "refuse dossier.sync",
            "body_read dossier.view",
            "outcome dossier.insert",
            "send outbox.send",
            "accept dossier.sync"
        ]
    );
    assert_eq!(events(&records(&world, &of_dossier).await)[..2], ["log_read audit.records"; 2]);
    let whole = json!(found).to_string();
    assert!(!whole.contains(CODE) && !whole.contains(NUMBER), "{whole}");

    for (filter, expected) in [
        ("kind=body_read", &["body_read dossier.view"][..]),
        ("operation=dossier.insert", &["outcome dossier.insert"]),
        ("outcome=refused", &["refuse dossier.sync"]),
        ("client=nobody", &[]),
        ("until=2020-01-01T00:00:00Z", &[]),
        ("from=2100-01-01T00:00:00Z", &[]),
    ] {
        let found = records(&world, &format!("{of_dossier}&{filter}")).await;
        assert_eq!(events(&found), expected, "{filter}");
    }

    // Who asked about the person: not the number, and not by an address.
    let found = events(&person_view(&world, NUMBER).await);
    assert_eq!(found, ["log_read audit.person_view", "body_read dossier.view", "accept dossier.sync"]);
    assert_eq!(events(&person_view(&world, "079099000018").await), ["log_read audit.person_view"]);
    let wrong = world.request(Method::POST, "/v1/audit/person-views").bearer_auth(&world.token);
    Answer::of(wrong.json(&json!({ "identityNumber": "123" })))
        .await
        .wrong_fields(&[("/identityNumber", "identity_number")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_comes_with_a_proof_that_needs_nobody_here() {
    let world = World::start().await;
    world.put(CODE, &dossier("received")).await.is(202);
    world.settle().await;
    let found = records(&world, &format!("?dossier={CODE}&kind=accept")).await;
    let id = found[0]["record"]["id"].as_str().unwrap();
    let path = format!("/v1/audit/records/{id}");
    let proved = world.wait_for(&path, |record| record["proof"].is_object()).await;
    assert_eq!((&proved["record"], &proved["index"]), (&found[0]["record"], &found[0]["index"]));

    let printed = world.cli(&["audit", "key"]).await.stdout;
    let printed = String::from_utf8(printed).unwrap();
    let key = VerifierKey::parse(printed.lines().next().unwrap()).unwrap();
    let file = ProofFile::parse(proved["proof"]["tlogProof"].as_str().unwrap().as_bytes()).unwrap();
    let sound = file.verify(std::slice::from_ref(&key)).unwrap();
    let record: Value = serde_json::from_slice(sound.record).unwrap();
    assert_eq!(record, proved["record"]);
    assert_eq!(proved["proof"]["treeSize"], sound.checkpoint.size);
    assert_eq!(proved["proof"]["path"].as_array().unwrap().len(), file.path.len());

    let read = records(&world, "?kind=log_read&operation=audit.record").await;
    assert!(read.iter().all(|read| read["record"]["ref"] == id), "{read:?}");
    assert!(!read.is_empty());
    for nobodys in ["01a20002-453a-757f-8550-c4932ccecac8", "1", "..%2f"] {
        world.get(&format!("/v1/audit/records/{nobodys}")).await.refused(404, "audit.record_not_found");
    }
    let read = records(&world, "?kind=log_read&operation=audit.record").await;
    assert!(read.iter().all(|read| read["record"]["ref"] == id), "what was not shown is said to have been: {read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_on_and_what_is_no_question_is_refused() {
    let world = World::start().await;
    for n in 0..12 {
        world.put(&format!("000.00.50.H15-261122-{n:04}"), &dossier("received")).await.is(202);
    }
    world.settle().await;
    let (mut path, mut ids, mut cursors) = ("/v1/audit/records?kind=accept&limit=5".to_owned(), Vec::new(), Vec::new());
    loop {
        let answer = world.get(&path).await.is(200);
        let page = answer.json();
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["record"]["id"].to_string()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        cursors.push(cursor.to_owned());
        let next = answer.header("link").split(['<', '>']).nth(1).unwrap().to_owned();
        assert!(next.contains("kind=accept") && next.contains("limit=5"), "{next}");
        path = next;
    }
    assert_eq!(ids.len(), 12);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 12, "each once");

    let of_dossiers = world.get("/v1/dossiers?limit=1").await.is(200).json()["nextCursor"].as_str().unwrap().to_owned();
    for (query, place, code) in [
        ("kind=secret", "#/query/kind", "unknown_event"),
        ("operation=dossier.steal", "#/query/operation", "unknown_event"),
        ("outcome=", "#/query/outcome", "unknown_event"),
        ("dossier=abc", "#/query/dossier", "dossier_code"),
        ("from=yesterday", "#/query/from", "timestamp"),
        ("limit=0", "#/query/limit", "limit"),
        ("limit=201", "#/query/limit", "limit"),
        ("person=001099012345", "#/query/person", "unknown_parameter"),
        ("kind=accept&kind=send", "#/query/kind", "repeated"),
        ("cursor=x", "#/query/cursor", "cursor"),
        (&format!("cursor={of_dossiers}"), "#/query/cursor", "cursor"),
    ] {
        world.get(&format!("/v1/audit/records?{query}")).await.wrong_fields(&[(place, code)]);
    }
    world.get(&format!("/v1/dossiers?cursor={}", cursors[0])).await.wrong_fields(&[("#/query/cursor", "cursor")]);
}
