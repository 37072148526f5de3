//! Tokens of an OpenID provider that others have written: what is believed of the standards here is what they say.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lienthong::access::Scope;
use lienthong_contract_tests::gateway::client;
use lienthong_sandbox::Settings;
use serde_json::Value;

use super::issuers::{audience, list, subject, trust};
use super::{add, client_of, soon};
use crate::support::World;

/// Ends with the value.
struct Provider(Child);

impl Provider {
    fn start(port: u16, audience: &str, kid: &str) -> Self {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = crate_folder.join("../target/tools/oidc-provider").canonicalize();
        let installed = installed.expect("`cargo xtask test` installs oidc-provider");
        let mut command = Command::new("node");
        command.arg(crate_folder.join("identity-provider.mjs")).arg(installed);
        command.args([&port.to_string(), audience, kid]).stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the provider answers to a request for a token.
async fn ask(url: &str, id: &str, more: &str) -> reqwest::Result<Value> {
    let request = client().post(format!("{url}/token")).basic_auth(id, Some(format!("{id}-secret")));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(format!("grant_type=client_credentials{more}"));
    request.send().await?.error_for_status()?.json().await
}

async fn token(url: &str, id: &str, more: &str) -> String {
    ask(url, id, more).await.unwrap()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs oidc-provider, which `cargo xtask test` installs"]
async fn tokens_of_a_provider_that_others_wrote_are_accepted_also_after_it_changed_its_keys() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let terms = format!("url = {url:?}, algorithms = [\"ES256\"], token_types = [\"at+jwt\"]");
    let more = "remember_token_ms = 0\nissuer_keys = { least_interval_ms = 200 }";
    let world = World::with(Settings::default(), &trust(&[terms], more)).await;
    add(&world.deployment, client_of("one-stop", &[], &[Scope::DossiersRead]), subject(&url, "one-stop")).await;

    let mut withdrawn: Option<String> = None;
    for kid in ["first", "second"] {
        let provider = Provider::start(port, &audience(&world), kid);
        let deadline = Instant::now() + Duration::from_secs(60);
        while ask(&url, "one-stop", "").await.is_err() {
            assert!(Instant::now() < deadline, "the provider does not start");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let reads = token(&url, "one-stop", "&scope=dossiers%3Aread").await;
        soon("its token is accepted", async || list(&world, &reads).await.status == 200).await;
        let writes = token(&url, "one-stop", "&scope=dossiers%3Awrite").await;
        list(&world, &writes).await.refused(403, "access.scope_missing");
        let stranger = token(&url, "stranger", "&scope=dossiers%3Aread").await;
        list(&world, &stranger).await.refused(401, "access.subject_unknown");
        let for_another = token(&url, "one-stop", "&scope=dossiers%3Aread&resource=https%3A%2F%2Fother.example").await;
        list(&world, &for_another).await.refused(401, "access.token_invalid");
        if let Some(withdrawn) = &withdrawn {
            list(&world, withdrawn).await.refused(401, "access.token_invalid");
        }
        drop(provider);
        // It is away now, and its key is known.
        list(&world, &reads).await.is(200);
        withdrawn = Some(reads);
    }
}
