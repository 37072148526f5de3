//! What a token allows, operation by operation: the API document says which there are, `http::rules` says what each asks,
//! and an operation that is new is run here without a word about it.

use lienthong::access::Scope;
use lienthong::access::administer::NewProof;
use lienthong::http::rules::{About, RULES, Rule, apply};
use lienthong::wiring;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, client};
use lienthong_sandbox::Settings;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::forge::Forge;
use super::{add, client_of, clock, scoped_token, token_of};
use crate::agreement::reconcile;
use crate::inbox::{INBOX, a_message_with_a_file};
use crate::support::{Answer, World, dossier, dossier_path};

const FOREIGN: &str = "H15.50-261121-0001";
const NOWHERE: &str = "H15.50-261121-9999";
const WARDS_OWN: &str = "H15.61-261121-0001";

/// An operation of the API document, with the rule that guards it.
struct Guarded {
    method: Method,
    path: String,
    rule: Rule,
    /// Its example body, if it takes one.
    body: Option<Value>,
    needs_key: bool,
}

/// What a request is about.
#[derive(Clone, Default)]
struct Target {
    code: &'static str,
    operation: String,
    record: String,
    /// Of the inbox.
    message: String,
}

impl Guarded {
    async fn all(world: &World) -> Vec<Self> {
        let document = Answer::of(world.request(Method::GET, "/v1/openapi.json")).await.is(200).json();
        let mut guarded = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if operation["security"] == json!([]) {
                    continue;
                }
                let id = operation["operationId"].as_str().unwrap();
                let rule = RULES.iter().find(|rule| rule.operation == id);
                guarded.push(Self {
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.clone(),
                    rule: *rule.unwrap_or_else(|| panic!("{id} has no rule")),
                    body: operation.pointer("/requestBody/content/application~1json/example").cloned(),
                    needs_key: operation.to_string().contains("Idempotency-Key"),
                });
            }
        }
        assert_eq!(guarded.len(), RULES.len());
        guarded
    }

    fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// As the document says it, about this target.
    fn request(&self, world: &World, target: &Target) -> RequestBuilder {
        self.request_by(&self.method, world, target)
    }

    fn request_by(&self, method: &Method, world: &World, target: &Target) -> RequestBuilder {
        let path = self
            .path
            .replace("/procedures/{code}", "/procedures/1.001612")
            .replace("/records/{id}", &format!("/records/{}", target.record))
            .replace("/inbox-items/{id}", &format!("/inbox-items/{}", target.message))
            .replace("{number}", "1")
            .replace("{dictionary}", "fields")
            .replace("{code}", target.code)
            .replace("{id}", &target.operation);
        assert!(!path.contains('{'), "nobody said what stands in {path}");
        let mut request = world.request(method.clone(), &path);
        if self.needs_key {
            request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
        }
        match &self.body {
            Some(body) => request.json(&about(body, target.code)),
            None => request,
        }
    }

    /// The methods by which it is reached: whoever may read may ask for the head alone.
    fn methods(&self) -> Vec<Method> {
        if self.is_write() { vec![self.method.clone()] } else { vec![Method::GET, Method::HEAD] }
    }
}

/// The example, with this code wherever it names one.
fn about(example: &Value, code: &str) -> Value {
    let mut body = example.clone();
    for item in body.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        item["code"] = json!(code);
    }
    body
}

/// A gateway with something to be seen at every route.
async fn with_everything() -> World {
    let world = World::with(Settings::default(), &format!("{INBOX}\n[catalogue]\nevery_hours = 1\n")).await;
    world.wait_for("/v1/catalogue", |now| now["copiedAt"].is_string()).await;
    world
}

/// What the province has, under the examples of the document: its content is that of every request here.
async fn provinces_own(world: &World, operations: &[Guarded]) -> Target {
    let put = operations.iter().find(|guarded| guarded.rule.operation == "putDossier").unwrap();
    let message = a_message_with_a_file(world, "message 1").await;
    let target = Target { code: FOREIGN, message, ..Target::default() };
    let answer = Answer::of(put.request(world, &target).bearer_auth(&world.token)).await.is(202);
    let operation = answer.header("location").rsplit_once('/').unwrap().1.to_owned();
    let accepted = format!("/v1/audit/records?dossier={FOREIGN}&kind=accept");
    let found = world.wait_for(&accepted, |page| page["items"] != json!([])).await;
    let record = found["items"][0]["record"]["id"].as_str().unwrap().to_owned();
    Target { operation, record, ..target }
}

/// Status and body, apart from what is a request's own.
async fn seen(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let mut body = serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null);
    if let Some(members) = body.as_object_mut() {
        members.remove("traceId");
    }
    (status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_stranger_what_is_another_agencys_looks_like_nothing() {
    let world = with_everything().await;
    let operations = Guarded::all(&world).await;
    let theirs = provinces_own(&world, &operations).await;
    let id = || Uuid::now_v7().to_string();
    let nothing = Target { code: NOWHERE, operation: id(), record: id(), message: id() };
    world.settle().await;
    // The nation loses it, so that there is a difference that a stranger must not see.
    world.sandbox.tamper(FOREIGN, |_| None);
    reconcile(&world, &[]).await;
    let before = world.get(&dossier_path(FOREIGN)).await.json();
    for guarded in &operations {
        let id = guarded.rule.operation;
        match guarded.rule.about {
            About::Dossier | About::Operation | About::Record | About::InboxItem => {
                // What has no code of its own is not there for a stranger, whatever is asked.
                let is_hidden = !guarded.is_write() || guarded.rule.about == About::InboxItem;
                for method in guarded.methods() {
                    let as_ward = |target| guarded.request_by(&method, &world, target).bearer_auth(&world.ward);
                    let (there, not_there) = (seen(as_ward(&theirs)).await, seen(as_ward(&nothing)).await);
                    assert_eq!(there, not_there, "{method} {id} tells what there is");
                    assert_eq!(there.0, if is_hidden { 404 } else { 403 }, "{method} {id}: {}", there.1);
                    if !is_hidden {
                        assert_eq!(there.1["code"], "access.agency_not_allowed", "{id}");
                    }
                }
            }
            About::DossiersInBody => each_is_refused_alone(&world, guarded).await,
            About::OwnDossiers => does_not_show(&world, guarded).await,
            About::OwnInbox => {
                let list = async |token: &str| {
                    Answer::of(guarded.request(&world, &theirs).bearer_auth(token)).await.is(200).json()["items"]
                        .clone()
                };
                assert_eq!(list(&world.ward).await, json!([]));
                assert_eq!(list(&world.token).await.as_array().unwrap().len(), 1);
            }
            About::OwnRecords => shows_own_records_only(&world, guarded, &theirs).await,
            About::Everyone => {
                let ask = |token: &str| seen(guarded.request(&world, &theirs).bearer_auth(token));
                assert_eq!(ask(&world.ward).await, ask(&world.token).await, "{id} is not the same for everyone");
            }
        }
    }
    world.settle().await;
    assert_eq!(world.get(&dossier_path(FOREIGN)).await.json(), before, "something was done to it");
    world.get(&dossier_path(NOWHERE)).await.refused(404, "dossier.not_found");
    // Each of these requests was good in itself.
    for guarded in &operations {
        // A message is decided once.
        let message = a_message_with_a_file(&world, guarded.rule.operation).await;
        let theirs = Target { message, ..theirs.clone() };
        for method in guarded.methods() {
            let answer = Answer::of(guarded.request_by(&method, &world, &theirs).bearer_auth(&world.token)).await;
            assert!(matches!(answer.status, 200 | 202), "{method} {}: {answer:?}", guarded.rule.operation);
        }
    }
}

async fn each_is_refused_alone(world: &World, guarded: &Guarded) {
    let item = |code: &str| about(guarded.body.as_ref().unwrap(), code)["items"][0].clone();
    let mixed = json!({ "items": [item(FOREIGN), item(WARDS_OWN), item(NOWHERE)] });
    let request = guarded.request(world, &Target { code: FOREIGN, ..Target::default() }).json(&mixed);
    let answer = Answer::of(request.bearer_auth(&world.ward)).await.is(202).json();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(1), &json!(2)), "{answer}");
    let mut items: Vec<Value> = answer["items"].as_array().unwrap().clone();
    let indices: Vec<Value> =
        items.iter_mut().map(|item| item.as_object_mut().unwrap().remove("index").unwrap()).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert_eq!(items[0], items[2], "one that is there is told from one that is not");
    assert_eq!((&items[0]["status"], &items[0]["problem"]["code"]), (&json!(403), &json!("access.agency_not_allowed")));
    assert_eq!(items[1]["status"], 202);
}

async fn does_not_show(world: &World, guarded: &Guarded) {
    let nobodys = Target { code: NOWHERE, ..Target::default() };
    let list = |token: &str| guarded.request(world, &nobodys).bearer_auth(token);
    let codes = |answer: &Answer| -> Vec<String> {
        let items = answer.json()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["code"].as_str().unwrap().to_owned()).collect()
    };
    world.wait_for("/v1/dossiers", |list| list["items"].to_string().contains(FOREIGN)).await;
    let shown = Answer::of(list(&world.ward)).await.is(200);
    assert!(codes(&shown).iter().all(|code| code.starts_with("H15.61")), "{shown:?}");
    assert!(codes(&Answer::of(list(&world.token)).await.is(200)).contains(&FOREIGN.to_owned()));
}

/// The ward has a record, too: that of this very question, which is of no agency, and which it does not see.
async fn shows_own_records_only(world: &World, guarded: &Guarded, theirs: &Target) {
    let records = async |token: &str| {
        let answer = Answer::of(guarded.request(world, theirs).bearer_auth(token)).await.is(200).json();
        answer["items"].as_array().unwrap().clone()
    };
    for item in records(&world.ward).await {
        assert!(item["record"]["agency"].as_str().is_some_and(|agency| agency.starts_with("H15.61")), "{item}");
    }
    assert!(!records(&world.token).await.is_empty(), "{}", guarded.rule.operation);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_ones_own_leads_on_and_names_nobody_elses() {
    let world = World::start().await;
    for number in 1..=20 {
        world.put(&format!("H15.50-261121-{number:04}"), &dossier("received")).await.is(202);
    }
    let put = world.request(Method::PUT, &dossier_path(WARDS_OWN)).bearer_auth(&world.ward).json(&dossier("received"));
    Answer::of(put).await.is(202);
    let (mut path, mut found, mut pages) = ("/v1/dossiers?limit=1".to_owned(), Vec::new(), 0);
    loop {
        let page = Answer::of(world.request(Method::GET, &path).bearer_auth(&world.ward)).await.is(200).json();
        found.extend(page["items"].as_array().unwrap().iter().map(|item| item["code"].clone()));
        pages += 1;
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        let plain = String::from_utf8_lossy(&super::decode(cursor).unwrap()).into_owned();
        assert!(!plain.contains("H15.50"), "the cursor names a dossier of another agency: {plain}");
        path = format!("/v1/dossiers?limit=1&cursor={cursor}");
    }
    assert_eq!(found, [WARDS_OWN]);
    assert!(pages > 2, "there was no page without the ward's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_or_a_key_of_someone_else_tells_and_gives_nothing() {
    let world = World::start().await;
    world.put(FOREIGN, &dossier("received")).await.is(202);
    let steps = format!("{}/steps", dossier_path(FOREIGN));
    let step = lienthong_contract_tests::load::step("received", "Tiếp nhận");
    world.post(&steps, "the-same-key", &step).await.is(202);
    for tag in ["\"1\"", "\"2\"", "*"] {
        let put = world.request(Method::PUT, &dossier_path(FOREIGN)).header("If-Match", tag).json(&dossier("received"));
        let answer = Answer::of(put.bearer_auth(&world.ward)).await;
        match tag {
            // No tag of ours, whoever asks.
            "*" => answer.refused(412, "request.precondition_failed"),
            _ => answer.refused(403, "access.agency_not_allowed"),
        };
    }
    let again = world.request(Method::POST, &steps).header("Idempotency-Key", "the-same-key").json(&step);
    let answer = Answer::of(again.bearer_auth(&world.ward)).await.refused(403, "access.agency_not_allowed");
    assert_eq!(answer.header("idempotent-replayed"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_needs_its_scope_and_no_other() {
    let world = with_everything().await;
    let operations = Guarded::all(&world).await;
    let own = provinces_own(&world, &operations).await;
    let secret = world.deployment.secret(PROVINCE).await.unwrap();
    for guarded in &operations {
        let Rule { operation: id, scope, .. } = guarded.rule;
        let others: Vec<&str> =
            Scope::ALL.iter().filter(|other| **other != scope).map(|other| other.as_str()).collect();
        assert!(!others.is_empty());
        // A message is decided once.
        let own = Target { message: a_message_with_a_file(&world, id).await, ..own.clone() };
        let lacking = scoped_token(&world, PROVINCE, secret, &others.join(" ")).await;
        let only = scoped_token(&world, PROVINCE, secret, scope.as_str()).await;
        for method in guarded.methods() {
            let ask = |token: &str| guarded.request_by(&method, &world, &own).bearer_auth(token);
            let refused = ask(&lacking).send().await.unwrap();
            assert_eq!(refused.status(), 403, "{method} {id}");
            let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
            assert_eq!(challenge, format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""), "{method} {id}");
            if method != Method::HEAD {
                Answer::of(ask(&lacking)).await.refused(403, "access.scope_missing");
            }
            let answer = Answer::of(ask(&only)).await;
            assert!(matches!(answer.status, 200 | 202), "{method} {id} with {scope} alone: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_allows_no_more_than_its_client_whatever_it_says() {
    let world = World::start().await;
    let added = add(&world.deployment, client_of("reader", &[], &[Scope::DossiersRead]), NewProof::Secret).await;
    let own = token_of(&world, "reader", added.secret.as_ref().unwrap()).await;
    // Signed by the gateway's own key, as if it had once been given more.
    let forge = Forge::beside(&world.deployment).await;
    let more = json!({ "sub": "reader", "client_id": "reader", "credential": added.credential, "scope": "dossiers:read dossiers:write" });
    for token in [own, forge.with_claims(&more)] {
        Answer::of(world.request(Method::GET, "/v1/dossiers").bearer_auth(&token)).await.is(200);
        let put = world.request(Method::PUT, &dossier_path(FOREIGN)).bearer_auth(&token).json(&dossier("received"));
        Answer::of(put).await.refused(403, "access.scope_missing");
    }
    let unknown = forge.with_claims(&json!({ "scope": "dossiers:everything admin" }));
    let list = world.request(Method::GET, "/v1/dossiers").bearer_auth(unknown);
    Answer::of(list).await.refused(403, "access.scope_missing");
    world.nothing_happened("writes of a reader").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_some_procedures_writes_for_no_other() {
    let world = World::start().await;
    let added = add(&world.deployment, client_of("some", &["1.001612"], Scope::ALL), NewProof::Secret).await;
    let token = token_of(&world, "some", &added.secret.unwrap()).await;
    let of = |procedure: &str| crate::support::dossier_with("/procedureCode", json!(procedure));
    let put = |code: &str, body: &Value| {
        client().put(format!("{}{}", world.deployment.url(), dossier_path(code))).bearer_auth(&token).json(body)
    };
    Answer::of(put(FOREIGN, &of("1.013225"))).await.refused(403, "access.procedure_not_allowed");
    world.nothing_happened("a dossier of another procedure").await;
    Answer::of(put(FOREIGN, &of("1.001612"))).await.is(202);
    Answer::of(put(NOWHERE, &of("1.001612.000.00.00.H15"))).await.is(202);
    let mut items = [of("1.013225"), of("1.001612")];
    items[0]["code"] = json!("H15.50-261121-0003");
    items[1]["code"] = json!("H15.50-261121-0004");
    let batch = world.request(Method::POST, "/v1/dossier-batches").header("Idempotency-Key", "batch");
    let answer = Answer::of(batch.bearer_auth(&token).json(&json!({ "items": items }))).await.is(202).json();
    assert_eq!(answer["items"][0]["problem"]["code"], "access.procedure_not_allowed", "{answer}");
    assert_eq!(answer["items"][1]["status"], 202, "{answer}");

    // A dossier of another procedure that is there already is not its affair either, by whatever door.
    let others = "H15.50-261121-0005";
    world.put(others, &of("1.013225")).await.is(202);
    Answer::of(put(others, &of("1.001612"))).await.refused(403, "access.procedure_not_allowed");
    let step = lienthong_contract_tests::load::step("received", "Tiếp nhận");
    let steps = |code: &str| {
        let post =
            world.request(Method::POST, &format!("{}/steps", dossier_path(code))).header("Idempotency-Key", code);
        post.bearer_auth(&token).json(&step)
    };
    Answer::of(steps(others)).await.refused(403, "access.procedure_not_allowed");
    Answer::of(steps(FOREIGN)).await.is(202);
    assert_eq!(world.get(&dossier_path(others)).await.json()["revision"], 1);
    // What it may not write it may read.
    Answer::of(world.request(Method::GET, &dossier_path(others)).bearer_auth(&token)).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_without_a_rule_or_a_rule_without_an_operation_is_not_served() {
    let deployment = Deployment::new("http://127.0.0.1:1", "").unwrap();
    let settings = deployment.load().unwrap().settings;
    let mut document = wiring::api_document(&settings, clock()).await.unwrap();
    document.paths.paths.retain(|path, _| path.starts_with("/v1/") || path == "/metrics");
    assert_eq!(apply(&mut document.clone()).unwrap().len(), RULES.len());

    let mut more = document.clone();
    let mut item = more.paths.paths["/v1/dossiers"].clone();
    item.get.as_mut().unwrap().operation_id = Some("listEverything".into());
    more.paths.paths.insert("/v1/everything".into(), item.clone());
    let error = apply(&mut more).unwrap_err();
    assert!(error.contains("listEverything") && error.contains("GET /v1/everything"), "{error}");
    item.get.as_mut().unwrap().operation_id = None;
    more.paths.paths.insert("/v1/everything".into(), item);
    let error = apply(&mut more).unwrap_err();
    assert!(error.contains("GET /v1/everything"), "{error}");

    let mut less = document.clone();
    less.paths.paths.remove("/v1/operations/{id}").unwrap();
    let error = apply(&mut less).unwrap_err();
    assert!(error.contains("getOperation"), "{error}");
}
