//! The answer to an `Idempotency-Key` outlives the process that gave it, and is the same whoever gives it.

use lienthong_contract_tests::gateway::{Deployment, PROVINCE, client};
use lienthong_contract_tests::load::step;
use lienthong_contract_tests::postgres::{fresh_database, server_for_tests};
use lienthong_sandbox::{Sandbox, Settings};
use serde_json::{Value, json};

use crate::support::{Answer, dossier, dossier_with};

const CODE: &str = "H15.50-261121-0001";

/// Steps, and a batch of which one item is refused.
async fn posts(deployment: &Deployment, token: &str) -> Vec<Answer> {
    let url = deployment.url();
    let post = |path: String, key: &str, body: Value| {
        client().post(format!("{url}{path}")).bearer_auth(token).header("Idempotency-Key", key).json(&body)
    };
    let steps = json!([step("received", "một"), step("processing", "hai")]);
    let batch = json!({ "items": [dossier_with("/code", json!("H15.50-261121-0002")), { "code": "x" }] });
    let steps = Answer::of(post(format!("/v1/dossiers/{CODE}/steps"), "steps", steps)).await.is(202);
    let batch = Answer::of(post("/v1/dossier-batches".into(), "batch", batch)).await.is(202);
    vec![steps, batch]
}

fn same(first: &[Answer], again: &[Answer]) {
    for (first, again) in first.iter().zip(again) {
        assert_eq!(again.header("idempotent-replayed"), "true", "{again:?}");
        assert_eq!((again.status, &again.text), (first.status, &first.text), "byte for byte");
        for name in ["location", "content-type"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_first_answer_comes_again_byte_for_byte() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let deployment = Deployment::new(&sandbox.url(), "").unwrap();
    let (program, _) = deployment.spawn().await.unwrap();
    let token = deployment.token(PROVINCE).await.unwrap();
    let put = client().put(format!("{}/v1/dossiers/{CODE}", deployment.url())).bearer_auth(&token);
    Answer::of(put.json(&dossier("received"))).await.is(202);
    let first = posts(&deployment, &token).await;
    program.kill().unwrap();
    let (_program, _) = deployment.spawn().await.unwrap();
    same(&first, &posts(&deployment, &token).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_gives_the_first_answer_byte_for_byte() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let database = fresh_database(&server_for_tests().unwrap()).await.unwrap();
    let keys = tempfile::tempdir().unwrap();
    let storage = format!(
        "storage = {{ engine = \"postgres\", keys_folder = {:?}, postgres = {{ url = \"{database}\" }} }}\n\
         server.public_url = \"http://127.0.0.1:1\"",
        keys.path()
    );
    let replicas = [0, 1].map(|_| Deployment::new(&sandbox.url(), &storage).unwrap());
    let (killed, _) = replicas[0].spawn().await.unwrap();
    let (_other, _) = replicas[1].spawn().await.unwrap();
    let token = replicas[0].token(PROVINCE).await.unwrap();
    let put = client().put(format!("{}/v1/dossiers/{CODE}", replicas[0].url())).bearer_auth(&token);
    Answer::of(put.json(&dossier("received"))).await.is(202);
    let first = posts(&replicas[0], &token).await;
    same(&first, &posts(&replicas[1], &token).await);
    killed.kill().unwrap();
    same(&first, &posts(&replicas[1], &token).await);
}
