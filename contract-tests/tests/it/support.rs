//! A running gateway with the simulated portal behind it, and answers that are checked in one place.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use lienthong::wiring::Gateway;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, Program, WARD, client, wait_until_none};
use lienthong_contract_tests::load;
use lienthong_sandbox::{Sandbox, Settings};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// What is not finished by itself.
const MOVING: &[&str] = &["accepted", "sending", "retry"];

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) deployment: Deployment,
    gateway: Option<Running>,
    /// Of a gateway that is a program of its own.
    environment: Vec<(String, String)>,
    /// Of the client of the whole province, and of that of a ward.
    pub(crate) token: String,
    pub(crate) ward: String,
}

/// Where the gateway runs.
enum Running {
    Here(Gateway),
    /// A program of its own: when it has ended, nothing of it holds its files any more.
    Outside(Program),
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default(), "").await
    }

    /// `more` is TOML laid over the test's configuration; `{sandbox}` in it is the host and port of the portal.
    pub(crate) async fn with(portal: Settings, more: &str) -> Self {
        let sandbox = Sandbox::start(portal).await.unwrap();
        let deployment = Deployment::new(&sandbox.url(), &at_sandbox(more, &sandbox)).unwrap();
        let gateway = Some(Running::Here(deployment.start().await.unwrap()));
        let (token, ward) = (deployment.token(PROVINCE).await.unwrap(), deployment.token(WARD).await.unwrap());
        Self { sandbox, deployment, gateway, environment: Vec::new(), token, ward }
    }

    /// The same with a gateway that is a program of its own, for tests that touch its files.
    pub(crate) async fn outside(more: &str) -> Self {
        Self::outside_in(&[], more).await
    }

    /// The same with variables in its environment.
    pub(crate) async fn outside_in(environment: &[(&str, &str)], more: &str) -> Self {
        let sandbox = Sandbox::start(Settings::default()).await.unwrap();
        let deployment = Deployment::new(&sandbox.url(), &at_sandbox(more, &sandbox)).unwrap();
        deployment.secret(PROVINCE).await.unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (token, ward) = (String::new(), String::new());
        let mut world = Self { sandbox, deployment, gateway: None, environment, token, ward };
        world.start_outside().await;
        world.token = world.deployment.token(PROVINCE).await.unwrap();
        world.ward = world.deployment.token(WARD).await.unwrap();
        world
    }

    pub(crate) async fn stop(&mut self) {
        match self.gateway.take() {
            None => {}
            Some(Running::Here(gateway)) => gateway.stop().await,
            Some(Running::Outside(program)) => program.stop().await.unwrap(),
        }
    }

    /// Ends a gateway that is a program of its own at this instant (SIGKILL).
    pub(crate) async fn kill(&mut self) {
        match self.gateway.take() {
            Some(Running::Outside(program)) => program.kill().unwrap(),
            _ => panic!("only a program of its own can be killed"),
        }
    }

    /// Stops the gateway and starts it again on the same folder.
    pub(crate) async fn restart(&mut self) {
        let was_outside = matches!(self.gateway, Some(Running::Outside(_)));
        self.stop().await;
        if was_outside {
            return self.start_outside().await;
        }
        self.gateway = Some(Running::Here(self.deployment.start().await.unwrap()));
    }

    /// Starts the gateway as a program of its own.
    pub(crate) async fn start_outside(&mut self) {
        let environment: Vec<_> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.gateway = Some(Running::Outside(self.deployment.spawn_with(&environment).await.unwrap().0));
    }

    /// The database file of a gateway that has ended, without what may be beside it.
    pub(crate) fn database(&self) -> PathBuf {
        self.deployment.folder().join("data/lienthong.sqlite")
    }

    /// Puts a copy of the database in the place of the one that is there; no gateway runs.
    pub(crate) fn put_in_place(&self, copy: &Path) {
        let file = self.database();
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", file.display()));
        }
        std::fs::copy(copy, file).unwrap();
    }

    /// Copies the database as it stands, with what stands in its log.
    pub(crate) fn copy_to(&self, copy: &Path) {
        let _ = std::fs::remove_file(copy);
        let database = rusqlite::Connection::open(self.database()).unwrap();
        database.execute("VACUUM INTO ?1", [copy.display().to_string()]).unwrap();
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("{}{path}", self.deployment.url()))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).bearer_auth(&self.token)).await
    }

    pub(crate) async fn put(&self, code: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PUT, &dossier_path(code)).bearer_auth(&self.token).json(body)).await
    }

    /// A PUT of exactly these bytes.
    pub(crate) async fn put_bytes(&self, code: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.request(Method::PUT, &dossier_path(code)).header("content-type", "application/json");
        Answer::of(request.bearer_auth(&self.token).body(body.into())).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).header("Idempotency-Key", key);
        Answer::of(request.bearer_auth(&self.token).json(body)).await
    }

    pub(crate) async fn steps(&self, code: &str, key: &str, body: &Value) -> Answer {
        self.post(&format!("{}/steps", dossier_path(code)), key, body).await
    }

    /// Until nothing moves any more: delivered, or waiting for a person.
    pub(crate) async fn settle(&self) {
        wait_until_none(&self.deployment.url(), MOVING, Duration::from_secs(30)).await.unwrap();
    }

    /// Until the condition holds of the answer to a GET.
    pub(crate) async fn wait_for(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.get(path).await.json();
            if holds(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "{path} stays at {found}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Nothing is stored, nothing waits, and the portal has seen no effect.
    pub(crate) async fn nothing_happened(&self, what: &str) {
        let list = self.get("/v1/dossiers").await.json();
        assert_eq!(list["items"], json!([]), "{what}: something was stored");
        let ready = lienthong_contract_tests::gateway::ready(&self.deployment.url()).await.unwrap();
        assert_eq!(ready["outbox"], json!({}), "{what}: something waits to be sent");
        assert!(self.sandbox.ledger().is_empty(), "{what}: the portal was told {:?}", self.sandbox.ledger());
    }

    /// `lienthong …` beside the running gateway.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = self.deployment.command().unwrap();
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

/// Configuration in which `{sandbox}` stands for the host and port of the portal.
fn at_sandbox(more: &str, sandbox: &Sandbox) -> String {
    more.replace("{sandbox}", sandbox.url().trim_start_matches("http://"))
}

pub(crate) fn dossier_path(code: &str) -> String {
    format!("/v1/dossiers/{code}")
}

/// A small valid dossier with one member changed, named by its JSON Pointer; tables on the way are made.
pub(crate) fn dossier_with(pointer: &str, value: Value) -> Value {
    let mut body = load::dossier("received", "");
    // An empty note would be refused.
    body.as_object_mut().unwrap().remove("note");
    set(&mut body, pointer, value);
    body
}

pub(crate) fn dossier(state: &str) -> Value {
    dossier_with("/state", json!(state))
}

pub(crate) fn set(body: &mut Value, pointer: &str, value: Value) {
    let (above, name) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(above).unwrap_or_else(|| panic!("there is no {above}"));
    match parent {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        other => other[name] = value,
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let answer = Self { status, headers, text };
        // No room is said in so many words; anything else of ours is a fault.
        assert!(status < 500 || matches!(status, 503 | 507), "{answer:?}");
        if status >= 400 {
            answer.is_a_whole_problem();
        }
        answer
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Accepted with this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Refused with this status and this code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        self
    }

    /// Refused as a request with wrong fields: exactly these places with these codes, in any order.
    #[track_caller]
    pub(crate) fn wrong_fields(self, expected: &[(&str, &str)]) -> Self {
        let answer = self.refused(400, "request.invalid");
        let mut expected: Vec<(String, String)> =
            expected.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
        expected.sort();
        let mut found = answer.errors();
        found.sort();
        assert_eq!(found, expected, "{}", answer.text);
        answer
    }

    /// Place and code of each wrong field.
    pub(crate) fn errors(&self) -> Vec<(String, String)> {
        let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
        let problem = self.json();
        problem["errors"].as_array().unwrap().iter().map(|e| (text(e, "pointer"), text(e, "code"))).collect()
    }

    /// What every 4xx and 5xx looks like, whoever made it.
    fn is_a_whole_problem(&self) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        for name in ["type", "title", "detail", "code", "traceId"] {
            let text = problem[name].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "a problem without {name}: {problem}");
        }
        assert_eq!(problem["status"], self.status, "{problem}");
        let expected = match problem["code"].as_str().unwrap() {
            // The registered type, where there is one.
            "service.overloaded" => "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity".into(),
            "access.quota_exceeded" => "https://iana.org/assignments/http-problem-types#quota-exceeded".into(),
            code => format!("urn:lienthong:problem:{code}"),
        };
        assert_eq!(problem["type"], expected, "{problem}");
        assert_eq!(self.header("api-version"), lienthong::http::openapi::API_VERSION, "{self:?}");
        assert_eq!(self.header("x-request-id"), problem["traceId"].as_str().unwrap());
        assert!(matches!(self.header("content-language"), "vi" | "en"), "{self:?}");
        for error in problem["errors"].as_array().into_iter().flatten() {
            let pointer = error["pointer"].as_str().unwrap();
            assert!(pointer.is_empty() || pointer.starts_with('/') || pointer.starts_with("#/"), "{error}");
            assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
        }
    }
}
