//! What is written beside the code says what the code does: the API document, the table of errors, the settings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lienthong::adapters::CARDS;
use lienthong::config::{self, Mistake};
use lienthong::http::problem::Code;
use lienthong_contract_tests::gateway::{Deployment, program};
use lienthong_sandbox::PortalSettings;
use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, World};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let printed = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    (output, printed)
}

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
                true => &["application/json"],
                // The errors of the token endpoint are those of its own standard.
                false if id == "postToken" => &["application/problem+json", "application/json"],
                false => &["application/problem+json"],
            };
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

/// Rows of the table whose header has this cell second: the first cell's code, and the second cell.
fn rows(text: &str, second: &str) -> Vec<(String, String)> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let lines: Vec<&str> = text.lines().collect();
    let header =
        lines.iter().position(|line| line.starts_with('|') && cells(line).get(1).is_some_and(|cell| cell == second));
    let start = header.unwrap_or_else(|| panic!("there is no table with the column {second}")) + 2;
    let table = lines[start..].iter().take_while(|line| line.starts_with('|'));
    table.map(|line| (cells(line)[0].trim_matches('`').to_owned(), cells(line)[1].clone())).collect()
}

#[test]
fn the_table_of_errors_has_exactly_one_row_a_code() {
    let rows = rows(&read("docs/errors.md"), "HTTP");
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let found: Vec<&String> =
            rows.iter().filter(|(name, _)| name == code.as_str()).map(|(_, status)| status).collect();
        let status = code.status().as_u16().to_string();
        match found.as_slice() {
            [one] if **one == status => {}
            [other] => wrong.push(format!("`{}` is {status}, the table says {other}", code.as_str())),
            others => wrong.push(format!("`{}` has {} rows", code.as_str(), others.len())),
        }
    }
    for (name, _) in rows.iter().filter(|(name, _)| Code::ALL.iter().all(|code| code.as_str() != name)) {
        wrong.push(format!("`{name}` is in the table and is no code"));
    }
    assert!(wrong.is_empty(), "docs/errors.md: {}", wrong.join("; "));
}

#[test]
fn every_code_of_a_field_and_every_reason_of_an_item_is_explained() {
    let text = read("docs/errors.md");
    let mut codes = BTreeSet::new();
    for folder in ["domain/src", "src/dossiers", "src/http", "src/access"] {
        let mut waiting = vec![root().join(folder)];
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let calls = source.split("Refusal::new(").skip(1).map(str::trim_start);
            codes.extend(calls.filter_map(|rest| rest.strip_prefix('"')?.split('"').next().map(str::to_owned)));
        }
    }
    assert!(codes.len() > 20, "{codes:?}");
    use lienthong_domain::port::PortErrorKind;
    let kinds = [
        PortErrorKind::Unavailable,
        PortErrorKind::RateLimited { retry_after: None },
        PortErrorKind::Rejected { reason: lienthong_domain::invalid::Message::new("", "") },
        PortErrorKind::AlreadyExists,
        PortErrorKind::NotFound,
        PortErrorKind::OurCredentialRefused,
        PortErrorKind::Unreadable,
        PortErrorKind::OutcomeUnknown,
    ];
    codes.extend(kinds.iter().map(|kind| kind.name().to_owned()));
    let missing: Vec<&String> = codes.iter().filter(|code| !text.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/errors.md does not explain {missing:?}");
}

/// Leaves of the settings with their dotted keys.
fn leaves(prefix: &str, table: &toml::Table, found: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => leaves(&key, inner, found),
            _ => found.push(key),
        }
    }
}

#[test]
fn every_setting_is_used_somewhere() {
    let table: toml::Table = read("config/gateway.toml").parse().unwrap();
    let mut keys = Vec::new();
    leaves("", &table, &mut keys);
    assert!(keys.len() > 35, "{keys:?}");
    let users: String = [
        "src/wiring/mod.rs",
        "src/wiring/stores.rs",
        "src/wiring/duties.rs",
        "src/config/settings/tables.rs",
        "src/cli/serve.rs",
        "adapters/kit/src/breaker.rs",
    ]
    .map(read)
    .concat();
    for key in keys {
        let last = key.rsplit('.').next().unwrap();
        let is_used = users.contains(&format!(".{last}"));
        assert!(is_used, "config/gateway.toml: {key} is read and then nobody looks at it");
    }
}

fn mistakes(deployment: &Deployment, environment: &[(&str, &str)]) -> Vec<Mistake> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    config::load(Some(&deployment.file), environment, CARDS).err().expect("the settings were taken")
}

fn at(mistakes: &[Mistake]) -> Vec<&str> {
    mistakes.iter().map(|mistake| mistake.key.as_str()).collect()
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_key_and_where_it_came_from() {
    let more = r#"
[http]
body_bites = 1
concurrent_requests = "many"
[outbox]
retry_delays_ms = [1, -5]
[outbox.breaker]
window = 1
[portal]
adaptor = "portal-dvcqg"
[surprise]
x = 1
[adapters.portal-dvcqg]
adapter_urls = "x"
[adapters.portal-dvcqg.after_ambiguity]
append_step = "look_up"
"#;
    let deployment = Deployment::new("http://127.0.0.1:1", more).unwrap();
    let variable = ("LIENTHONG__DOSSIERS__PAGE_ITEMS", "lots");
    let found = mistakes(&deployment, &[variable]);
    let file = deployment.file.display().to_string();
    for (key, source) in [
        ("http.body_bites", file.as_str()),
        ("http.concurrent_requests", &file),
        ("outbox.retry_delays_ms.1", &file),
        ("outbox.breaker.window", &file),
        ("portal.adaptor", &file),
        ("surprise", &file),
        ("adapters.portal-dvcqg.adapter_urls", &file),
        ("adapters.portal-dvcqg.after_ambiguity.append_step", &file),
        ("dossiers.page_items", "environment LIENTHONG__DOSSIERS__PAGE_ITEMS"),
    ] {
        let mistake = found.iter().find(|mistake| mistake.key == key).unwrap_or_else(|| panic!("no {key}: {found:#?}"));
        assert_eq!(mistake.source, source, "{key}");
        assert!(!mistake.vi.is_empty() && !mistake.en.is_empty() && mistake.vi != mistake.en, "{mistake:?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
    let (output, printed) = run(deployment.command().unwrap().arg("check-config").env(variable.0, variable.1));
    assert_eq!(output.status.code(), Some(2));
    for key in at(&found) {
        assert!(printed.contains(key), "{key} is not printed: {printed}");
    }
    assert!(printed.contains(&file));
    let (refused, _) = run(deployment.command().unwrap().arg("serve").env(variable.0, variable.1));
    assert_eq!(refused.status.code(), Some(2), "nothing starts with a mistake");
}

#[test]
fn values_that_cannot_work_together_are_mistakes() {
    for (more, key) in [
        ("outbox = { lease_ms = 1000, attempt_timeout_ms = 1000 }", "outbox.attempt_timeout_ms"),
        ("outbox = { retry_delays_ms = [] }", "outbox.retry_delays_ms"),
        ("outbox = { retry_jitter_percent = 51 }", "outbox.retry_jitter_percent"),
        ("idempotency = { keep_hours = 23 }", "idempotency.keep_hours"),
        ("server = { listen = \"0.0.0.0:8686\" }", "server.listen"),
        ("server = { listen = \"localhost\" }", "server.listen"),
        ("log = { format = \"xml\" }", "log.format"),
        ("portal = { adapter = \"portal-dvcqgg\" }", "portal.adapter"),
        ("storage = { sqlite = { readers = 0 } }", "storage.sqlite.readers"),
        ("deployment = { name = \"Cổng\" }", "deployment.name"),
        ("server = { public_url = \"http://lienthong.example\" }", "server.public_url"),
        ("server = { public_url = \"https://lienthong.example/\" }", "server.public_url"),
        ("access = { token_lifetime_s = 3601 }", "access.token_lifetime_s"),
        ("access = { remember_token_ms = 30001 }", "access.remember_token_ms"),
        ("agencies = [{ code = \"Sở\", name = \"x\" }]", "agencies.0.code"),
        ("agencies = [{ code = \"H15\", name = \"x\", valid_to = \"2026-13-01\" }]", "agencies.0.valid_to"),
        (
            "status_maps = [{ agency = \"H15\", entries = [] }, { agency = \"000.00.00.H15\", entries = [] }]",
            "status_maps.1.agency",
        ),
        (
            "procedures = [{ code = \"1.001193\", name = \"a\" }, { code = \"1.001193.H15\", name = \"b\" }]",
            "procedures.1.code",
        ),
    ] {
        let deployment = Deployment::new("http://127.0.0.1:1", more).unwrap();
        assert_eq!(at(&mistakes(&deployment, &[])), [key], "{more}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_its_line_and_without_its_words() {
    let deployment = Deployment::new("http://127.0.0.1:1", "").unwrap();
    std::fs::write(&deployment.file, "[server]\nlisten = \"127.0.0.1:1\"\nkey = so-secret-a-word\n").unwrap();
    let found = mistakes(&deployment, &[]);
    assert_eq!(found.len(), 1);
    assert!(found[0].en.contains("Line 3") && found[0].vi.contains("Dòng 3"), "{found:?}");
    assert!(!format!("{found:?}").contains("so-secret-a-word"), "{found:?}");
    std::fs::remove_file(&deployment.file).unwrap();
    assert_eq!(at(&mistakes(&deployment, &[])), [deployment.file.display().to_string()]);
}

#[test]
fn the_environment_goes_over_the_file_and_a_misspelt_variable_is_told() {
    let deployment = Deployment::new("http://127.0.0.1:1", "http.body_bytes = 1000").unwrap();
    let load = |environment: &[(&str, &str)]| {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        config::load(Some(&deployment.file), environment, CARDS)
    };
    assert_eq!(load(&[]).ok().unwrap().settings.http.body_bytes, 1000);
    let loaded = load(&[
        ("LIENTHONG__HTTP__BODY_BYTES", "2000"),
        ("LIENTHONG__OUTBOX__RETRY_DELAYS_MS", "[1, 2]"),
        ("LIENTHONG__DEPLOYMENT__NAME", ""),
        ("HOME", "/root"),
    ]);
    // An empty name is refused and says which variable it came from.
    let refused = loaded.err().unwrap();
    assert_eq!(
        (at(&refused), refused[0].source.as_str()),
        (vec!["deployment.name"], "environment LIENTHONG__DEPLOYMENT__NAME")
    );
    let loaded = load(&[
        ("LIENTHONG__HTTP__BODY_BYTES", "2000"),
        ("LIENTHONG__OUTBOX__RETRY_DELAYS_MS", "[1, 2]"),
        ("LIENTHONG__ADAPTERS__PORTAL_DVCQG__ACCOUNT__USERNAME", "12345"),
    ]);
    let loaded = loaded.ok().unwrap();
    assert_eq!(
        (loaded.settings.http.body_bytes, loaded.settings.outbox.retry_delays_ms.as_slice()),
        (2000, &[1, 2][..])
    );
    assert_eq!(loaded.adapters["portal-dvcqg"]["account"]["username"], "12345", "a text stays a text");
    for (variable, key) in [
        ("LIENTHONG__HTP__BODY_BYTES", "htp.body_bytes"),
        ("LIENTHONG__HTTP__BODY_BITES", "http.body_bites"),
        ("LIENTHONG__ADAPTERS__PORTAL__ADAPTER_URL", "adapters.portal.adapter_url"),
        ("LIENTHONG__HTTP", "http"),
    ] {
        let found = mistakes(&deployment, &[(variable, "1")]);
        assert!(at(&found).contains(&key), "{variable}: {found:?}");
        assert!(found.iter().all(|mistake| mistake.source.contains(variable)), "{found:?}");
    }
}

#[test]
fn secrets_come_from_files_and_are_never_printed() {
    let deployment = Deployment::new("http://127.0.0.1:1", "").unwrap();
    let folder = deployment.folder();
    let (database, password) = ("a-secret-of-the-database-in-a-file", "a-secret-password-in-a-file");
    std::fs::write(folder.join("database"), format!("{database}\n")).unwrap();
    std::fs::write(folder.join("password"), format!("{password}\r\n")).unwrap();
    let text = std::fs::read_to_string(&deployment.file).unwrap();
    let mut settings: toml::Table = text.parse().unwrap();
    let postgres = format!("password_file = {:?}", folder.join("database"));
    settings["storage"]
        .as_table_mut()
        .unwrap()
        .insert("postgres".into(), postgres.parse::<toml::Table>().unwrap().into());
    let account = settings["adapters"]["portal-dvcqg"]["account"].as_table_mut().unwrap();
    account.remove("password");
    account.insert("password_file".into(), folder.join("password").display().to_string().into());
    std::fs::write(&deployment.file, toml::to_string(&settings).unwrap()).unwrap();

    let loaded = deployment.load().unwrap();
    assert_eq!(loaded.settings.storage.postgres.password.expose(), database, "without the line's end");
    assert_eq!(loaded.adapters["portal-dvcqg"]["account"]["password"], password);
    let (output, printed) = run(deployment.command().unwrap().arg("check-config"));
    assert!(output.status.success(), "{printed}");
    for secret in [database, password, &PortalSettings::default().password] {
        assert!(!printed.contains(secret), "{secret} is printed: {printed}");
    }
    assert_eq!(printed.matches("[secret]").count(), 2, "two passwords: {printed}");
    assert!(printed.contains(&format!("secret file {}", folder.join("password").display())), "{printed}");
    for (key, value) in [("http.body_bytes", "4194304"), ("log.filter", "\"warn\"")] {
        let line = printed.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}: {printed}"));
        assert!(line.contains(value), "{line}");
    }
    let debug = format!("{:?}", loaded.settings);
    assert!(!debug.contains(database) && debug.contains("[secret]"), "{debug}");

    std::fs::remove_file(folder.join("password")).unwrap();
    assert_eq!(at(&mistakes(&deployment, &[])), ["adapters.portal-dvcqg.account.password_file"]);
}

#[test]
fn the_examples_of_the_settings_have_no_mistake_but_the_secrets_that_are_not_here() {
    for file in ["config/dev.toml", "config/production.example.toml"] {
        let loaded = config::load(Some(&root().join(file)), std::iter::empty(), CARDS);
        let Err(mistakes) = loaded else { continue };
        let others: Vec<&Mistake> = mistakes.iter().filter(|mistake| !mistake.key.ends_with("_file")).collect();
        assert!(others.is_empty(), "{file}: {others:?}");
    }
}
