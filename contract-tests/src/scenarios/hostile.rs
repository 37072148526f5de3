//! What a stranger could put into the portal's messages: JSON, base64, XML and addresses that are more than they look. Each is refused with
//! words that say why, none of it stays, and memory does not grow with it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::stream::{self, StreamExt};
use lienthong_sandbox::{
    FileContent, FileHabit, Outgoing, OutgoingFile, OutgoingKind, ProvinceSettings, Sandbox, Settings,
};
use serde_json::{Value, json};

use crate::gateway::{Deployment, PROVINCE, client, wait_for_metric};

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
pub struct Volume {
    /// How often the whole corpus is sent.
    pub rounds: usize,
    /// Of the largest file that is taken; hostile ones are several times as large.
    pub file_bytes: usize,
}

#[derive(Debug)]
pub struct Report {
    /// Messages that were sent, and those that were refused in so many words.
    pub messages: usize,
    pub refused: usize,
    /// The connection ended while the sender still wrote.
    pub cut_off: usize,
    /// Files at addresses, and those that were refused with the reason that was expected.
    pub links: usize,
    pub links_refused: usize,
    /// What was otherwise than it should be.
    pub wrong: Vec<String>,
    /// Whole files that are left, beside those of honest messages.
    pub left: usize,
    /// Of the gateway: after honest messages with the largest files, after the corpus was sent once, and at the end.
    pub honest_mib: u64,
    pub once_mib: u64,
    pub most_mib: u64,
    pub took: Duration,
}

/// Messages at a time.
const AT_ONCE: usize = 8;
const PROMOTION: &str = "/addtthcKhuyenMai";
const NOTICE: &str = "/nhantbthuedvcqg";
const DOSSIER: &str = "/nhanhsdvcqg";

/// A body that need not be in memory.
#[derive(Debug, Clone)]
struct Hostile {
    name: &'static str,
    path: &'static str,
    head: Vec<u8>,
    unit: Vec<u8>,
    times: usize,
    tail: Vec<u8>,
    /// In the words of the refusal.
    reason: &'static str,
}

fn whole(name: &'static str, path: &'static str, body: impl Into<Vec<u8>>, reason: &'static str) -> Hostile {
    Hostile { name, path, head: body.into(), unit: Vec::new(), times: 0, tail: Vec::new(), reason }
}

impl Hostile {
    fn body(&self) -> reqwest::Body {
        let (head, unit, tail) = (self.head.clone(), self.unit.clone(), self.tail.clone());
        let units = std::iter::repeat_n(unit, self.times);
        let pieces = std::iter::once(head).chain(units).chain([tail]).filter(|piece| !piece.is_empty());
        reqwest::Body::wrap_stream(stream::iter(pieces.map(Ok::<_, std::io::Error>)))
    }
}

fn promotion(code: &str, base64: &str) -> String {
    json!({ "data": { "MaHoSo": code, "MaTTHC": "2.000033", "NgayNopHoSo": "20261121083000",
                      "TaiLieuNop": [{ "TenTepDinhKem": "1.pdf", "Base64": base64 }] } })
    .to_string()
}

fn of_bytes(bytes: &[u8]) -> String {
    promotion("KM-X", &STANDARD.encode(bytes))
}

fn notice(xml: &[u8]) -> String {
    json!({ "data": { "FileThongBaoThue": STANDARD.encode(xml) } }).to_string()
}

fn corpus(file_bytes: usize) -> Vec<Hostile> {
    let entities = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>\
                    <DATA>&c;</DATA>";
    let attributes: String = (0..20_000).map(|n| format!(" a{n}=\"\"")).collect();
    let names: String = (0..20_000).map(|n| format!(" xmlns:a{n}=\"urn:{n}\"")).collect();
    let deep = 100_000;
    let many = format!("{{\"TenTepDinhKem\":\"a\",\"Base64\":\"{}\"}},", STANDARD.encode(b"%PDF-1.7\n"));
    let head = b"{\"data\":{\"MaHoSo\":\"KM-X\",\"TaiLieuNop\":[{\"Base64\":\"".to_vec();
    vec![
        whole("JSON that ends early", DOSSIER, "{\"data\": {\"MaHoSoQG\": \"A\",", "Không đọc được JSON"),
        whole("nothing", DOSSIER, "", "Không đọc được JSON"),
        whole("a list in a list in a list", DOSSIER, "[".repeat(deep), ""),
        whole("an object in an object", DOSSIER, "{\"data\":".repeat(deep), ""),
        whole("millions of values", DOSSIER, format!("[{}1]", "1,".repeat(1_500_000)), "giá trị"),
        whole("a name twice", DOSSIER, "{\"data\": {\"MaHoSoQG\": \"A\", \"MaHoSoQG\": \"B\"}}", "hai lần"),
        whole("a name of a megabyte", DOSSIER, format!("{{\"data\": {{\"{}\": 1}}}}", "x".repeat(1 << 20)), ""),
        whole("a number without end", DOSSIER, format!("{{\"data\": {{\"MaHoSoQG\": {}}}}}", "9".repeat(1 << 20)), ""),
        whole("an exponent", DOSSIER, "{\"data\": {\"MaHoSoQG\": 1e999999999}}", ""),
        whole("half a character", DOSSIER, "{\"data\": {\"MaHoSoQG\": \"\\ud800\"}}", ""),
        whole("a zero character", DOSSIER, "{\"data\": {\"MaHoSoQG\": \"A\\u0000B\"}}", ""),
        whole("what is no UTF-8", DOSSIER, b"{\"data\": {\"MaHoSoQG\": \"\xff\xfe\"}}".to_vec(), ""),
        whole(
            "a code of a thousand letters",
            DOSSIER,
            json!({ "data": { "MaHoSoQG": "A".repeat(1000) } }).to_string(),
            "MaHoSoQG",
        ),
        Hostile {
            unit: vec![b' '; 64 * 1024],
            times: 512,
            ..whole("blanks without end", DOSSIER, "{\"data\": {", "dài hơn 4194304 byte")
        },
        Hostile {
            unit: "QUFB".repeat(16_384).into_bytes(),
            times: file_bytes * 6 / (3 * 16_384),
            tail: b"\"}]}}".to_vec(),
            ..whole("a file that does not end", PROMOTION, head.clone(), "dài hơn")
        },
        Hostile {
            unit: vec![b'\n'; 64 * 1024],
            times: 512,
            tail: b"\"}]}}".to_vec(),
            ..whole("a file of line ends", PROMOTION, head, "")
        },
        Hostile {
            unit: many.into_bytes(),
            times: 60,
            tail: b"{\"TenTepDinhKem\":\"a\",\"Base64\":\"JVBERi0=\"}]}}".to_vec(),
            ..whole("more files than are taken", PROMOTION, "{\"data\":{\"MaHoSo\":\"KM-X\",\"TaiLieuNop\":[", "tệp")
        },
        whole("text for base64", PROMOTION, promotion("KM-X", "không phải base64"), "không phải base64"),
        whole("another alphabet", PROMOTION, promotion("KM-X", "JVBERi0_-_=="), "không phải base64"),
        whole("an end in the middle", PROMOTION, promotion("KM-X", "JVB=ERi0="), "không phải base64"),
        whole("an end too many", PROMOTION, promotion("KM-X", "JVBERi0====="), "không phải base64"),
        whole("bits left over", PROMOTION, promotion("KM-X", "JVBERi1"), ""),
        whole(
            "a program of Windows",
            PROMOTION,
            of_bytes(&b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0".repeat(9)),
            "không được nhận",
        ),
        whole(
            "a program of Linux",
            PROMOTION,
            of_bytes(&b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".repeat(9)),
            "không được nhận",
        ),
        whole("a page", PROMOTION, of_bytes(b"<!DOCTYPE html><script>alert(1)</script>"), "không được nhận"),
        whole("a script", PROMOTION, of_bytes(b"#!/bin/sh\nrm -rf /\n"), "không được nhận"),
        whole("a packed file", PROMOTION, of_bytes(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].repeat(9)), "không được nhận"),
        whole("entities of entities", NOTICE, notice(entities.as_bytes()), "DOCTYPE"),
        whole(
            "an entity from outside",
            NOTICE,
            notice(b"<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><DATA>&x;</DATA>"),
            "DOCTYPE",
        ),
        whole(
            "a document type from outside",
            NOTICE,
            notice(b"<!DOCTYPE d SYSTEM \"http://169.254.169.254/\"><DATA/>"),
            "DOCTYPE",
        ),
        whole("an unknown entity", NOTICE, notice(b"<DATA>&xxe;</DATA>"), "FileThongBaoThue"),
        whole(
            "an instruction",
            NOTICE,
            notice(b"<?xml-stylesheet href=\"http://169.254.169.254/\"?><DATA/>"),
            "FileThongBaoThue",
        ),
        whole("XML in XML in XML", NOTICE, notice("<a>".repeat(deep).as_bytes()), ""),
        whole("elements without end", NOTICE, notice(format!("<a>{}</a>", "<b/>".repeat(300_000)).as_bytes()), ""),
        whole("attributes without end", NOTICE, notice(format!("<a{attributes}/>").as_bytes()), ""),
        whole("names of names", NOTICE, notice(format!("<a{names}/>").as_bytes()), ""),
        whole("a text without end", NOTICE, notice(format!("<a>{}</a>", "x".repeat(3 << 20)).as_bytes()), ""),
        whole("a remark without end", NOTICE, notice(format!("<!--{}--><a/>", "x".repeat(3 << 20)).as_bytes()), ""),
        whole("XML that ends early", NOTICE, notice(b"<DATA><BODY><ROW_LIST>"), "FileThongBaoThue"),
        whole("XML of 16 bits", NOTICE, notice(b"\xff\xfe<\0D\0A\0T\0A\0/\0>\0"), "FileThongBaoThue"),
        whole("XML with a zero", NOTICE, notice(b"<DATA>&#0;</DATA>"), "FileThongBaoThue"),
    ]
}

/// What a host does in place of a file, and the reason that is told.
fn habits(file_bytes: usize, honest: &str) -> Vec<(FileHabit, &'static str)> {
    let to = |to: &str| FileHabit::Redirect { to: to.to_owned() };
    vec![
        (FileHabit::WrongType, "type_not_taken"),
        (FileHabit::Endless, "too_large"),
        (FileHabit::Oversize { bytes: file_bytes as u64 + 1 }, "too_large"),
        (FileHabit::Oversize { bytes: 1 << 50 }, "too_large"),
        (to("http://169.254.169.254/latest/meta-data"), "redirected"),
        (to("file:///etc/passwd"), "redirected"),
        (to(honest), "redirected"),
        (FileHabit::NotFound, "not_served"),
        (FileHabit::WrongLength { bytes: 90_000 }, "unreachable"),
        (FileHabit::SlowDrip { over_ms: 600_000 }, "unreachable"),
    ]
}

/// Reasons that may pass: such files are tried again.
const PASSING: [&str; 2] = ["not_served", "unreachable"];

/// Addresses that lead elsewhere. `port`: of the host that may be called, on this machine.
fn elsewhere(port: &str) -> Vec<String> {
    let mut addresses: Vec<String> =
        ["localhost", "[::1]", "[::ffff:7f00:1]", "127.0.0.2", "0.0.0.0", "127.0.0.1.nip.io"]
            .iter()
            .map(|host| format!("http://{host}:{port}/_files/x"))
            .collect();
    addresses.extend(
        [
            "http://169.254.169.254/latest/meta-data/",
            "http://10.0.0.1/",
            "http://127.0.0.1/",
            "https://metadata.google.internal/",
        ]
        .map(str::to_owned),
    );
    addresses
}

struct World {
    sandbox: Sandbox,
    deployment: Deployment,
}

pub async fn run(volume: Volume) -> Result<Report> {
    let Volume { rounds, file_bytes } = volume;
    let sandbox = Sandbox::start(Settings::default()).await?;
    let authority = sandbox.url().trim_start_matches("http://").to_owned();
    let more = format!(
        "inbox = {{ enabled = true, sender_addresses = [\"127.0.0.1\"], agency = \"H15\", file_bytes = {file_bytes}, links = {{ \
         hosts = [\"{authority}\"], networks = [\"127.0.0.0/8\"], parallel_fetches = {AT_ONCE}, fetch_timeout_ms = 5000, pause_ms = 1000 }} }}\n\
         outbox.retry_delays_ms = [600000]\n"
    );
    let world = World { deployment: Deployment::new(&sandbox.url(), &more)?, sandbox };
    world.sandbox.set_province(Some(ProvinceSettings::at(world.deployment.url())));
    let (program, _) = world.deployment.spawn().await?;

    // What honest messages cost: as many at a time, each with the largest file that is taken.
    let pdf = [b"%PDF-1.7\n".as_slice(), &vec![b' '; file_bytes - 9]].concat();
    let encoded = STANDARD.encode(&pdf);
    let honest = (0..2 * AT_ONCE).map(|n| {
        let body = promotion(&format!("KM-{n}"), &encoded);
        let world = &world;
        async move {
            let answer = world.post(PROMOTION, body.into()).await?.context("an honest message was cut off")?;
            ensure!(answer["error_code"] == 0, "an honest message was refused: {answer}");
            anyhow::Ok(())
        }
    });
    let ended: Vec<Result<()>> = stream::iter(honest).buffer_unordered(AT_ONCE).collect().await;
    ended.into_iter().collect::<Result<()>>()?;
    world.send_file("HONEST", FileContent::Bytes(pdf), FileHabit::Honest)?;
    let honest_link = world.fetched("HONEST").await?;
    ensure!(honest_link["fetch"]["status"] == "kept", "{honest_link}");
    let honest_files = world.whole_files()?;
    let honest_mib = program.most_memory_mib()?;

    let started = Instant::now();
    let corpus = corpus(file_bytes);
    let (mut refused, mut cut_off, mut wrong) = (0, 0, Vec::new());
    let mut once_mib = honest_mib;
    for round in 0..rounds {
        let all = corpus.iter().cloned().map(|hostile| world.refused(hostile));
        let outcomes: Vec<Result<Outcome>> = stream::iter(all).buffer_unordered(AT_ONCE).collect().await;
        for outcome in outcomes {
            match outcome? {
                Outcome::Refused => refused += 1,
                Outcome::CutOff => cut_off += 1,
                Outcome::Wrong(words) => wrong.push(words),
            }
        }
        if round == 0 {
            once_mib = program.most_memory_mib()?;
        }
    }
    let mut expected = Vec::new();
    for round in 0..rounds {
        for (n, (habit, reason)) in
            habits(file_bytes, honest_link["link"].as_str().unwrap_or_default()).into_iter().enumerate()
        {
            let code = format!("H-{round}-{n}");
            world.send_file(&code, FileContent::Pdf(2_000), habit)?;
            expected.push((code, reason));
        }
        for (n, address) in elsewhere(authority.rsplit(':').next().unwrap_or_default()).iter().enumerate() {
            let code = format!("A-{round}-{n}");
            let message = dossier(&code).with("TenTepDangKy", "x.pdf").with("URLTepDangKy", address.as_str());
            world.sandbox.send(message).map_err(anyhow::Error::msg)?;
            expected.push((code, "host_not_allowed"));
        }
    }
    let mut links_refused = 0;
    for (code, reason) in &expected {
        let found = world.fetched(code).await?;
        match found["fetch"]["reason"] == **reason && found["path"].is_null() {
            true => links_refused += 1,
            false => wrong.push(format!("{code}: {found} instead of {reason}")),
        }
    }
    let refused_links = expected.iter().filter(|(_, reason)| !PASSING.contains(reason)).count();
    let (url, token) = (world.deployment.url(), world.deployment.token(PROVINCE).await?);
    wait_for_metric(&url, &token, "lienthong_inbox_files{status=\"refused\"}", refused_links as f64).await?;
    Ok(Report {
        messages: rounds * corpus.len(),
        refused,
        cut_off,
        links: expected.len(),
        links_refused,
        wrong,
        left: world.whole_files()? - honest_files,
        honest_mib,
        once_mib,
        most_mib: program.most_memory_mib()?,
        took: started.elapsed(),
    })
}

fn dossier(code: &str) -> Outgoing {
    Outgoing::new(OutgoingKind::Dossier)
        .with("MaHoSoQG", code)
        .with("MaTTHC", "1.013225")
        .with("NgayNopHoSo", "20261121083000")
        .with("TenNguoiNop", "Nguyễn Thị Ví Dụ")
}

enum Outcome {
    Refused,
    CutOff,
    Wrong(String),
}

impl World {
    /// `None` if the connection ended before there was an answer.
    async fn post(&self, path: &str, body: reqwest::Body) -> Result<Option<Value>> {
        let request = client().post(format!("{}{path}", self.deployment.url())).body(body);
        let sent = request.header("content-type", "application/json").timeout(Duration::from_secs(120)).send().await;
        match sent {
            Ok(response) => Ok(Some(response.json().await?)),
            Err(error) if error.is_timeout() => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    async fn refused(&self, hostile: Hostile) -> Result<Outcome> {
        let answer = self.post(hostile.path, hostile.body()).await.with_context(|| hostile.name)?;
        // One that still writes may see the end of the connection in place of the answer.
        let Some(answer) = answer else {
            let is_long = hostile.times > 0 || hostile.head.len() > 1 << 20;
            return Ok(if is_long { Outcome::CutOff } else { Outcome::Wrong(format!("{}: no answer", hostile.name)) });
        };
        let words = answer["message"].as_str().unwrap_or_default();
        let is_right = answer["error_code"] == -1 && !words.is_empty() && words.contains(hostile.reason);
        Ok(if is_right { Outcome::Refused } else { Outcome::Wrong(format!("{}: {answer}", hostile.name)) })
    }

    fn send_file(&self, code: &str, content: FileContent, habit: FileHabit) -> Result<()> {
        let file = OutgoingFile { name: "1.pdf".into(), content_type: "application/pdf".into(), content, habit };
        self.sandbox.send(dossier(code).with_file(file)).map(drop).map_err(anyhow::Error::msg)
    }

    /// The file of this dossier's message, once something was made of its address.
    async fn fetched(&self, code: &str) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let page = self.get("/v1/inbox-items?limit=500").await?;
            let items = page["items"].as_array().context("no items")?;
            if let Some(id) =
                items.iter().find(|item| item["nationalCode"] == code).and_then(|item| item["id"].as_str())
            {
                let file = self.get(&format!("/v1/inbox-items/{id}")).await?["attachments"][0].clone();
                if file["fetch"]["reason"].is_string() || file["fetch"]["status"] == "kept" {
                    return Ok(file);
                }
            }
            ensure!(Instant::now() < deadline, "nothing was made of the address of {code}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let token = self.deployment.token(PROVINCE).await?;
        let url = format!("{}{path}", self.deployment.url());
        Ok(client().get(url).bearer_auth(token).send().await?.error_for_status()?.json().await?)
    }

    fn whole_files(&self) -> Result<usize> {
        let entries = std::fs::read_dir(self.deployment.folder().join("data/files"))?;
        Ok(entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_none())).count())
    }
}

impl Report {
    /// What must hold.
    pub fn check(&self) -> Result<()> {
        ensure!(self.wrong.is_empty(), "{:#?}", self.wrong);
        ensure!(self.refused + self.cut_off == self.messages && self.links_refused == self.links, "{self:?}");
        ensure!(self.cut_off * 4 < self.messages, "{} of {} had no answer", self.cut_off, self.messages);
        ensure!(self.left == 0, "{} files are left", self.left);
        // Of each message that is read at a time, its JSON three times over: what inbox.message_bytes says.
        let bound = self.honest_mib + AT_ONCE as u64 * 3 * 4;
        ensure!(self.once_mib <= bound, "{} MiB, honest messages {} MiB", self.once_mib, self.honest_mib);
        ensure!(self.most_mib <= self.once_mib + 16, "it grew from {} to {} MiB", self.once_mib, self.most_mib);
        Ok(())
    }
}
