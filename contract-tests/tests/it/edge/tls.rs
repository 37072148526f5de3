//! TLS: who may come in by which certificate, and certificates that change while everyone is working.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use lienthong::wiring::Gateway;
use lienthong_contract_tests::authority::{Authority, Signed};
use lienthong_contract_tests::gateway::{Deployment, PROVINCE};
use lienthong_contract_tests::issuer as identity_provider;
use lienthong_domain::time::{Clock, SystemClock};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SerialNumber, date_time_ymd};
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::access::Pair;
use crate::support::{Answer, dossier, dossier_path};

const CODE: &str = "H15.50-261121-0001";

fn certificate_for(authority: &Authority, name: &str, serial: u64) -> Signed {
    authority.sign(|params| as_client(params, name, serial)).unwrap()
}

/// SHA-256 of its DER form, as tokens name it.
fn thumbprint(signed: &Signed) -> String {
    let lines = signed.certificate.lines().filter(|line| !line.starts_with('-'));
    let der = STANDARD.decode(lines.collect::<String>()).unwrap();
    URL_SAFE_NO_PAD.encode(digest(&SHA256, &der))
}

fn as_client(params: &mut CertificateParams, name: &str, serial: u64) {
    params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(SerialNumber::from(serial));
}

/// A gateway with TLS, and the authority of everyone's certificates.
struct World {
    authority: Authority,
    deployment: Deployment,
    gateway: Gateway,
}

impl World {
    async fn start() -> Self {
        Self::with("").await
    }

    /// `more` is TOML laid over the test's configuration.
    async fn with(more: &str) -> Self {
        let authority = Authority::new().unwrap();
        let deployment = Deployment::new("http://127.0.0.1:1", more).unwrap();
        authority.equip(&deployment, "reload_ms = 20\nhandshake_timeout_ms = 1000").unwrap();
        let gateway = deployment.start().await.unwrap();
        Self { authority, deployment, gateway }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.deployment.folder().join(name)
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.deployment.address)
    }

    /// A client of its own connections, with or without a certificate.
    fn client(&self, identity: Option<&Signed>) -> Client {
        let authority = Certificate::from_pem(self.authority.pem.as_bytes()).unwrap();
        let builder = Client::builder().no_proxy().timeout(Duration::from_secs(10)).tls_certs_only([authority]);
        let builder = match identity {
            None => builder,
            Some(signed) => {
                let pem = format!("{}{}", signed.certificate, signed.key);
                builder.identity(Identity::from_pem(pem.as_bytes()).unwrap())
            }
        };
        builder.build().unwrap()
    }

    async fn cli(&self, arguments: &[&str]) -> String {
        let mut command = self.deployment.command().unwrap();
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        // In force within access.refresh_ms.
        tokio::time::sleep(Duration::from_millis(200)).await;
        printed
    }

    /// Adds a client that proves itself by this certificate.
    async fn add(&self, id: &str, options: &[&str]) {
        self.cli(&[&["client", "add", id, "--name", id, "--agency", "H15"], options].concat()).await;
    }

    async fn list(&self, client: &Client, token: Option<&str>) -> Answer {
        let request = client.get(self.url("/v1/dossiers"));
        Answer::of(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    async fn token(&self, client: &Client, form: &str) -> reqwest::Response {
        let request = client.post(self.url("/oauth/token")).body(format!("grant_type=client_credentials&{form}"));
        request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap()
    }
}

async fn access_token(response: reqwest::Response) -> String {
    let answer: Value = response.error_for_status().unwrap().json().await.unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_as_good_as_a_token_for_the_client_that_it_belongs_to() {
    let world = World::start().await;
    let (pinned, named) =
        (certificate_for(&world.authority, "pinned.example", 1), certificate_for(&world.authority, "named.example", 2));
    let nobody = certificate_for(&world.authority, "nobody.example", 3);
    std::fs::write(world.file("pinned.pem"), &pinned.certificate).unwrap();
    world.add("pinned", &["--certificate", world.file("pinned.pem").to_str().unwrap()]).await;
    world.add("named", &["--certificate-name", "Named.Example"]).await;

    for signed in [&pinned, &named] {
        let client = world.client(Some(signed));
        world.list(&client, None).await.is(200);
        let put = client.put(world.url(&dossier_path(CODE))).json(&dossier("received"));
        assert!(Answer::of(put).await.status < 300);
    }
    world.list(&world.client(Some(&nobody)), None).await.refused(401, "access.certificate_unknown");
    world.list(&world.client(None), None).await.refused(401, "access.unauthenticated");
    // A renewed certificate of the same name goes on; the pinned one does not.
    world.list(&world.client(Some(&certificate_for(&world.authority, "named.example", 4))), None).await.is(200);
    let renewed = world.client(Some(&certificate_for(&world.authority, "pinned.example", 5)));
    world.list(&renewed, None).await.refused(401, "access.certificate_unknown");
    world.cli(&["client", "revoke", "named"]).await;
    world.list(&world.client(Some(&named)), None).await.refused(401, "access.certificate_unknown");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_got_by_a_certificate_is_worth_nothing_without_it() {
    let world = World::start().await;
    let (own, other) =
        (certificate_for(&world.authority, "own.example", 1), certificate_for(&world.authority, "other.example", 2));
    world.add("own", &["--certificate-name", "own.example"]).await;
    world.add("other", &["--certificate-name", "other.example"]).await;
    let client = world.client(Some(&own));
    let token = access_token(world.token(&client, "client_id=own").await).await;
    world.list(&client, Some(&token)).await.is(200);
    for stranger in [world.client(None), world.client(Some(&other))] {
        world.list(&stranger, Some(&token)).await.refused(401, "access.token_invalid");
    }
    // In another client's name, or in nobody's, there is no token.
    for (form, status, error) in
        [("client_id=other", 401, "invalid_client"), ("scope=dossiers%3Aread", 400, "invalid_request")]
    {
        let refused = world.token(&client, form).await;
        assert_eq!(refused.status(), status, "{form}");
        assert_eq!(refused.headers().contains_key("www-authenticate"), status == 401, "{form}");
        assert_eq!(refused.json::<Value>().await.unwrap()["error"], error, "{form}");
    }
    // A token got by a secret is not bound, whatever certificate the connection has.
    let secret = world.deployment.secret(PROVINCE).await.unwrap();
    let request = client.post(world.url("/oauth/token")).basic_auth(PROVINCE, Some(secret));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let free = access_token(request.body("grant_type=client_credentials").send().await.unwrap()).await;
    world.list(&world.client(None), Some(&free)).await.is(200);
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_an_issuer_bound_to_a_certificate_is_worth_nothing_without_it() {
    let (issuer, pair) = (identity_provider::Issuer::start().await.unwrap(), Pair::make(Algorithm::ES256));
    let mut key = serde_json::to_value(&pair.public).unwrap();
    key["kid"] = json!("key-1");
    issuer.publishes(&[key]);
    let url = issuer.url();
    let world = World::with(&format!("access.issuers = [{{ url = {url:?}, algorithms = [\"ES256\"] }}]")).await;
    world.add("one-stop", &["--issuer", &url, "--subject", "one-stop"]).await;
    let (own, other) =
        (certificate_for(&world.authority, "own.example", 1), certificate_for(&world.authority, "other.example", 2));
    let audience = world.deployment.load().unwrap().settings.server.public_url;
    let exp = SystemClock.now().micros() / 1_000_000 + 300;
    let bound = |cnf: Value| {
        let claims = json!({
            "iss": url, "aud": audience, "sub": "one-stop", "exp": exp, "scope": "dossiers:read", "cnf": cnf,
        });
        pair.sign(&json!({ "alg": "ES256", "typ": "JWT", "kid": "key-1" }).to_string(), &claims.to_string())
    };
    let token = bound(json!({ "x5t#S256": thumbprint(&own) }));
    world.list(&world.client(Some(&own)), Some(&token)).await.is(200);
    for stranger in [world.client(None), world.client(Some(&other))] {
        world.list(&stranger, Some(&token)).await.refused(401, "access.token_invalid");
    }
    // Bound to a key beside it, which nobody has proved.
    let to_both = bound(json!({ "x5t#S256": thumbprint(&own), "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }));
    world.list(&world.client(Some(&own)), Some(&to_both)).await.refused(401, "access.token_invalid");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_a_revoked_and_a_strangers_certificate_do_not_get_in() {
    let world = World::start().await;
    world.add("known", &["--certificate-name", "known.example"]).await;
    let good = world.client(Some(&certificate_for(&world.authority, "known.example", 1)));
    world.list(&good, None).await.is(200);
    let expired = world
        .authority
        .sign(|params| {
            as_client(params, "known.example", 2);
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
        .unwrap();
    let early = world
        .authority
        .sign(|params| {
            as_client(params, "known.example", 3);
            params.not_before = date_time_ymd(2090, 1, 1);
            params.not_after = date_time_ymd(2091, 1, 1);
        })
        .unwrap();
    let for_servers = world
        .authority
        .sign(|params| {
            as_client(params, "known.example", 4);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
        .unwrap();
    for (what, signed) in [
        ("expired", expired),
        ("not yet valid", early),
        ("revoked", certificate_for(&world.authority, "known.example", 13)),
        ("of another authority", certificate_for(&Authority::new().unwrap(), "known.example", 5)),
        ("for servers", for_servers),
    ] {
        let refused = world.client(Some(&signed)).get(world.url("/v1/dossiers")).send().await;
        assert!(refused.is_err(), "{what}: {refused:?}");
    }
    // What is revoked from now on is refused from now on, on new connections.
    std::fs::write(world.file("revoked.pem"), world.authority.revokes(&[13, 1]).unwrap()).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let again = world.client(Some(&certificate_for(&world.authority, "known.example", 1)));
    assert!(again.get(world.url("/v1/dossiers")).send().await.is_err());
    world.list(&world.client(Some(&certificate_for(&world.authority, "known.example", 6))), None).await.is(200);
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_change_under_load_and_nobody_notices() {
    let world = Arc::new(World::start().await);
    world.add("known", &["--certificate-name", "known.example"]).await;
    let identity = Arc::new(certificate_for(&world.authority, "known.example", 1));
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|n| {
            let (world, identity) = (Arc::clone(&world), Arc::clone(&identity));
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let lasting = world.client(Some(&identity));
                while !stop.load(Ordering::Relaxed) {
                    // Half of them open a connection for each request.
                    let client = if n % 2 == 0 { lasting.clone() } else { world.client(Some(&identity)) };
                    world.list(&client, None).await.is(200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10 {
        world.authority.renew(&world.deployment, Duration::from_millis(60)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(120)).await;
        seen.insert(served_certificate(&world).await);
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(seen.len(), 10, "each new certificate was served");
    let answered = answered.load(Ordering::Relaxed);
    println!("{answered} requests, 10 certificates, none refused");
    assert!(answered > 50, "only {answered} requests: the load proves nothing");
}

/// What the gateway shows to a new connection.
async fn served_certificate(world: &World) -> Vec<u8> {
    let address = world.deployment.address.to_string();
    let mut command = std::process::Command::new("openssl");
    command.args(["s_client", "-connect", &address]).stdin(std::process::Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = text.find("-----BEGIN CERTIFICATE").unwrap_or_else(|| panic!("{text}"));
    text[start..].split("-----END").next().unwrap().as_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_never_shakes_hands_is_cut_off() {
    let world = World::start().await;
    for said in [&b""[..], b"\x16\x03\x01", b"GET / HTTP/1.1\r\n"] {
        let mut connection = tokio::net::TcpStream::connect(world.deployment.address).await.unwrap();
        connection.write_all(said).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), connection.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{said:?}: the connection is still open");
    }
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_older_than_tls_1_2_is_spoken_and_no_session_is_resumed() {
    let world = World::start().await;
    let address = world.deployment.address.to_string();
    let shake = async |options: &[&str]| {
        let mut command = std::process::Command::new("openssl");
        command.args(["s_client", "-connect", &address, "-cipher", "ALL:@SECLEVEL=0"]).args(options);
        command.stdin(std::process::Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for (options, protocol) in [(["-tls1_3"], "TLSv1.3"), (["-tls1_2"], "TLSv1.2")] {
        let (shook, text) = shake(&options).await;
        assert!(shook && text.contains(protocol), "{options:?}: {text}");
        assert!(!text.contains("Cipher is (NONE)"), "{options:?}: {text}");
    }
    for options in [["-tls1"], ["-tls1_1"]] {
        let (_, text) = shake(&options).await;
        assert!(text.contains("Cipher is (NONE)"), "{options:?}: {text}");
    }
    let (_, text) = shake(&["-tls1_2", "-reconnect"]).await;
    assert!(text.contains("New, TLSv1.2") && !text.contains("Reused, TLS"), "{text}");
    world.gateway.stop().await;
}
