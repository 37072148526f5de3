//! A gateway and its witness, each a program of its own: what the witness has seen cannot be unsaid, and nothing waits for it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use lienthong::audit::log::VerifierKey;
use lienthong_contract_tests::gateway::{client, program};
use lienthong_sandbox::Settings;
use reqwest::Method;
use tempfile::TempDir;

use super::{is_up, key, metric, printed};
use crate::stores::eventually;
use crate::support::{Answer, World, dossier};

const NAME: &str = "h31.example/witness";

/// The bundled witness, in a folder of its own.
struct Witness {
    folder: TempDir,
    address: String,
    key: String,
    running: Option<Child>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Witness {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut witness = Self { folder, address, key: String::new(), running: None };
        let printed = witness.command("key").output().unwrap();
        witness.key = String::from_utf8(printed.stdout).unwrap().trim().to_owned();
        VerifierKey::parse(&witness.key).unwrap();
        witness
    }

    fn command(&self, command: &str) -> Command {
        let mut run = Command::new(program().unwrap());
        run.args(["witness", command, "--name", NAME, "--folder"]).arg(self.folder.path());
        run
    }

    async fn start(&mut self, log: &str) {
        let mut serve = self.command("serve");
        serve.args(["--listen", &self.address, "--log", log]).stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some(serve.spawn().unwrap());
        let url = format!("http://{}/add-checkpoint", self.address);
        eventually("the witness listens", async || client().get(&url).send().await.is_ok()).await;
    }

    fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().unwrap();
            running.wait().unwrap();
        }
    }

    fn settings(&self) -> String {
        format!(
            "[audit]\nwitness_ms = 100\nwitnesses = [{{ url = \"http://{}\", key = \"{}\" }}]\n",
            self.address, self.key
        )
    }
}

async fn has_seen_all(world: &World) -> bool {
    metric(world, "lienthong_audit_exposure_seconds").await == Some(0.0)
        && is_up(world, "witness", NAME).await == Some(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_cosigned_and_a_proof_tells_by_when_it_was_there() {
    let mut witness = Witness::new();
    let world = World::with(Settings::default(), &witness.settings()).await;
    let key = key(&world).await;
    witness.start(&key).await;
    world.put("000.00.50.H15-261122-0001", &dossier("received")).await.is(202);
    world.settle().await;
    eventually("the witness has seen all", async || has_seen_all(&world).await).await;

    let found = world.get("/v1/audit/records?kind=accept").await.json();
    let id = found["items"][0]["record"]["id"].as_str().unwrap().to_owned();
    let proof = witness.folder.path().join("proof").display().to_string();
    printed(&world, &["audit", "prove", &id, "--file", &proof], 0).await;
    let said = printed(&world, &["audit", "verify-proof", &proof, "--key", &key, "--key", &witness.key], 0).await;
    assert!(said.contains(NAME) && said.contains(" lúc / at 20"), "no time is proved: {said}");
    let said = printed(&world, &["audit", "verify", "--key", &key, "--witness", &witness.key], 0).await;
    assert!(said.contains("witnessed") && said.contains(NAME), "{said}");
    // The witness itself shows what it has cosigned.
    let origin = key.split('+').next().unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, origin.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let shown = client()
        .get(format!("http://{}/{hex}/checkpoint", witness.address))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(shown.starts_with(origin) && shown.contains(NAME), "{shown}");
    // A key that has signed nothing proves nothing.
    let forged = VerifierKey::new(NAME, lienthong::audit::log::KeyKind::Cosignature, [7; 32]).unwrap().to_string();
    let said = printed(&world, &["audit", "verify", "--key", &key, "--witness", &forged], 0).await;
    assert!(!said.contains("witnessed"), "an unknown key says nothing: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_away_holds_up_nothing_and_catches_up() {
    let mut witness = Witness::new();
    let world = World::with(Settings::default(), &witness.settings()).await;
    let key = key(&world).await;
    for n in 0..20 {
        world.put(&format!("000.00.50.H15-261122-{n:04}"), &dossier("received")).await.is(202);
    }
    world.settle().await;
    eventually("it is told", async || {
        is_up(&world, "witness", NAME).await == Some(false)
            && metric(&world, "lienthong_audit_exposure_seconds").await > Some(0.0)
    })
    .await;
    Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.is(200);
    witness.start(&key).await;
    eventually("it catches up", async || has_seen_all(&world).await).await;
    witness.stop();
    world.put("000.00.50.H15-261122-0100", &dossier("received")).await.is(202);
    world.settle().await;
    eventually("it is told again", async || metric(&world, "lienthong_audit_exposure_seconds").await > Some(0.0)).await;
    // It comes back with what it knew: its answers were durable before they were given.
    witness.start(&key).await;
    eventually("it catches up again", async || has_seen_all(&world).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_and_made_anew_gets_no_cosignature_even_if_nothing_here_remembers() {
    let mut witness = Witness::new();
    let mut world = World::outside(&witness.settings()).await;
    let key = key(&world).await;
    witness.start(&key).await;
    world.put("000.00.50.H15-261122-0001", &dossier("received")).await.is(202);
    world.settle().await;
    world.stop().await;
    let backup = witness.folder.path().join("backup.sqlite");
    world.copy_to(&backup);
    world.start_outside().await;
    for n in 10..20 {
        world.put(&format!("000.00.50.H15-261122-{n:04}"), &dossier("received")).await.is(202);
    }
    world.settle().await;
    eventually("the witness has seen all", async || has_seen_all(&world).await).await;
    world.stop().await;

    // An insider puts the older database in its place, and removes what is remembered beside it.
    world.put_in_place(&backup);
    for entry in std::fs::read_dir(world.deployment.folder().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "checkpoint") {
            std::fs::remove_file(path).unwrap();
        }
    }
    world.start_outside().await;
    let before = Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.is(200).text;
    // More than there was: another history of the same length and beyond.
    for n in 40..60 {
        world.put(&format!("000.00.50.H15-261122-{n:04}"), &dossier("received")).await.is(202);
    }
    world.settle().await;
    eventually("it is signed: nobody here knows better", async || {
        Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.text != before
    })
    .await;
    eventually("the witness refuses", async || is_up(&world, "witness", NAME).await == Some(false)).await;
    let now = Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.text;
    assert!(!now.contains(NAME), "{now}");
}
