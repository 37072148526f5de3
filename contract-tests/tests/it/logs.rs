//! What the program writes: a day with made-up people, their numbers and our secrets, everything going wrong on the
//! way, and then a search through the log, the answers to refused requests, and the files of the database.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lienthong_contract_tests::gateway::{Deployment, PROVINCE, WARD, client, wait_until_none};
use lienthong_contract_tests::load::step;
use lienthong_sandbox::{FaultKind, FaultPlan, Operation, OperationFaults, PortalSettings, Sandbox, Settings};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::support::{Answer, dossier_with};

/// Everything that must not show anywhere: people, numbers, the words of a body.
const PRIVATE: &[&str] = &[
    "Quàng Thị Kín",
    "Vừ A Lặng",
    "Lường Văn Giấu",
    "079203004711",
    "024681357",
    "0301234567",
    "0987612345",
    "kin.quang@example.vn",
    "tech-id-4711",
    "Trích yếu kín",
    "Ghi chú kín",
    "Lý do kín",
    "kin-4711.pdf",
    "Nội dung kín",
];

const POISONED: &str = "H15.50-261121-0002";

fn private_dossier() -> Value {
    let mut body = dossier_with(
        "/owner",
        json!({
            "kind": "citizen", "name": "Quàng Thị Kín", "phone": "0987612345", "email": "kin.quang@example.vn",
            "taxCode": "0301234567", "portalAccountId": "tech-id-4711",
            "identityDocuments": [
                { "kind": "personal_number", "number": "079203004711" }, { "kind": "old_number", "number": "024681357" }
            ]
        }),
    );
    body["summary"] = json!("Trích yếu kín");
    body["note"] = json!("Ghi chú kín");
    body["transitionReason"] = json!("Lý do kín");
    body["papers"] =
        json!([{ "id": "1", "name": "kin-4711.pdf", "link": "https://files.example.gov.vn/kin-4711.pdf" }]);
    body["supplements"] = json!([{
        "id": "1", "requestedBy": "Lường Văn Giấu", "content": "Nội dung kín", "requestedAt": "2026-11-20T08:00:00Z"
    }]);
    body
}

fn private_step() -> Value {
    let mut body = step("received", "Nội dung kín");
    body["handledBy"] = json!("Vừ A Lặng");
    body
}

/// One of `words` that the text holds, however its letters are written.
fn leak<'a>(bytes: &[u8], words: &[&'a str]) -> Option<&'a str> {
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let escaped = |word: &str| {
        word.chars()
            .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) })
            .collect::<String>()
    };
    let encoded = |word: &str| {
        word.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect::<String>()
    };
    words.iter().copied().find(|word| {
        let decomposed: String = word.nfd().collect();
        [(*word).to_owned(), decomposed, escaped(word), encoded(word)].iter().any(|form| holds(form.as_bytes()))
    })
}

/// Runs of 9 or 12 digits that stand alone; the last group of an id can be one by chance.
fn numbers(text: &str) -> Vec<&str> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let lone = parts.flat_map(|part| if part.len() == 36 { vec![] } else { part.split('-').collect() });
    lone.filter(|run| matches!(run.len(), 9 | 12) && run.bytes().all(|c| c.is_ascii_digit())).collect()
}

/// The last one is taken.
fn private_messages() -> Vec<String> {
    let file = STANDARD.encode(format!("%PDF-1.7 {}", PRIVATE.join(" ").repeat(400)));
    let good = json!({ "data": {
        "MaHoSo": "KM-1", "NgayNopHoSo": "20261121083000", "TenThuongNhan": "Quàng Thị Kín", "DienThoai": "0987612345",
        "MaSoThue": "0301234567", "Email": "kin.quang@example.vn",
        "TaiLieuNop": [{ "TenTepDinhKem": "kin-4711.pdf", "Base64": file }] } });
    let mut wrong = good.clone();
    wrong["data"]["NgayNopHoSo"] = json!("Quàng Thị Kín 079203004711");
    wrong["data"]["TaiLieuNop"][0]["Base64"] = json!("Nội dung kín");
    let malformed = good.to_string().replace("\"MaSoThue\":", "MaSoThue");
    vec![wrong.to_string(), malformed, good.to_string()]
}

struct Day {
    deployment: Deployment,
    log: String,
    refusals: Vec<String>,
    /// Secrets and tokens of the clients.
    secrets: Vec<String>,
}

impl Day {
    fn secrets(&self) -> Vec<&str> {
        self.secrets.iter().map(String::as_str).collect()
    }
}

/// Everything a day can bring, with the real program at its most talkative.
async fn day(format: &str) -> Day {
    let mut settings = Settings::default();
    settings.portal.hold_ms = 400;
    // The portal's own words repeat the person: our dead letter must not.
    let echo =
        "Chủ hồ sơ Quàng Thị Kín, số định danh 079203004711 (CMND 024681357), điện thoại 0987612345 không hợp lệ";
    settings.faults.poison.insert(POISONED.to_owned(), echo.to_owned());
    let sandbox = Sandbox::start(settings).await.unwrap();
    let more = format!(
        "log = {{ filter = \"trace\", format = \"{format}\" }}\n\
         adapters.portal-dvcqg.http = {{ connect_timeout_ms = 200, total_timeout_ms = 250 }}\n\
         inbox = {{ enabled = true, sender_addresses = [\"127.0.0.1\"], agency = \"H15\" }}"
    );
    let deployment = Deployment::new(&sandbox.url(), &more).unwrap();
    let (program, _) = deployment.spawn().await.unwrap();
    let url = deployment.url();
    let token = deployment.token(PROVINCE).await.unwrap();
    let mut secrets = vec![token.clone(), deployment.token(WARD).await.unwrap()];
    for id in [PROVINCE, WARD] {
        secrets.push(deployment.secret(id).await.unwrap().to_owned());
    }
    let mut refusals = Vec::new();
    let mut refused = |answer: Answer| {
        assert!(answer.status >= 400, "{answer:?}");
        refusals.push(format!("{:?} {}", answer.headers, answer.text));
    };
    let put =
        |code: &str, body: &Value| client().put(format!("{url}/v1/dossiers/{code}")).bearer_auth(&token).json(body);
    let steps = |code: &str, key: &str, body: &Value| {
        client()
            .post(format!("{url}/v1/dossiers/{code}/steps"))
            .bearer_auth(&token)
            .header("Idempotency-Key", key)
            .json(body)
    };

    // What goes well, and what the portal refuses.
    Answer::of(put("H15.50-261121-0001", &private_dossier())).await.is(202);
    Answer::of(steps("H15.50-261121-0001", "k1", &private_step())).await.is(202);
    Answer::of(steps("H15.50-261121-0001", "k1", &private_step())).await.is(202);
    Answer::of(put(POISONED, &private_dossier())).await.is(202);
    Answer::of(client().get(format!("{url}/v1/dossiers/H15.50-261121-0001")).bearer_auth(&token)).await.is(200);
    let mut item = private_dossier();
    item["code"] = json!("H15.50-261121-0003");
    let batch = json!({ "items": [item, private_dossier(), { "code": "H15.50-261121-0004", "owner": { "name": 7 } }] });
    let batch = client()
        .post(format!("{url}/v1/dossier-batches"))
        .bearer_auth(&token)
        .header("Idempotency-Key", "k2")
        .json(&batch);
    Answer::of(batch).await.is(202);

    // What is refused here, with people in every wrong place.
    for pointer in ["/state", "/channel", "/submittedAt", "/procedureCode", "/returnMethod"] {
        let mut wrong = private_dossier();
        crate::support::set(&mut wrong, pointer, json!("Quàng Thị Kín 079203004711"));
        refused(Answer::of(put("H15.50-261121-0005", &wrong)).await);
    }
    let mut placeholder = private_dossier();
    placeholder["owner"]["identityDocuments"][0]["number"] = json!("07920300471");
    placeholder["owner"]["name"] = json!("Quàng Thị Kín ".repeat(40));
    refused(Answer::of(put("H15.50-261121-0005", &placeholder)).await);
    let malformed = private_dossier().to_string().replace("\"email\"", "email");
    let malformed = put("H15.50-261121-0005", &json!(1)).body(malformed);
    refused(Answer::of(malformed).await);
    refused(Answer::of(put("H16-261121-0005", &private_dossier())).await);
    refused(Answer::of(put("079203004711", &private_dossier())).await);
    let almost = client().put(format!("{url}/v1/dossiers/H15.50-261121-0005")).bearer_auth(&token[1..]);
    refused(Answer::of(almost.json(&private_dossier())).await);
    refused(Answer::of(steps("H15.50-261121-0009", "k3", &private_step())).await);
    for path in
        ["Quàng Thị Kín/079203004711", "v1/Quàng Thị Kín", "079203004711", "v1/dossiers/Quàng Thị Kín/x/024681357"]
    {
        refused(Answer::of(client().get(format!("{url}/{path}")).bearer_auth(&token)).await);
    }
    let query = "state=Quàng Thị Kín&Vừ A Lặng=079203004711&cursor=0987612345&limit=024681357";
    let listed = Answer::of(client().get(format!("{url}/v1/dossiers?{query}")).bearer_auth(&token)).await;
    // The unknown parameter's name is given back as its place, to its sender.
    assert_eq!(listed.status, 400);

    // What the portal sends, as it should and otherwise.
    for message in private_messages() {
        let sent = client().post(format!("{url}/addtthcKhuyenMai")).header("content-type", "application/json");
        let answer = sent.body(message).send().await.unwrap();
        refusals.push(answer.text().await.unwrap());
    }
    assert!(refusals.last().unwrap().contains("\"error_code\":0"), "{:?}", refusals.last());

    // What goes wrong on the way.
    let open = ["accepted", "sending", "retry"];
    wait_until_none(&url, &open, Duration::from_secs(30)).await.unwrap();
    for (n, kind) in FaultKind::ALL.iter().enumerate() {
        let operations = Operation::ALL.iter().filter(|operation| kind.applies_to(**operation));
        let plan = operations.fold(FaultPlan { seed: n as u64, ..FaultPlan::none() }, |plan, operation| {
            plan.with(*operation, OperationFaults::only(*kind, 0.7))
        });
        sandbox.set_faults(plan);
        let code = format!("H15.50-261121-{:04}", 100 + n);
        Answer::of(put(&code, &private_dossier())).await.is(202);
        Answer::of(steps(&code, &format!("f{n}"), &private_step())).await.is(202);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    sandbox.set_faults(FaultPlan::none());
    // What stands behind a parked step is accepted and stays so.
    wait_until_none(&url, &["sending", "retry"], Duration::from_secs(30)).await.unwrap();
    program.kill().unwrap();
    let log = std::fs::read_to_string(deployment.folder().join("gateway.log")).unwrap();
    Day { deployment, log, refusals, secrets }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_talkative_day_tells_of_everything_and_of_nobody() {
    let day = day("json").await;
    assert!(
        day.log.contains("\"level\":\"DEBUG\"") && day.log.contains("\"level\":\"TRACE\""),
        "the log is not talkative"
    );
    assert!(day.log.contains("putDossier"), "requests are not told: the search proves nothing");
    assert!(day.log.lines().count() > 200);
    let line_of = |word: &str| {
        day.log.lines().find(|line| leak(line.as_bytes(), &[word]).is_some()).unwrap_or_default().to_owned()
    };
    let portal = PortalSettings::default();
    for words in [PRIVATE, &day.secrets(), &[portal.password.as_str()]] {
        let found = leak(day.log.as_bytes(), words);
        assert_eq!(found, None, "in the log: {}", line_of(found.unwrap_or_default()));
    }
    assert_eq!(numbers(&day.log), [""; 0], "numbers that could be a person's are in the log");
    for part in ["\"owner\"", "\"handledBy\"", "\"identityDocuments\"", "ChuHoSo", "DinhDanhCHS"] {
        assert!(!day.log.contains(part), "a body is in the log: {}", line_of(part));
    }
    // The writer that masks numbers is the last line of defence: it had nothing to mask.
    let masked = day.log.match_indices("*********").find(|(at, _)| !day.log[..*at].ends_with(['-', '*']));
    assert_eq!(masked.map(|(at, _)| &day.log[at.saturating_sub(200)..at + 12]), None, "someone wrote a number");

    for refusal in &day.refusals {
        assert_eq!(leak(refusal.as_bytes(), PRIVATE), None, "in an answer: {refusal}");
        assert_eq!(leak(refusal.as_bytes(), &day.secrets()), None, "in an answer: {refusal}");
        assert_eq!(numbers(refusal), [""; 0], "in an answer: {refusal}");
    }
    files_hold_nobody(&day);
    audit_records_hold_nobody(&day);
    dead_letters_hold_nobody(&day);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_for_people_holds_no_more_than_one_for_machines() {
    let day = day("text").await;
    assert!(day.log.contains("DEBUG") && day.log.contains("putDossier"));
    let portal = PortalSettings::default();
    for words in [PRIVATE, &day.secrets(), &[portal.password.as_str()]] {
        assert_eq!(leak(day.log.as_bytes(), words), None);
    }
    assert_eq!(numbers(&day.log), [""; 0]);
}

/// The database and its write-ahead log, byte for byte.
fn files_hold_nobody(day: &Day) {
    let data = day.deployment.folder().join("data");
    let (mut searched, mut bytes_searched) = (0, 0);
    let folders = [data.clone(), data.join("files")];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let bytes = std::fs::read(&path).unwrap();
        for words in [PRIVATE, &day.secrets()] {
            assert_eq!(leak(&bytes, words), None, "in {}", path.display());
        }
        (searched, bytes_searched) = (searched + 1, bytes_searched + bytes.len());
    }
    assert!(
        searched >= 2 && bytes_searched > 100_000,
        "{searched} files of {bytes_searched} bytes: not what was meant"
    );
    let holds_codes = std::fs::read_dir(&data)
        .unwrap()
        .any(|entry| leak(&std::fs::read(entry.unwrap().path()).unwrap(), &[POISONED]).is_some());
    assert!(holds_codes, "not even a dossier code is found: the search proves nothing");
}

fn database(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("data/lienthong.sqlite")).unwrap()
}

fn audit_records_hold_nobody(day: &Day) {
    let connection = database(day.deployment.folder());
    let mut statement = connection.prepare("SELECT record FROM audit_record").unwrap();
    let records: Vec<Vec<u8>> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(records.len() > 50, "{} records", records.len());
    for bytes in &records {
        assert_eq!(leak(bytes, PRIVATE), None, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(
            leak(bytes, &[POISONED]),
            None,
            "a dossier is named by its pseudonym: {}",
            String::from_utf8_lossy(bytes)
        );
        let mut record: Value = serde_json::from_slice(bytes).unwrap();
        record.as_object_mut().unwrap().remove("mono");
        assert_eq!(numbers(&record.to_string()), [""; 0], "{record}");
    }
}

fn dead_letters_hold_nobody(day: &Day) {
    let connection = database(day.deployment.folder());
    let mut statement = connection.prepare("SELECT problem FROM outbox WHERE problem IS NOT NULL").unwrap();
    let problems: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let poisoned = problems.iter().find(|problem| problem.contains("không hợp lệ")).expect("the poison's dead letter");
    assert!(poisoned.contains("Chủ hồ sơ"), "what is no one's stays readable: {poisoned}");
    for problem in &problems {
        assert_eq!(leak(problem.as_bytes(), PRIVATE), None, "{problem}");
        assert_eq!(numbers(problem), [""; 0], "{problem}");
    }
}

#[test]
fn the_search_finds_what_it_is_for() {
    let encoded = b"x Qu\\u00e0ng Th\\u1ecb K\\u00edn y".as_slice();
    assert_eq!(leak(encoded, PRIVATE), Some("Quàng Thị Kín"));
    assert_eq!(leak("Qua\u{300}ng Thi\u{323} Ki\u{301}n".as_bytes(), PRIVATE), Some("Quàng Thị Kín"));
    assert_eq!(leak(b"/V%E1%BB%AB%20A%20L%E1%BA%B7ng", PRIVATE), Some("Vừ A Lặng"));
    assert_eq!(leak(b"nobody", PRIVATE), None);
    let id = "019aa0c0-0000-7000-8000-012345678901";
    assert_eq!(
        numbers(&format!("a=012345678 {id} n-001099012345 20261121 1234567890123")),
        ["012345678", "001099012345"]
    );
}
