//! The API document: committed, served, complete, bounded, and true of every route.

use std::collections::BTreeSet;
use std::process::Command;

use lienthong::http::problem::Code;
use lienthong_contract_tests::gateway::program;
use reqwest::Method;
use serde_json::Value;

use super::{root, run};
use crate::support::{Answer, World};

fn document() -> Value {
    let (output, printed) = run(Command::new(program().unwrap()).arg("openapi").env_clear());
    assert!(output.status.success(), "{printed}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = paths.iter().flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |m| (path, m)));
    methods.map(|(path, (method, operation))| (path.clone(), method.to_uppercase(), operation)).collect()
}

#[test]
fn the_committed_api_document_is_the_one_that_the_code_gives() {
    let (output, _) = run(Command::new(program().unwrap()).arg("openapi"));
    let committed = std::fs::read_to_string(root().join("docs/openapi.json")).unwrap_or_default();
    let is_same = committed == String::from_utf8_lossy(&output.stdout);
    assert!(is_same, "docs/openapi.json is not what the code says: run `cargo xtask openapi` and commit it");
}

#[test]
fn a_gateway_serves_the_document_that_it_prints() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served = runtime.block_on(async {
        let world = World::start().await;
        Answer::of(world.request(Method::GET, "/v1/openapi.json")).await.is(200).json()
    });
    assert_eq!(served, document());
}

/// Every schema in the document with its place, examples apart.
fn schemas(document: &Value) -> Vec<(String, &Value)> {
    fn walk<'a>(place: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
        match value {
            Value::Object(members) => {
                if members.contains_key("type") || members.contains_key("$ref") || members.contains_key("oneOf") {
                    found.push((place.to_owned(), value));
                }
                for (name, value) in members.iter().filter(|(name, _)| !matches!(name.as_str(), "example" | "examples"))
                {
                    walk(&format!("{place}/{}", name.replace('/', "~1")), value, found);
                }
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, value)| walk(&format!("{place}/{n}"), value, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", document, &mut found);
    found
}

fn is_of_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// Names of the schemas that a request can hold.
fn in_requests(document: &Value) -> BTreeSet<String> {
    let mut waiting: Vec<&Value> =
        operations(document).iter().flat_map(|(_, _, o)| [&o["requestBody"], &o["parameters"]]).collect();
    let mut names = BTreeSet::new();
    while let Some(value) = waiting.pop() {
        for (_, schema) in schemas(value) {
            let reference = schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/components/schemas/"));
            if let Some(name) = reference.filter(|name| names.insert((*name).to_owned())) {
                waiting.push(&document["components"]["schemas"][name]);
            }
        }
    }
    names
}

#[test]
fn every_operation_is_named_described_and_guarded() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let flow = &schemes["accessToken"]["flows"]["clientCredentials"];
    assert_eq!(flow["tokenUrl"], "/oauth/token");
    let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
    let operations = operations(&document);
    assert!(operations.len() >= 6);
    for (path, method, operation) in &operations {
        let mut must = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{method} {path}: {what}"));
            }
        };
        let id = operation["operationId"].as_str().unwrap_or_default();
        must(!id.is_empty() && ids.insert(id.to_owned()), "an operationId of its own is needed");
        must(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "a summary is needed");
        must(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "one tag is needed");
        for (status, response) in operation["responses"].as_object().unwrap() {
            let described = response["description"].as_str().is_some_and(|text| !text.is_empty());
            must(described, &format!("a description is needed for {status}"));
            let kinds: &[&str] = match status.starts_with('2') {
                // Prometheus reads text.
                true if id == "getMetrics" => &["text/plain"],
                true if id == "getInboxFile" => &["application/octet-stream"],
                true => &["application/json"],
                // The errors of the token endpoint are those of its own standard.
                false if id == "postToken" => &["application/problem+json", "application/json"],
                false => &["application/problem+json"],
            };
            let names_a_scheme = response["headers"]["WWW-Authenticate"].is_object();
            must(names_a_scheme == (status == "401"), "a 401, and nothing else, names a scheme");
            if status == "304" {
                continue;
            }
            let has_schema = kinds.iter().any(|kind| response["content"][kind]["schema"].is_object());
            must(has_schema, &format!("{status} has no schema of {kinds:?}"));
        }
        // Without a token only what gives tokens can be asked.
        let is_open = operation["security"] == serde_json::json!([]);
        must(is_open == (operation["tags"][0] == "access"), "who may call it?");
        if !is_open {
            let scope = operation["security"][0]["accessToken"][0].as_str().unwrap_or_default();
            must(flow["scopes"][scope].is_string(), &format!("there is no scope {scope:?}"));
        }
        for code in Code::ALL.iter().filter(|_| !is_open) {
            let status = code.status().as_u16().to_string();
            let told = operation["responses"][&status]["description"].as_str().unwrap_or_default();
            must(told.contains(code.as_str()), &format!("{code:?} is not among its refusals"));
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            must(parameter["description"].is_string(), &format!("{} has no description", parameter["name"]));
            let in_path = path.contains(&format!("{{{}}}", parameter["name"].as_str().unwrap()));
            must(in_path == (parameter["in"] == "path"), &format!("{} and the path disagree", parameter["name"]));
        }
        if let Some(body) = operation.get("requestBody") {
            let kind = if is_open { "application/x-www-form-urlencoded" } else { "application/json" };
            must(body["content"][kind]["example"].is_object(), "an example body is needed");
            must(body["required"] == true, "a body that is needed is called so");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_schema_is_bounded() {
    let document = document();
    let of_requests = in_requests(&document);
    assert!(of_requests.contains("Owner") && of_requests.contains("Step"), "{of_requests:?}");
    let mut wrong = Vec::new();
    for (place, schema) in schemas(&document) {
        // What we write into heads is bounded by us.
        if place.contains("/headers/") {
            continue;
        }
        let has = |name: &str| schema.get(name).is_some();
        if is_of_type(schema, "string") && !(has("maxLength") || has("enum") || has("const")) {
            wrong.push(format!("{place}: a text without maxLength or enum: {schema}"));
        }
        if is_of_type(schema, "array") && !has("maxItems") {
            wrong.push(format!("{place}: a list without maxItems"));
        }
        let name = place.strip_prefix("/components/schemas/").map(|rest| rest.split('/').next().unwrap_or_default());
        let is_sent_to_us = name.map_or(place.contains("/parameters/") || place.contains("/requestBody/"), |name| {
            of_requests.contains(name)
        });
        if is_of_type(schema, "integer") && !(has("minimum") && (has("maximum") || !is_sent_to_us)) {
            wrong.push(format!("{place}: a number without bounds: {schema}"));
        }
        let reference = schema["$ref"].as_str().map(|text| text.trim_start_matches('#'));
        if let Some(missing) = reference.filter(|pointer| document.pointer(pointer).is_none()) {
            wrong.push(format!("{place}: there is no {missing}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_document_is_served() {
    let world = World::start().await;
    let document = tokio::task::spawn_blocking(document).await.unwrap();
    for (path, method, operation) in operations(&document) {
        let filled =
            path.replace("{code}", "H15.50-261121-0001").replace("{id}", "019aa0c0-0000-7000-8000-000000000000");
        let filled = filled.replace("{number}", "1").replace("{dictionary}", "fields");
        assert!(!filled.contains('{'), "{path}: a parameter that this test does not know");
        let method: Method = method.parse().unwrap();
        if operation["operationId"] == "postToken" {
            continue;
        }
        let request = world.request(method.clone(), &filled).bearer_auth(&world.token).header("Idempotency-Key", "k");
        let answer = Answer::of(request).await;
        let code = if answer.status < 400 { String::new() } else { answer.json()["code"].as_str().unwrap().to_owned() };
        assert!(!code.starts_with("route."), "{method} {path} answers {code}");
        let is_described = operation["responses"].get(answer.status.to_string()).is_some();
        assert!(is_described, "{method} {path} answers {}, which is not described", answer.status);
        if operation["security"] != serde_json::json!([]) {
            let without_token = Answer::of(world.request(method.clone(), &filled)).await;
            assert_eq!(without_token.status, 401, "{method} {path} is not guarded");
        }
    }
}
