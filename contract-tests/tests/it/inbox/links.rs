//! Files that the portal names by an address: fetched once, kept like those that came along, and from nowhere else than agreed.

use std::time::{Duration, Instant};

use lienthong_sandbox::{FileContent, FileHabit, OutgoingFile, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::{INBOX, acknowledge, answers, born, province, send};
use crate::support::World;

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What fetches from the sandbox, which is on this machine.
const FETCH: &str = "hosts = [\"{sandbox}\"], networks = [\"127.0.0.0/8\"]";
const RETRY: &str = "\n[outbox]\nretry_delays_ms = [200]\n";

fn fetching(more: &str) -> String {
    format!("{INBOX}file_bytes = 1000000\nlinks = {{ {FETCH}, {more} }}\n{RETRY}")
}

async fn world(more: &str) -> World {
    let world = World::with(Settings::default(), more).await;
    world.sandbox.set_province(Some(province(&world)));
    world
}

fn file(content: FileContent, habit: FileHabit) -> OutgoingFile {
    OutgoingFile { name: "Đơn đề nghị.pdf".into(), content_type: "application/pdf".into(), content, habit }
}

/// Sends a dossier with such a file; the id of the message.
async fn sent(world: &World, code: &str, file: OutgoingFile) -> String {
    send(world, born(code).with_file(file)).await;
    id_of(world, code).await
}

async fn id_of(world: &World, code: &str) -> String {
    let page = world.get("/v1/inbox-items?limit=500").await.is(200).json();
    let item = page["items"].as_array().unwrap().iter().find(|item| item["nationalCode"] == code).unwrap();
    item["id"].as_str().unwrap().to_owned()
}

async fn attachment(world: &World, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let item = world.wait_for(&format!("/v1/inbox-items/{id}"), |item| holds(&item["attachments"][0])).await;
    item["attachments"][0].clone()
}

fn stands(file: &Value) -> (&str, &str) {
    (file["fetch"]["status"].as_str().unwrap_or_default(), file["fetch"]["reason"].as_str().unwrap_or_default())
}

/// How often the portal was asked for files.
fn fetches(world: &World) -> u64 {
    world.sandbox.outgoing().iter().flat_map(|sent| &sent.files).map(|file| file.fetches).sum()
}

fn kept(world: &World) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(world.deployment.folder().join("data/files"));
    entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_at_an_address_is_fetched_once_and_given_out_like_one_that_came_along() {
    let world = world(&fetching("parallel_fetches = 2")).await;
    let bytes = super::pdf(700_000);
    let id = sent(&world, "KM-1", file(FileContent::Bytes(bytes.clone()), FileHabit::Honest)).await;
    let fetched = attachment(&world, &id, |file| stands(file).0 == "kept").await;
    assert_eq!((&fetched["mediaType"], &fetched["bytes"]), (&json!("application/pdf"), &json!(bytes.len())));
    assert_eq!((&fetched["name"], &fetched["sha256"]), (&json!("Đơn đề nghị.pdf"), &json!(sha256(&bytes))));
    assert_eq!((&fetched["fetch"]["attempts"], &fetched["fetch"]["nextAt"]), (&json!(1), &Value::Null));
    assert!(fetched["link"].as_str().unwrap().contains("/_files/"));
    let request = world.request(Method::GET, fetched["path"].as_str().unwrap()).bearer_auth(&world.token);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/pdf");
    assert!(response.bytes().await.unwrap() == bytes, "another file");
    for stored in kept(&world) {
        let stored = std::fs::read(stored).unwrap();
        assert!(!stored.windows(8).any(|window| window == b"%PDF-1.7"), "it is in the clear");
    }
    assert_eq!((fetches(&world), kept(&world).len()), (1, 1));
    let records = world.get("/v1/audit/records?kind=outcome").await.is(200).json();
    let told = records["items"].as_array().unwrap().iter().find(|item| item["record"]["op"] == "inbox.fetch").unwrap();
    assert_eq!((&told["record"]["outcome"]["decision"], &told["record"]["agency"]), (&json!("kept"), &json!("H15")));
    assert!(!records.to_string().contains("_files"), "an address is in the log");
    // The content is erased, and with it what can open the file.
    acknowledge(&world, &id, "H15.50-261121-0001").await.is(200);
    world.settle().await;
    let erased = world
        .cli(&["erase", "dossier", "H15.50-261121-0001", "--ground", "on-request", "--by", "Trần Thị Thử", "--yes"])
        .await;
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    assert_eq!(world.get(&format!("/v1/inbox-items/{id}")).await.is(200).json()["attachments"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_host_does_in_place_of_the_file_nothing_of_it_is_kept_and_why_is_told() {
    let world = world(&fetching("parallel_fetches = 8, fetch_timeout_ms = 1500, pause_ms = 400")).await;
    let honest = sent(&world, "KM-0", file(FileContent::Pdf(100), FileHabit::Honest)).await;
    let honest = attachment(&world, &honest, |file| stands(file).0 == "kept").await;
    let elsewhere = |to: &str| FileHabit::Redirect { to: to.to_owned() };
    let corpus = [
        (FileHabit::WrongType, ("refused", "type_not_taken")),
        (FileHabit::Endless, ("refused", "too_large")),
        (FileHabit::Oversize { bytes: 1 << 40 }, ("refused", "too_large")),
        (FileHabit::Oversize { bytes: 1_000_001 }, ("refused", "too_large")),
        (elsewhere("http://169.254.169.254/latest/meta-data"), ("refused", "redirected")),
        (elsewhere(honest["link"].as_str().unwrap()), ("refused", "redirected")),
        (elsewhere("file:///etc/passwd"), ("refused", "redirected")),
        (FileHabit::NotFound, ("waiting", "not_served")),
        (FileHabit::SlowDrip { over_ms: 60_000 }, ("waiting", "unreachable")),
        (FileHabit::WrongLength { bytes: 5_000 }, ("waiting", "unreachable")),
    ];
    for (n, (habit, expected)) in corpus.iter().enumerate() {
        let id = sent(&world, &format!("KM-{}", n + 1), file(FileContent::Pdf(2_000), habit.clone())).await;
        let refused = attachment(&world, &id, |file| !stands(file).1.is_empty()).await;
        assert_eq!(stands(&refused), *expected, "{habit:?}");
        assert_eq!((&refused["path"], &refused["bytes"]), (&Value::Null, &Value::Null));
        let answer = world.get(&format!("/v1/inbox-items/{id}/files/1")).await;
        answer.refused(409, "inbox.file_not_fetched");
    }
    let empty = sent(&world, "KM-90", file(FileContent::Bytes(vec![]), FileHabit::Honest)).await;
    assert_eq!(stands(&attachment(&world, &empty, |file| !stands(file).1.is_empty()).await), ("refused", "empty"));
    // What may pass is tried again and again, the rest is not.
    let again = id_of(&world, "KM-8").await;
    attachment(&world, &again, |file| file["fetch"]["attempts"].as_u64() > Some(2)).await;
    let asked = |code: &str| {
        let sent = world.sandbox.outgoing();
        sent.iter().find(|sent| sent.code == code).unwrap().files[0].fetches
    };
    assert_eq!((asked("KM-1"), asked("KM-6")), (1, 1));
    let whole = kept(&world).into_iter().filter(|path| path.extension().is_none()).count();
    assert_eq!(whole, 1, "something of them was kept");
    let told = String::from_utf8(world.cli(&["inbox", "files"]).await.stdout).unwrap();
    assert!(told.contains("type_not_taken: Loại tệp không được nhận / Files of this type are not taken"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_anywhere_else_is_not_called() {
    let world = world(&fetching("parallel_fetches = 8")).await;
    let authority = world.sandbox.url().trim_start_matches("http://").to_owned();
    let port = authority.rsplit_once(':').unwrap().1;
    // Names of this machine in all spellings; of it, the first is the only one that may be called.
    let spelled = [
        format!("http://localhost:{port}/_files/x"),
        format!("http://[::1]:{port}/_files/x"),
        format!("http://[::ffff:127.0.0.1]:{port}/_files/x"),
        format!("http://127.0.0.2:{port}/_files/x"),
        format!("http://127.1:{}/_files/x", port.parse::<u16>().unwrap() ^ 1),
        "http://127.0.0.1/_files/x".to_owned(),
        format!("https://{authority}.evil.example/_files/x"),
        format!("http://0.0.0.0:{port}/_files/x"),
        "http://169.254.169.254/latest/meta-data/iam".to_owned(),
        "http://metadata.google.internal/computeMetadata/v1/".to_owned(),
        "http://10.0.0.1/".to_owned(),
    ];
    for (n, url) in spelled.iter().enumerate() {
        send(&world, born(&format!("KM-{n}")).with("TenTepDangKy", "x.pdf").with("URLTepDangKy", url.as_str())).await;
        let id = id_of(&world, &format!("KM-{n}")).await;
        let refused = attachment(&world, &id, |file| !stands(file).1.is_empty()).await;
        assert_eq!(stands(&refused), ("refused", "host_not_allowed"), "{url}");
    }
    // What is no address at all is no message.
    for url in [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "javascript:alert(1)",
        "http://a@127.0.0.1/",
        "//127.0.0.1/x",
        "http://",
    ] {
        let message = born("KM-99").with("TenTepDangKy", "x.pdf").with("URLTepDangKy", url);
        let answer = send(&world, message).await;
        assert!(answers(&answer).iter().all(|kind| format!("{kind:?}").contains("Refused")), "{url}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_in_a_network_that_was_not_opened_is_not_called_until_an_operator_opens_it() {
    let closed = format!("{INBOX}links = {{ hosts = [\"{{sandbox}}\"] }}\n{RETRY}");
    let mut world = world(&closed).await;
    let id = sent(&world, "KM-1", file(FileContent::Pdf(500), FileHabit::Honest)).await;
    let refused = attachment(&world, &id, |file| !stands(file).1.is_empty()).await;
    assert_eq!((stands(&refused), fetches(&world)), (("refused", "address_not_allowed"), 0));
    let authority = world.sandbox.url().trim_start_matches("http://").to_owned();
    world.deployment.change(&fetching("parallel_fetches = 2").replace("{sandbox}", &authority)).unwrap();
    world.restart().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(fetches(&world), 0, "it was given up");
    let asked = world.cli(&["inbox", "fetch", "--item", &id]).await;
    assert!(asked.status.success() && String::from_utf8_lossy(&asked.stdout).contains("fetched again: 1"), "{asked:?}");
    let fetched = attachment(&world, &id, |file| stands(file).0 == "kept").await;
    assert_eq!(fetched["bytes"], 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_s_addresses_are_called_through_the_security_server_where_that_is_said() {
    let more = "rewrite = [{ from = \"https://files.example.gov.vn/\", to = \"http://{sandbox}/_files/\" }]";
    let world = world(&fetching(more)).await;
    let there = sent(&world, "KM-1", file(FileContent::Pdf(500), FileHabit::Honest)).await;
    let there = attachment(&world, &there, |file| stands(file).0 == "kept").await;
    let id = there["link"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
    let url = format!("https://files.example.gov.vn/{id}");
    send(&world, born("KM-2").with("TenTepDangKy", "x.pdf").with("URLTepDangKy", url.as_str())).await;
    let through = attachment(&world, &id_of(&world, "KM-2").await, |file| stands(file).0 == "kept").await;
    assert_eq!((through["link"].as_str(), &through["sha256"]), (Some(url.as_str()), &there["sha256"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_was_killed_in_the_midst_is_made_again_and_nothing_is_kept_twice() {
    let more = fetching("parallel_fetches = 2, fetch_timeout_ms = 3000");
    let mut world = World::outside(&more).await;
    world.sandbox.set_province(Some(province(&world)));
    let slowly = FileHabit::SlowDrip { over_ms: 1_500 };
    let id = sent(&world, "KM-1", file(FileContent::Pdf(50_000), slowly)).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while fetches(&world) == 0 {
        assert!(Instant::now() < deadline, "it is not fetched");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.kill().await;
    world.start_outside().await;
    let fetched = attachment(&world, &id, |file| stands(file).0 == "kept").await;
    assert_eq!((&fetched["bytes"], &fetched["fetch"]["attempts"], fetches(&world)), (&json!(50_000), &json!(2), 2));
    let whole = kept(&world).into_iter().filter(|path| path.extension().is_none()).count();
    assert_eq!(whole, 1);
}
