//! `lienthong client …` beside a running gateway: what it prints, what it refuses, and how soon the gateway knows.

use std::path::Path;

use jsonwebtoken::Algorithm;
use lienthong::access::oauth::secret_digest;
use lienthong::access::store::Everything;
use lienthong::storage::hex;
use lienthong::storage::keys::Keys;
use lienthong_domain::time::{Clock, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::assertions::present;
use super::token_endpoint::{GRANT, Reply};
use super::{Pair, soon, stores, token_of, token_request};
use crate::support::{Answer, World};

/// What a command printed, and how it ended.
struct Printed {
    code: Option<i32>,
    text: String,
}

impl Printed {
    async fn of(world: &World, arguments: &[&str]) -> Self {
        let output = world.cli(&[&["client"], arguments].concat()).await;
        let text = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
        Self { code: output.status.code(), text }
    }

    #[track_caller]
    fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self
    }

    /// Refused for a reason that is told in both languages.
    #[track_caller]
    fn refused(self, vietnamese: &str, english: &str) -> Self {
        assert_eq!(self.code, Some(1), "{english}: {}", self.text);
        assert!(self.text.contains(vietnamese) && self.text.contains(english), "{}", self.text);
        self
    }

    /// What stands behind this word.
    #[track_caller]
    fn value(&self, name: &str) -> String {
        let line = self.text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.text)).trim().to_owned()
    }
}

const NEW: [&str; 6] = ["add", "one-stop", "--name", "Một cửa", "--agency", "H15.50"];

/// Adds a client and gives its secret and the credential's id.
async fn added(world: &World) -> (String, String) {
    let printed = Printed::of(world, &NEW).await.done();
    (printed.value("client_secret"), printed.value("credential"))
}

async fn rotated(world: &World, more: &[&str]) -> (String, String) {
    let printed = Printed::of(world, &[&["rotate", "one-stop"], more].concat()).await.done();
    (printed.value("client_secret"), printed.value("credential"))
}

async fn everything(world: &World) -> Everything {
    stores(&world.deployment).await.1.access.everything().await.unwrap()
}

/// What operators did, as the audit log has it.
async fn recorded(world: &World) -> Vec<Value> {
    let (_, stores) = stores(&world.deployment).await;
    let mut log: Vec<Value> = Vec::new();
    for shard in stores.audit.shards().await.unwrap() {
        let records = stores.audit.records(&shard, 0, 100_000).await.unwrap();
        log.extend(records.iter().map(|record| serde_json::from_slice(&record.bytes).unwrap()));
    }
    log.retain(|record: &Value| record["kind"] == "operator" && record["client"] == "one-stop");
    log
}

async fn list(world: &World, token: &str) -> Answer {
    Answer::of(world.request(Method::GET, "/v1/dossiers").bearer_auth(token)).await
}

async fn is_refused(world: &World, secret: &str) -> bool {
    let reply = token_request(world, &[GRANT]).basic_auth("one-stop", Some(secret)).send().await.unwrap();
    reply.status() == 401
}

async fn dies(world: &World, token: &str) {
    soon("the token is not accepted any more", async || list(world, token).await.status == 401).await;
    list(world, token).await.refused(401, "access.token_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_is_shown_its_secret_once_and_works_at_once() {
    let world = World::start().await;
    let printed = Printed::of(&world, &NEW).await.done();
    let (secret, credential) = (printed.value("client_secret"), printed.value("credential"));
    assert_eq!(secret.len(), 43, "256 bits: {secret}");
    assert!(printed.text.contains("Chỉ hiện một lần") && printed.text.contains("shown only this once"));
    let token = token_of(&world, "one-stop", &secret).await;
    list(&world, &token).await.is(200);

    // The same again changes nothing: the first secret stays the one.
    let again =
        Printed::of(&world, &NEW).await.refused("Đã có hệ thống one-stop", "There is a client one-stop already");
    assert!(!again.text.contains("client_secret"));
    assert_eq!(everything(&world).await.credentials.iter().filter(|c| c.client_id == "one-stop").count(), 1);
    token_of(&world, "one-stop", &secret).await;

    let shown = Printed::of(&world, &["show", "one-stop"]).await.done().text;
    for part in ["one-stop", "Một cửa", "H15.50", "dossiers:read dossiers:write", "tất cả / all", &credential] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let listed = Printed::of(&world, &["list"]).await.done().text;
    assert!(listed.contains("one-stop") && listed.contains("province") && listed.contains("ward"), "{listed}");
    let settings = world.deployment.load().unwrap().settings;
    let keys = Keys::open(Path::new(&settings.storage.keys_folder), false, &[]).unwrap();
    let digest = hex::write(&secret_digest(&keys, "one-stop", &secret));
    let log = recorded(&world).await;
    for told in [&shown, &listed, &Value::from(log.clone()).to_string()] {
        assert!(!told.contains(&secret) && !told.contains(&digest) && !told.contains(&digest[..16]), "{told}");
    }
    assert_eq!(log.len(), 1, "{log:?}");
    Printed::of(&world, &["show", "nobody"]).await.refused("không có hệ thống nobody", "there is no client nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_added_is_refused_in_both_languages_and_changes_nothing() {
    let world = World::start().await;
    let file = |name: &str, text: &str| {
        let path = world.deployment.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key = Pair::make(Algorithm::ES256);
    let mut private = serde_json::to_value(&key.public).unwrap();
    private["d"] = json!("bm90LWEtcmVhbC1vbmUtYnV0LXByaXZhdGU");
    let private = file("private.json", &private.to_string());
    let secret = file("secret.json", &json!({ "kty": "oct", "k": "c2VjcmV0" }).to_string());
    let other_curve = file("other.json", &json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }).to_string());
    let set = file("set.json", &json!({ "keys": [key.public] }).to_string());
    let text = file("text.pem", "-----BEGIN NOTHING-----\n");
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n");
    let long = "x".repeat(65);
    let before = everything(&world).await;
    let (soundness, sound) = ("mã hệ thống: 1 đến 64 chữ cái", "a client id: 1 to 64 letters");
    let public_is_needed = ("Cần một JWK công khai", "A public JWK is needed");
    let no_certificate = ("không phải chứng thư PEM", "not a PEM certificate");
    let agency: &[&str] = &["--agency", "H15"];
    for (id, more, (vietnamese, english)) in [
        ("", agency, (soundness, sound)),
        ("a b", agency, (soundness, sound)),
        ("a:b", agency, (soundness, sound)),
        ("a/b", agency, (soundness, sound)),
        ("a\n", agency, (soundness, sound)),
        ("một-cửa", agency, (soundness, sound)),
        (&long, agency, (soundness, sound)),
        ("new", &["--agency", "H16"], ("không có cơ quan H16", "there is no agency H16")),
        ("new", &["--agency", "H15", "--agency", "H15.99"], ("không có cơ quan H15.99", "there is no agency H15.99")),
        ("new", &["--agency", "somewhere"], ("Mã cơ quan phải có dạng", "An agency id looks like")),
        ("new", &["--agency", "H15", "--procedure", "1.01"], ("Mã quốc gia có dạng", "A national code is")),
        ("new", &["--agency", "H15", "--scope", "dossiers"], ("--scope dossiers: ", " / ")),
        ("new", &["--agency", "H15", "--scope", "dossiers:read dossiers:write"], ("--scope dossiers:read ", " / ")),
        ("new", &["--agency", "H15", "--jwk", &private], ("Đây là khóa riêng", "This is a private key")),
        ("new", &["--agency", "H15", "--jwk", &secret], ("Đây là khóa riêng", "This is a private key")),
        ("new", &["--agency", "H15", "--jwk", &other_curve], public_is_needed),
        ("new", &["--agency", "H15", "--jwk", &set], public_is_needed),
        ("new", &["--agency", "H15", "--jwk", &text], ("Không phải JSON", "Not JSON")),
        ("new", &["--agency", "H15", "--certificate", &text], no_certificate),
        ("new", &["--agency", "H15", "--certificate", &broken], no_certificate),
    ] {
        let printed = Printed::of(&world, &[&["add", id, "--name", "x"], more].concat()).await;
        let printed = printed.refused(vietnamese, english);
        assert!(!printed.text.contains("bm90LWEtcmVhbC1vbmUtYnV0LXByaXZhdGU"), "the key is repeated: {}", printed.text);
    }
    assert_eq!(everything(&world).await, before, "something was added");
    assert_eq!(recorded(&world).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_changed_without_a_gap_or_at_once() {
    let world = World::start().await;
    let (first, _) = added(&world).await;
    let token_of_first = token_of(&world, "one-stop", &first).await;
    let (second, _) = rotated(&world, &[]).await;
    assert_ne!(first, second);
    token_of(&world, "one-stop", &second).await;
    Reply::of(token_request(&world, &[GRANT]).basic_auth("one-stop", Some(&first))).await.given();
    list(&world, &token_of_first).await.is(200);
    let shown = Printed::of(&world, &["show", "one-stop"]).await.done().text;
    assert_eq!(shown.matches("client_secret").count(), 2, "{shown}");
    assert_eq!(shown.matches("đến / until").count(), 1, "only the first one ends: {shown}");

    let (kept, _) = rotated(&world, &["--keep-others"]).await;
    token_of(&world, "one-stop", &kept).await;
    Reply::of(token_request(&world, &[GRANT]).basic_auth("one-stop", Some(&second))).await.given();

    let (last, _) = rotated(&world, &["--overlap-hours", "0"]).await;
    let token_of_last = token_of(&world, "one-stop", &last).await;
    for old in [&first, &second, &kept] {
        soon("an old secret is refused", async || is_refused(&world, old).await).await;
    }
    dies(&world, &token_of_first).await;
    list(&world, &token_of_last).await.is(200);
    let shown = Printed::of(&world, &["show", "one-stop"]).await.done().text;
    assert_eq!(shown.matches("hết hiệu lực / ended").count(), 3, "{shown}");
    Printed::of(&world, &["rotate", "nobody"]).await.refused("Không có hệ thống nobody", "There is no client nobody");
    let operations: Vec<Value> = recorded(&world).await.iter().map(|record| record["op"].clone()).collect();
    assert_eq!(operations, ["client.add", "client.rotate", "client.rotate", "client.rotate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_takes_its_tokens_with_it_and_no_others() {
    let world = World::start().await;
    let (leaked, credential) = added(&world).await;
    let (sound, _) = rotated(&world, &["--keep-others"]).await;
    let of_leaked = token_of(&world, "one-stop", &leaked).await;
    let of_sound = token_of(&world, "one-stop", &sound).await;
    for token in [&of_leaked, &of_sound] {
        list(&world, token).await.is(200);
    }
    let refusal = ("Không có hệ thống", "or no such credential");
    Printed::of(&world, &["revoke", "ward", "--credential", &credential]).await.refused(refusal.0, refusal.1);
    list(&world, &of_leaked).await.is(200);
    Printed::of(&world, &["revoke", "one-stop", "--credential", &credential]).await.done();
    dies(&world, &of_leaked).await;
    assert!(is_refused(&world, &leaked).await);
    list(&world, &of_sound).await.is(200);
    assert!(!is_refused(&world, &sound).await);
    list(&world, &world.token).await.is(200);
    Printed::of(&world, &["revoke", "one-stop", "--credential", &credential]).await.refused(refusal.0, refusal.1);
    let last = recorded(&world).await.pop().unwrap();
    assert_eq!((&last["op"], &last["outcome"]["decision"]), (&json!("client.revoke_credential"), &json!("done")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_client_is_nobody_for_good() {
    let world = World::start().await;
    let (first, credential) = added(&world).await;
    let (second, _) = rotated(&world, &["--keep-others"]).await;
    let mut tokens = Vec::new();
    for secret in [&first, &second] {
        let token = token_of(&world, "one-stop", secret).await;
        list(&world, &token).await.is(200);
        tokens.push(token);
    }
    Printed::of(&world, &["revoke", "one-stop"]).await.done();
    for token in &tokens {
        dies(&world, token).await;
    }
    assert!(is_refused(&world, &first).await && is_refused(&world, &second).await);
    list(&world, &world.token).await.is(200);
    let listed = Printed::of(&world, &["list"]).await.done().text;
    assert!(listed.lines().any(|line| line.starts_with("one-stop") && line.contains("REVOKED")), "{listed}");
    let shown = Printed::of(&world, &["show", "one-stop"]).await.done().text;
    assert!(shown.contains("thu hồi / revoked"), "{shown}");

    Printed::of(&world, &NEW).await.refused("không dùng lại", "is not given again");
    for arguments in [&["revoke", "one-stop"][..], &["rotate", "one-stop"], &["rotate", "one-stop", "--keep-others"]] {
        Printed::of(&world, arguments).await.refused("Không có hệ thống one-stop", "There is no client one-stop");
    }
    assert!(is_refused(&world, &first).await && is_refused(&world, &second).await);
    list(&world, &tokens[1]).await.refused(401, "access.token_revoked");
    let log = recorded(&world).await;
    let operations: Vec<&Value> = log.iter().map(|record| &record["op"]).collect();
    assert_eq!(operations, ["client.add", "client.rotate", "client.revoke"], "what was refused is not recorded");
    assert!(log.iter().all(|record| record["outcome"]["decision"] == "done"), "{log:?}");
    assert!(!log.iter().any(|record| record.to_string().contains(&credential)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_proves_one_client_and_after_its_end_another() {
    let world = World::start().await;
    let key = Pair::make(Algorithm::EdDSA);
    let path = world.deployment.folder().join("public.json");
    std::fs::write(&path, key.public_text()).unwrap();
    let with_key = |id: &'static str| {
        ["add", id, "--name", "x", "--agency", "H15", "--jwk", path.to_str().unwrap()].map(str::to_owned)
    };
    let add = async |id: &'static str| {
        let arguments = with_key(id);
        Printed::of(&world, &arguments.each_ref().map(String::as_str)).await
    };
    let printed = add("one-stop").await.done();
    assert!(!printed.text.contains("client_secret"), "{}", printed.text);
    let shown = Printed::of(&world, &["show", "one-stop"]).await.done().text;
    let x = serde_json::to_value(&key.public).unwrap()["x"].as_str().unwrap().to_owned();
    assert!(shown.contains(&x), "{shown}");
    add("second").await.refused("Hệ thống one-stop đang dùng", "Client one-stop is using this very proof");
    Printed::of(&world, &["revoke", "one-stop"]).await.done();
    add("second").await.done();
    let issuer = world.deployment.load().unwrap().settings.server.public_url;
    soon("the key proves the second client", async || {
        let now = SystemClock.now().micros() / 1_000_000;
        let claims = json!({ "iss": "second", "sub": "second", "aud": issuer, "jti": Uuid::now_v7(), "exp": now + 60 });
        let assertion = key.sign(&json!({ "alg": "EdDSA" }).to_string(), &claims.to_string());
        Reply::of(present(&world, &assertion)).await.json()["error"].is_null()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_of_a_configured_issuer_is_added_shown_and_nobody_elses() {
    let url = "http://127.0.0.1:1/realms/tinh";
    let more = format!("access.issuers = [{{ url = {url:?}, algorithms = [\"RS256\"] }}]");
    let world = World::with(lienthong_sandbox::Settings::default(), &more).await;
    let before = everything(&world).await;
    let long = "s".repeat(256);
    for (issuer, subject, vietnamese, english) in [
        ("http://127.0.0.1:1/realms/tinh/", "s", "trong [[access.issuers]]", url),
        ("https://sso.h15.example", "s", "trong [[access.issuers]]", "no such issuer there"),
        (url, "", "--subject: 1 đến 255 byte", "no control characters"),
        (url, "a\nb", "--subject: 1 đến 255 byte", "no control characters"),
        (url, &long, "--subject: 1 đến 255 byte", "1 to 255 bytes"),
    ] {
        let arguments = [&NEW[..], &["--issuer", issuer, "--subject", subject]].concat();
        Printed::of(&world, &arguments).await.refused(vietnamese, english);
    }
    for half in
        [&["--issuer", url][..], &["--subject", "s"], &["--issuer", url, "--subject", "s", "--certificate-name", "x"]]
    {
        assert_eq!(Printed::of(&world, &[&NEW[..], half].concat()).await.code, Some(2), "{half:?}");
    }
    assert_eq!(everything(&world).await, before, "something was added");

    let subject = ["--issuer", url, "--subject", "Dịch vụ 1"];
    let printed = Printed::of(&world, &[&NEW[..], &subject].concat()).await.done();
    assert!(!printed.text.contains("client_secret"), "{}", printed.text);
    let shown = Printed::of(&world, &["show", "one-stop"]).await.done().text;
    assert!(shown.contains(&format!("Dịch vụ 1 @ {url}")), "{shown}");
    let second = ["add", "second", "--name", "x", "--agency", "H15"];
    let refused = Printed::of(&world, &[&second[..], &subject].concat()).await;
    refused.refused("Hệ thống one-stop đang dùng", "Client one-stop is using this very proof");
    assert!(
        !Value::from(recorded(&world).await).to_string().contains("Dịch vụ 1"),
        "the audit log names clients by their ids"
    );
}
