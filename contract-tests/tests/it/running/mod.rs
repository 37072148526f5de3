//! The running program: its configuration is changed under it, and it is asked to end.

mod change;
mod crossing;
mod portal;
mod refuse;
mod replicas;
mod secrets;
mod stop;
mod table;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong::config;
use lienthong::wiring::Stores;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, Program, client};
use lienthong_domain::time::{Clock, SystemClock};
use lienthong_sandbox::{Sandbox, Settings};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::support::{Answer, dossier_path};

/// A gateway that is a program of its own.
struct Running {
    sandbox: Sandbox,
    deployment: Deployment,
    /// Those that it was started with.
    settings: config::Settings,
    program: Program,
    token: String,
}

impl Running {
    /// `more` is TOML laid over the tests' configuration. Files are not looked at: a change waits for a signal.
    async fn start(more: &str) -> Self {
        Self::with(Settings::default(), more).await
    }

    async fn with(portal: Settings, more: &str) -> Self {
        let sandbox = Sandbox::start(portal).await.unwrap();
        let deployment = Deployment::new(&sandbox.url(), "configuration.reload_ms = 0\nlog.filter = \"info\"").unwrap();
        deployment.change(more).unwrap();
        let (program, _) = deployment.spawn().await.unwrap();
        let (settings, token) = (deployment.load().unwrap().settings, deployment.token(PROVINCE).await.unwrap());
        Self { sandbox, deployment, settings, program, token }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("{}{path}", self.deployment.url())).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    async fn put(&self, code: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PUT, &dossier_path(code)).json(body)).await
    }

    /// Changes the file and asks for it to be read again; it is taken over.
    async fn change(&self, more: &str) {
        let before = self.times("the configuration was read again");
        self.deployment.change(more).unwrap();
        self.program.hang_up().unwrap();
        self.until_logged("the configuration was read again", before + 1).await;
    }

    /// The same, and it is not taken over. Returns what was logged of it.
    async fn refuse(&self, more: &str) -> String {
        let (before, begin) = (self.times("nothing was changed\""), self.deployment.whole_log().len());
        self.deployment.change(more).unwrap();
        self.program.hang_up().unwrap();
        self.until_logged("nothing was changed\"", before + 1).await;
        self.deployment.whole_log()[begin..].to_owned()
    }

    /// How often the log says this.
    fn times(&self, words: &str) -> usize {
        self.deployment.whole_log().matches(words).count()
    }

    async fn until_logged(&self, words: &str, times: usize) {
        let what = format!("{words} is logged {times} times: {}", self.deployment.whole_log());
        soon(&what, async || self.times(words) >= times).await;
    }

    /// The records of the audit log about the configuration, in their order.
    async fn records(&self) -> Vec<Value> {
        records(&self.settings).await
    }
}

async fn records(settings: &config::Settings) -> Vec<Value> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = Stores::open_existing(settings, &clock).await.unwrap();
    soon("every record has its place", async || stores.audit.unplaced().await.unwrap() == 0).await;
    let mut found = Vec::new();
    for shard in stores.audit.shards().await.unwrap() {
        for record in stores.audit.records(&shard, 0, 100_000).await.unwrap() {
            let record: Value = serde_json::from_slice(&record.bytes).unwrap();
            found.extend(Some(record).filter(|record| !record["config"].is_null()));
        }
    }
    found
}

/// Each change begins with what the one before it ended with, and the first with what the process started with.
fn is_a_chain(records: &[Value]) {
    for pair in records.windows(2) {
        assert_eq!(pair[1]["config"]["before"], pair[0]["config"]["after"], "{records:#?}");
    }
    for record in records {
        let is_start = record["op"] == "config.start";
        assert_eq!((record["kind"].as_str(), is_start), (Some("config"), record["config"]["before"].is_null()));
        assert_eq!(record["config"]["after"].as_str().unwrap().len(), 43, "{record}");
    }
}

/// Tries again until it holds.
async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
