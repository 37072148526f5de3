//! The control pages of the portal as a sender, as another process or a person with curl uses them.

use std::time::Duration;

use lienthong_sandbox::{Sandbox, SentMessage, Settings};
use reqwest::Client;
use serde_json::{Value, json};

use crate::province::{NATIONAL, Province};

struct Pages {
    client: Client,
    url: String,
}

impl Pages {
    fn new(sandbox: &Sandbox) -> Self {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(3)).build().unwrap();
        Self { client, url: format!("{}/_sandbox", sandbox.url()) }
    }

    async fn get(&self, page: &str) -> (u16, Value) {
        let response = self.client.get(format!("{}/{page}", self.url)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    async fn post(&self, page: &str, body: Value) -> (u16, String) {
        let response = self.client.post(format!("{}/{page}", self.url)).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn put_province(&self, body: Value) -> u16 {
        self.client.put(format!("{}/province", self.url)).json(&body).send().await.unwrap().status().as_u16()
    }
}

fn dossier(code: &str) -> Value {
    json!({
        "kind": "dossier",
        "data": { "MaHoSoQG": code, "MaTTHC": "1.001193", "NgayNopHoSo": "20261121083000" },
        "files": [{ "name": "don.pdf", "content": { "pdf": 2000 }, "habit": { "oversize": { "bytes": 4000 } } }],
    })
}

async fn open() -> (Sandbox, Province, Pages) {
    let (sandbox, province) = (Sandbox::start(Settings::default()).await.unwrap(), Province::start([]).await);
    let pages = Pages::new(&sandbox);
    assert_eq!(pages.put_province(json!({ "url": province.url, "pause_ms": 20 })).await, 204);
    (sandbox, province, pages)
}

#[tokio::test]
async fn a_message_is_sent_and_listed_with_its_attempts_and_the_last_answer() {
    let (sandbox, province, pages) = open().await;
    let prefixed = json!({ "url": province.url, "prefix": "VXPAdapter/RestService/forward", "security_key": "k" });
    assert_eq!(pages.put_province(prefixed).await, 204);
    let (status, told) = pages.post("outgoing", dossier(NATIONAL)).await;
    assert_eq!((status, told.as_str()), (202, "{\"ids\":[1]}"));
    sandbox.settled(1).await.unwrap();
    let received = province.received().pop().unwrap();
    assert_eq!(received.path, "/VXPAdapter/RestService/forward/nhanhsdvcqg");
    assert_eq!(received.body["SecurityKey"], "k");
    let (_, listed) = pages.get("outgoing").await;
    let message = &listed["messages"][0];
    assert_eq!((&message["kind"], &message["state"]), (&json!("dossier"), &json!("delivered")));
    assert_eq!(message["code"], NATIONAL);
    assert_eq!(
        message["last_answer"],
        json!({ "kind": "accepted", "status": 200, "message": format!("{NATIONAL}| đã nhận") })
    );
    assert_eq!(message["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(message["files"][0]["habit"], json!({ "oversize": { "bytes": 4000 } }));
    assert_eq!(message["files"][0]["url"], province.bodies()[0]["data"]["URLTepDangKy"]);
    assert_eq!(listed["next"], Value::Null);
    assert_eq!(pages.get("outgoing/1").await, (200, message.clone()));
    assert_eq!(pages.get("outgoing/2").await.0, 404);
    let read: SentMessage = serde_json::from_value(message.clone()).unwrap();
    assert_eq!(read, sandbox.outgoing()[0]);
}

#[tokio::test]
async fn a_list_is_sent_together_and_read_page_by_page() {
    let (sandbox, _province, pages) = open().await;
    let list: Vec<Value> = (1..=3).map(|number| dossier(&format!("G22.99-261121-00000{number}"))).collect();
    assert_eq!(pages.post("outgoing", json!(list)).await, (202, "{\"ids\":[1,2,3]}".into()));
    sandbox.settled(3).await.unwrap();
    let (_, first) = pages.get("outgoing?limit=2").await;
    assert_eq!((first["messages"].as_array().unwrap().len(), &first["next"]), (2, &json!(2)));
    let (_, last) = pages.get("outgoing?after=2&limit=2").await;
    assert_eq!((&last["messages"][0]["id"], &last["next"]), (&json!(3), &Value::Null));
}

#[tokio::test]
async fn a_held_message_is_released() {
    let (sandbox, province, pages) = open().await;
    let mut held = dossier(NATIONAL);
    held["faults"] = json!({ "hold": "until_released", "times": 2, "cut": "when_answered" });
    pages.post("outgoing", held).await;
    assert_eq!(pages.get("outgoing/1").await.1["state"], "held");
    assert_eq!(pages.post("outgoing/release", json!({ "ids": [9] })).await.0, 404);
    assert_eq!(pages.post("outgoing/release", json!({ "ids": [1] })).await.0, 204);
    let sent = sandbox.settled(1).await.unwrap();
    assert_eq!((sent.attempts.len(), province.received().len()), (3, 3));
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_refused_with_the_reason() {
    let (sandbox, _province, pages) = open().await;
    for (wrong, word) in [
        (json!({ "kind": "letter" }), "letter"),
        (json!({ "kind": "dossier", "dta": {} }), "dta"),
        (json!({ "kind": "dossier", "faults": { "time": 2 } }), "time"),
        (json!({ "kind": "dossier" }), "MaHoSoQG"),
        (json!([]), "at least one"),
    ] {
        let (status, told) = pages.post("outgoing", wrong).await;
        assert_eq!(status, 400);
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(pages.put_province(json!({ "url": "https://127.0.0.1" })).await, 400);
    assert_eq!(pages.put_province(json!({ "adress": "x" })).await, 400);
    assert_eq!(pages.put_province(Value::Null).await, 204);
    assert!(pages.post("outgoing", dossier(NATIONAL)).await.1.contains("province"));
    assert!(sandbox.outgoing().is_empty());
}

#[tokio::test]
async fn a_dossier_made_on_the_portal_is_shown() {
    let (sandbox, _province, pages) = open().await;
    pages.post("outgoing", dossier(NATIONAL)).await;
    let (status, shown) = pages.get(&format!("portal-born/{NATIONAL}")).await;
    assert_eq!(status, 200);
    assert_eq!(shown, serde_json::to_value(sandbox.portal_born(NATIONAL).unwrap()).unwrap());
    assert_eq!((&shown["status"], &shown["history"]), (&Value::Null, &json!([])));
    assert_eq!(pages.get("portal-born").await.1["dossiers"], json!([shown]));
    assert_eq!(pages.get("portal-born/none").await.0, 404);
}
