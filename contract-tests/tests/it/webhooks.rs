//! Local systems are called when something has happened: signed so that the standard's own library believes it, until it is taken, in
//! order, and only of what they may read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_sandbox::{FaultPlan, ProvinceSettings, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::inbox::{INBOX, acknowledge, born, province, send, supplement};
use crate::support::{self, World};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BORN: &str = "000.00.00.G22-261121-0001";

/// What a local system was sent.
#[derive(Clone)]
struct Call {
    at: Instant,
    headers: HeaderMap,
    body: String,
}

impl Call {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn signatures(&self) -> Vec<(&str, &str)> {
        self.header("webhook-signature").split(' ').map(|one| one.split_once(',').unwrap()).collect()
    }
}

/// A local system that answers as it is told to, and 204 after that.
#[derive(Clone, Default)]
struct Receiver {
    calls: Arc<Mutex<Vec<Call>>>,
    answers: Arc<Mutex<VecDeque<(u16, Duration)>>>,
}

impl Receiver {
    /// Its address.
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(take).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/lienthong")
    }

    fn answers(&self, answers: &[(u16, u64)]) {
        let answers = answers.iter().map(|(status, ms)| (*status, Duration::from_millis(*ms)));
        *self.answers.lock().unwrap() = answers.collect();
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    async fn wait_for(&self, number: usize) -> Vec<Call> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.calls().len() < number {
            assert!(Instant::now() < deadline, "{} calls, not {number}", self.calls().len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.calls()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> (StatusCode, HeaderMap) {
    receiver.calls.lock().unwrap().push(Call { at: Instant::now(), headers, body });
    let (status, pause) = receiver.answers.lock().unwrap().pop_front().unwrap_or((204, Duration::ZERO));
    tokio::time::sleep(pause).await;
    let mut headers = HeaderMap::new();
    match status {
        429 => drop(headers.insert("retry-after", "2".parse().unwrap())),
        302 => drop(headers.insert("location", "http://127.0.0.1:9/".parse().unwrap())),
        _ => {}
    }
    (StatusCode::from_u16(status).unwrap(), headers)
}

fn endpoint(name: &str, url: &str, more: &str) -> String {
    format!(
        "[[webhooks.endpoints]]\nname = \"{name}\"\nurl = \"{url}\"\nevents = [\"inbox_item.ready\", \"inbox_item.conflict\"]\n{more}\n"
    )
}

fn of(client: &str) -> String {
    format!("client = \"{client}\"\nsecret = \"{SECRET}\"")
}

async fn world(endpoints: &str) -> World {
    let webhooks = "[webhooks]\nnetworks = [\"127.0.0.0/8\"]\nretry_delays_ms = [200]\nretry_jitter_percent = 0\ntimeout_ms = 1500\n";
    let world = World::with(Settings::default(), &format!("{INBOX}\n{webhooks}\n{endpoints}")).await;
    world.sandbox.set_province(Some(ProvinceSettings { pause_ms: 50, ..province(&world) }));
    world
}

async fn cli(world: &World, arguments: &[&str]) -> String {
    let output = world.cli(&[&["webhooks"], arguments].concat()).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    text(output.stdout) + &text(output.stderr)
}

async fn cli_shows(world: &World, arguments: &[&str], expected: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let shown = cli(world, arguments).await;
        if shown.contains(expected) {
            return shown;
        }
        assert!(Instant::now() < deadline, "no {expected} in {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_system_is_told_of_what_it_can_decide_and_believes_it() {
    let receiver = Receiver::default();
    let own = format!("whsk_{}", STANDARD.encode([7; 32]));
    let more = format!("client = \"province\"\nsecret = \"{SECRET}\"\nprevious_secret = \"{own}\"");
    let world = world(&endpoint("one-stop", &receiver.start().await, &more)).await;
    send(&world, born(BORN)).await;
    let call = receiver.wait_for(1).await.remove(0);
    let event = call.event();
    let item = world.get("/v1/inbox-items").await.is(200).json()["items"][0].clone();
    assert_eq!(call.header("content-type"), "application/cloudevents+json");
    assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("lienthong.inbox_item.ready")));
    assert_eq!((&event["id"], &event["subject"]), (&json!(call.header("webhook-id")), &item["id"]));
    assert_eq!(
        event["data"],
        json!({ "itemId": item["id"], "kind": "dossier.submitted", "nationalCode": BORN, "agencyCode": "H15", "procedureCode": "1.013225" })
    );
    assert!(!call.body.contains("Ví Dụ"), "a person is in it: {}", call.body);
    // The library of the standard believes it, and nothing that was changed.
    let library = standardwebhooks::Webhook::new(SECRET).unwrap();
    let mut headers = HeaderMap::new();
    ["webhook-id", "webhook-timestamp", "webhook-signature"].into_iter().for_each(|name| {
        headers.insert(name, call.headers[name].clone());
    });
    library.verify(call.body.as_bytes(), &headers).unwrap();
    assert!(library.verify(call.body.replace("H15", "H16").as_bytes(), &headers).is_err());
    // The other key, of which the receiver has the public half alone.
    let (_, signature) = call.signatures().into_iter().find(|(version, _)| *version == "v1a").unwrap();
    let listed = cli(&world, &["list"]).await;
    let public = listed.split_whitespace().find_map(|word| word.strip_prefix("whpk_")).expect("a public key");
    let verifier = UnparsedPublicKey::new(&ED25519, STANDARD.decode(public).unwrap());
    let signed = format!("{}.{}.{}", call.header("webhook-id"), call.header("webhook-timestamp"), call.body);
    verifier.verify(signed.as_bytes(), &STANDARD.decode(signature).unwrap()).unwrap();
    // Taken once, it is not sent again; and the log has it.
    cli_shows(&world, &["list"], "delivered         1").await;
    assert_eq!(receiver.calls().len(), 1);
    let records = world.get("/v1/audit/records?kind=outcome").await.is(200).json();
    let told = records["items"].as_array().unwrap().iter().find(|item| item["record"]["op"] == "webhook.call").unwrap();
    assert_eq!((&told["record"]["outcome"]["status"], &told["record"]["client"]), (&json!(204), &json!("province")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dossiers_notices_come_in_order_however_often_they_must_be_sent() {
    let receiver = Receiver::default();
    receiver.answers(&[(500, 0), (302, 0), (200, 2500), (429, 0), (404, 0)]);
    let world = world(&endpoint("one-stop", &receiver.start().await, &of("province"))).await;
    send(&world, born(BORN)).await;
    send(&world, supplement(BORN, "20261122083000")).await;
    let first = receiver.wait_for(1).await[0].event()["subject"].as_str().unwrap().to_owned();
    // It need not wait for the notice: the next message of the dossier can be decided now.
    acknowledge(&world, &first, "H15.50-261121-0001").await.is(200);
    let calls = receiver.wait_for(7).await;
    let ids: Vec<&str> = calls.iter().map(|call| call.header("webhook-id")).collect();
    assert!(ids[..6].iter().all(|id| *id == ids[0]) && ids[6] != ids[0], "{ids:?}");
    assert!(calls[..6].iter().all(|call| call.body == calls[0].body), "another text");
    assert_eq!(calls[6].event()["data"]["kind"], "dossier.supplemented");
    assert!(calls[4].at - calls[3].at >= Duration::from_secs(2), "it asked for a pause");
    let times: Vec<i64> = calls.iter().map(|call| call.header("webhook-timestamp").parse().unwrap()).collect();
    assert!(times[5] > times[0] && times.is_sorted(), "{times:?}");
    // What goes wrong with one dossier is nothing to another; and a conflict is told too.
    receiver.answers(&[(500, 0); 3]);
    send(&world, born("000.00.00.G22-261121-0002").with("TenNguoiNop", "Một")).await;
    send(&world, born("000.00.00.G22-261121-0002").with("TenNguoiNop", "Hai")).await;
    let calls = receiver.wait_for(12).await;
    let types: Vec<String> = calls[7..].iter().map(|call| call.event()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types.last().unwrap(), "lienthong.inbox_item.conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_told_of_nothing_that_its_client_may_not_read() {
    let (all, ward, silent) = (Receiver::default(), Receiver::default(), Receiver::default());
    let silent_url = silent.start().await;
    // It speaks no TLS.
    let closed = silent_url.replace("127.0.0.1", "localhost").replace("http:", "https:");
    let endpoints = [
        endpoint("all", &all.start().await, &of("province")),
        endpoint("ward", &ward.start().await, &of("ward")),
        endpoint("nobody", &silent_url, &of("stranger")),
        endpoint("closed", &closed, &of("province")),
        endpoint("metadata", "https://169.254.169.254/latest", &of("province")),
    ];
    let world = world(&endpoints.concat()).await;
    send(&world, born("000.00.00.G22-261121-0001")).await;
    send(&world, born("000.00.00.G22-261121-0002").with("MaTTHC", "1.001193")).await;
    all.wait_for(2).await;
    let told = ward.wait_for(1).await;
    assert_eq!(told[0].event()["data"]["agencyCode"], "H15.61");
    assert_eq!((ward.calls().len(), silent.calls().len()), (1, 0));
    // What waits for a client that is revoked is given up.
    ward.answers(&[(500, 0); 50]);
    send(&world, born("000.00.00.G22-261121-0004").with("MaTTHC", "1.001193")).await;
    let before = ward.wait_for(2).await.len();
    let revoked = world.cli(&["client", "revoke", "ward"]).await;
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    let asked = || world.request(Method::GET, "/v1/inbox-items").bearer_auth(&world.ward).send();
    while asked().await.unwrap().status() != 401 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    send(&world, born("000.00.00.G22-261121-0003").with("MaTTHC", "1.001193")).await;
    all.wait_for(4).await;
    let shown = cli_shows(&world, &["notices", "--endpoint", "ward"], "client_revoked").await;
    assert!(shown.contains("000.00.00.G22-261121-0004") && !shown.contains("0003"), "{shown}");
    let calls = ward.calls();
    assert!(
        calls.len() >= before
            && calls[1..].iter().all(|call| call.event()["data"]["nationalCode"] == "000.00.00.G22-261121-0004")
    );
    let shown = cli_shows(&world, &["notices", "--endpoint", "closed", "--status", "waiting"], "unreachable").await;
    assert!(shown.contains("It cannot be reached, or does not answer in time"), "{shown}");
    cli_shows(&world, &["notices", "--endpoint", "metadata", "--status", "waiting"], "address_not_allowed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_to_be_gone_is_left_alone_and_what_was_given_up_can_be_sent_again() {
    let receiver = Receiver::default();
    receiver.answers(&[(410, 700)]);
    let one = endpoint("one-stop", &receiver.start().await, &of("province"));
    let world = world(&format!("parallel_calls = 1\n{one}")).await;
    send(&world, born(BORN)).await;
    send(&world, born("000.00.00.G22-261121-0002")).await;
    cli_shows(&world, &["list"], "disabled since").await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(receiver.calls().len(), 1, "it was called again");
    assert!(cli(&world, &["enable", "other"]).await.contains("was not disabled"));
    assert!(cli(&world, &["enable", "one-stop"]).await.contains("is called again"));
    assert_eq!(receiver.wait_for(3).await.len(), 3);
    cli_shows(&world, &["list"], "delivered         2").await;
    // What was taken, once more.
    assert!(cli(&world, &["again"]).await.contains("to be called again: 0"));
    assert!(cli(&world, &["again", "--delivered-since", "2026-01-01T00:00:00+07:00"]).await.contains(": 2"));
    let calls = receiver.wait_for(5).await;
    assert_eq!(
        calls[3].body,
        calls.iter().find(|call| call.header("webhook-id") == calls[3].header("webhook-id")).unwrap().body
    );
    // A secret is made where there is no configuration yet that could be right.
    let mut command = std::process::Command::new(world.deployment.command().unwrap().get_program());
    command.args(["--config", "/nowhere.toml", "webhooks", "secret"]);
    let made = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(made.status.success() && String::from_utf8(made.stdout).unwrap().starts_with("whsec_"));
    // A test call, which is no event.
    let told = cli(&world, &["test", "one-stop"]).await;
    assert!(told.contains("taken: 204"), "{told}");
    assert_eq!(receiver.wait_for(6).await[5].event()["type"], "lienthong.test");
    receiver.answers(&[(401, 0)]);
    let told = cli(&world, &["test", "one-stop"]).await;
    assert!(told.contains("refused (401)"), "{told}");
    assert!(cli(&world, &["test", "two-stop"]).await.contains("one-stop"), "the names that there are");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_system_is_told_what_became_of_what_it_sent() {
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let endpoint = format!(
        "[[webhooks.endpoints]]\nname = \"one-stop\"\nurl = \"{url}\"\n{}\n\
         events = [\"operation.delivered\", \"operation.stuck\", \"operation.ended\"]\n",
        of("province")
    );
    let world = world(&endpoint).await;
    let code = "H15.50-261121-0001";
    let accepted = world.put(code, &support::dossier("received")).await.is(202);
    let operation = accepted.header("location").rsplit('/').next().unwrap().to_owned();
    let call = receiver.wait_for(1).await.remove(0);
    let event = call.event();
    assert_eq!((&event["type"], &event["subject"]), (&json!("lienthong.operation.delivered"), &json!(operation)));
    let data = &event["data"];
    assert_eq!(
        (&data["operationId"], &data["resource"], &data["kind"], &data["ordinal"], &data["status"]),
        (
            &json!(operation),
            &json!(format!("/v1/dossiers/{code}")),
            &json!("dossier.sync"),
            &json!(1),
            &json!("delivered")
        )
    );
    assert!(!call.body.contains("Nguyễn"), "{}", call.body);
    // Refused, and given up by an operator at the terminal.
    let poison = [(code.to_owned(), "thiếu thành phần hồ sơ".to_owned())].into();
    world.sandbox.set_faults(FaultPlan { poison, ..FaultPlan::none() });
    let accepted = world.put(code, &support::dossier_with("/summary", json!("Đã sửa"))).await.is(202);
    let operation = accepted.header("location").to_owned();
    assert_eq!(receiver.wait_for(2).await[1].event()["type"], "lienthong.operation.stuck");
    let item = world.get(&operation).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let skipped = world.cli(&["outbox", "skip", &item, "--reason", "Đã nhập tay trên Cổng"]).await;
    assert!(skipped.status.success(), "{}", String::from_utf8_lossy(&skipped.stderr));
    let event = receiver.wait_for(3).await[2].event();
    assert_eq!((&event["type"], &event["data"]["status"]), (&json!("lienthong.operation.ended"), &json!("skipped")));
    assert!(!event.to_string().contains("nhập tay"), "an operator's words are asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_nothing_ran_is_told_afterwards() {
    let receiver = Receiver::default();
    receiver.answers(&[(503, 0); 3]);
    let mut world = world(&endpoint("one-stop", &receiver.start().await, &of("province"))).await;
    send(&world, born(BORN)).await;
    receiver.wait_for(1).await;
    world.restart().await;
    let calls = receiver.wait_for(4).await;
    assert!(calls.iter().all(|call| call.header("webhook-id") == calls[0].header("webhook-id")));
    cli_shows(&world, &["list"], "delivered         1").await;
}
