//! Erasure beside a running gateway: what was erased is in no file any more, and what was proved of it stays proved.

use std::path::{Path, PathBuf};
use std::process::Command;

use lienthong_contract_tests::gateway::Deployment;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use uuid::Uuid;

use super::stores::eventually;
use super::support::{World, dossier, dossier_path, dossier_with};

const ERASED: &str = "000.00.50.H15-261122-0001";
const KEPT: &str = "000.00.50.H15-261122-0002";
/// As long as what is looked for: a page of the database holds at least one whole piece of what was spread over pages.
const PIECE: usize = 24;

/// Bytes by which a content would be known again: its ciphertext and its key, in pieces.
struct Trace(Vec<Vec<u8>>);

impl Trace {
    fn of(deployment: &Deployment, bodies: &[Uuid]) -> Self {
        let file = deployment.folder().join("data/lienthong.sqlite");
        let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let read = |body: &Uuid| -> [Vec<u8>; 2] {
            let sql = "SELECT wrapped_key, sealed FROM body WHERE id = ?1";
            database.query_row(sql, [body.as_bytes()], |row| Ok([row.get(0)?, row.get(1)?])).unwrap()
        };
        let whole = bodies.iter().flat_map(read);
        Self(whole.flat_map(|bytes| bytes.chunks_exact(PIECE).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect())
    }

    /// How many of its pieces are somewhere in these files.
    fn pieces_in(&self, files: &[PathBuf]) -> usize {
        let contents: Vec<Vec<u8>> = files.iter().map(|file| read(file)).collect();
        let found = |piece: &&Vec<u8>| contents.iter().any(|content| memchr::memmem::find(content, piece).is_some());
        self.0.iter().filter(found).count()
    }
}

/// By another process: one that closes a file gives up every lock that it holds on it, and the gateway of this test holds some.
fn read(file: &Path) -> Vec<u8> {
    Command::new("cat").arg(file).output().unwrap().stdout
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = waiting.pop() {
        match path.is_dir() {
            true => waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path())),
            false => files.push(path),
        }
    }
    files
}

async fn run(world: &World, arguments: &[&str], code: i32) -> String {
    let output = world.cli(arguments).await;
    let printed = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
    printed
}

/// Records of a kind about a dossier, by what only the database tells.
fn bodies_of(deployment: &Deployment, code: &str) -> Vec<Uuid> {
    let file = deployment.folder().join("data/lienthong.sqlite");
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = database.prepare("SELECT body_id FROM outbox WHERE lane = ?1 ORDER BY position").unwrap();
    let rows = statement.query_map([code], |row| row.get(0).map(Uuid::from_bytes)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

const ORDER: &[&str] = &["--ground", "on-request", "--document", "12/QĐ-UBND", "--by", "Nguyễn Thị Vận Hành"];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_in_no_file_any_more_and_every_earlier_proof_still_verifies() {
    let mut world = World::start().await;
    let note = "Ghi chú rất dài về một người. ".repeat(60);
    for (code, state) in [(ERASED, "received"), (KEPT, "received"), (ERASED, "processing")] {
        let mut body = dossier_with("/note", json!(note));
        body["state"] = json!(state);
        world.put(code, &body).await.is(202);
    }
    // Many others come and go meanwhile: pages are split, moved, written anew.
    for n in 10..60 {
        world.put(&format!("000.00.50.H15-261122-{n:04}"), &dossier("received")).await.is(202);
    }
    world.settle().await;
    let (mine, others) = (bodies_of(&world.deployment, ERASED), bodies_of(&world.deployment, KEPT));
    assert_eq!((mine.len(), others.len()), (2, 1));
    let (trace, kept) = (Trace::of(&world.deployment, &mine), Trace::of(&world.deployment, &others));
    let folder = world.deployment.folder().to_owned();
    assert_eq!(trace.pieces_in(&files(&folder)), trace.0.len(), "what is looked for is found while it is there");

    // Proved before.
    let proof = folder.join("before.tlog-proof").display().to_string();
    eventually("the record is signed", async || {
        world.cli(&["audit", "prove", &mine[0].to_string(), "--file", &proof]).await.status.success()
    })
    .await;
    let key = run(&world, &["audit", "key"], 0).await.lines().next().unwrap().to_owned();
    run(&world, &["audit", "verify-proof", &proof, "--key", &key], 0).await;

    // First it is only said what would go.
    let erase = [&["erase", "dossier", ERASED][..], ORDER].concat();
    let told = run(&world, &erase, 0).await;
    assert!(told.contains("Contents that are kept: 2") && told.contains("--yes"), "{told}");
    assert_eq!(trace.pieces_in(&files(&folder)), trace.0.len(), "nothing went yet");

    let told = run(&world, &[&erase[..], &["--yes"]].concat(), 0).await;
    assert!(told.contains("Erased: 2"), "{told}");
    let left = files(&folder);
    assert!(left.iter().any(|file| file.ends_with("lienthong.sqlite-wal")), "the gateway runs");
    assert_eq!(trace.pieces_in(&left), 0, "of {}", trace.0.len());
    assert_eq!(kept.pieces_in(&left), kept.0.len(), "another dossier lost something");

    // What the API says of it, and of the other one.
    let view = world.get(&dossier_path(ERASED)).await.is(200).json();
    assert_eq!(
        (&view["dossier"], &view["revision"], &view["sync"]["status"]),
        (&Value::Null, &json!(2), &json!("delivered"))
    );
    assert_eq!(world.get(&dossier_path(KEPT)).await.is(200).json()["dossier"]["note"], json!(note));

    // What was proved stays proved, and the whole log verifies; who erased it is not named in it.
    run(&world, &["audit", "verify-proof", &proof, "--key", &key], 0).await;
    run(&world, &["audit", "prove", &mine[1].to_string(), "--file", &proof], 0).await;
    let shown = run(&world, &["audit", "verify-proof", &proof, "--key", &key], 0).await;
    assert!(shown.contains(r#""kind":"accept""#), "{shown}");
    run(&world, &["audit", "verify"], 0).await;
    let log = folder.join("exported").display().to_string();
    run(&world, &["audit", "export", &log], 0).await;
    run(&world, &["audit", "verify", "--folder", &log, "--key", &key], 0).await;
    let exported: Vec<PathBuf> = files(Path::new(&log));
    assert_eq!(trace.pieces_in(&exported), 0);
    let whole: Vec<u8> = exported.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    for target in &mine {
        let record = format!(r#""ref":"{target}""#);
        assert!(memchr::memmem::find(&whole, record.as_bytes()).is_some(), "no record says that {target} was erased");
    }
    assert!(memchr::memmem::find(&whole, "Vận Hành".as_bytes()).is_none());

    // A guess of the content cannot be tried: the same state is taken for a new one.
    let mut same = dossier_with("/note", json!(note));
    same["state"] = json!("processing");
    world.put(ERASED, &same).await.is(202);
    world.settle().await;
    // And after a restart, too.
    world.restart().await;
    assert_eq!(trace.pieces_in(&files(&folder)), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_may_not_be_is_refused_with_what_to_do() {
    let portal = lienthong_sandbox::Settings::default();
    let world = World::with(portal, "").await;
    world.put(KEPT, &dossier("received")).await.is(202);
    world.settle().await;
    let (id, unknown) = (bodies_of(&world.deployment, KEPT)[0].to_string(), Uuid::now_v7().to_string());
    let record = |id: &str, more: &[&str]| {
        [&["erase", "record", id], more].concat().iter().map(|&part| part.to_owned()).collect::<Vec<_>>()
    };
    for (arguments, code, says) in [
        (record(&unknown, ORDER), 0, "There is no content of it here"),
        (record(&id, &["--by", "A"]), 2, "--ground"),
        (record(&id, &["--ground", "because", "--by", "A"]), 2, "on-request"),
        (record(&id, &["--ground", "ordered"]), 2, "--by"),
        (record(&id, &["--ground", "ordered", "--by", " ", "--yes"]), 1, "who does it must be said"),
        (record(&id, &["--ground", "ordered", "--by", "A", "--document", "001200012345"]), 2, "123/QĐ-UBND"),
        (record(&id, &["--ground", "ordered", "--by", "A", "--document", "Nguyễn Văn A"]), 2, "123/QĐ-UBND"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let printed = run(&world, &arguments, code).await;
        assert!(printed.contains(says), "{arguments:?}: {printed}");
    }
    assert!(world.get(&dossier_path(KEPT)).await.is(200).json()["dossier"].is_object());
}
