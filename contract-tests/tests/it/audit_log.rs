//! What a third party can do with the audit log: fetch it, prove a record, verify it offline, with our program, with
//! OpenSSL alone, and with libraries that share no code with us.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use lienthong::audit::log::{Checkpoint, Note, ProofFile, Tile, entries};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tlog_tiles::{Error, Hash, HashReader};

use super::support::{Answer, World, dossier};

const CODE: &str = "000.00.50.H15-261121-0001";

/// A gateway whose log has more records than a tile holds, all of them signed.
async fn world() -> World {
    filled(World::start().await).await
}

async fn filled(world: World) -> World {
    for n in 0..90 {
        let code = format!("000.00.50.H15-261121-{:04}", n + 1);
        world.put(&code, &dossier("received")).await.is(202);
    }
    world.settle().await;
    wait_until_signed(&world).await;
    world
}

/// Until nothing new has been signed for a while.
async fn wait_until_signed(world: &World) -> Checkpoint {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut before = None;
    loop {
        let now = Answer::of(world.request(Method::GET, "/audit/checkpoint")).await;
        if now.status == 200 {
            let (_, checkpoint) = signed(&now.text);
            if before.as_ref() == Some(&checkpoint) && checkpoint.size > 256 {
                return checkpoint;
            }
            before = Some(checkpoint);
        }
        assert!(Instant::now() < deadline, "nothing is signed: {before:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn signed(text: &str) -> (Note, Checkpoint) {
    let note = Note::parse(text.as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    (note, checkpoint)
}

fn printed(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// Runs it, and checks how it ends.
#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    let printed = printed(output);
    assert_eq!(output.status.code(), Some(code), "{printed}");
    printed
}

/// The key of this half-year; that of the next is published with it.
async fn key(world: &World) -> String {
    let keys = ended(&world.cli(&["audit", "key"]).await, 0);
    assert_eq!(keys.lines().count(), 2, "{keys}");
    keys.lines().next().unwrap().to_owned()
}

async fn exported(world: &World) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = world.cli(&["audit", "export", &folder.path().join("log").display().to_string()]).await;
    ended(&output, 0);
    folder
}

/// Every record of an exported shard, in order.
fn records(shard: &Path, size: u64) -> Vec<Vec<u8>> {
    let tiles = (0..).map_while(|number| Tile::of_tree(0, number, size));
    let read = |tile: Tile| std::fs::read(shard.join(tile.entries_path())).unwrap();
    tiles.flat_map(|tile| entries(&read(tile)).unwrap().into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
}

/// The folder of the only shard.
fn shard_folder(folder: &TempDir) -> std::path::PathBuf {
    let found = std::fs::read_dir(folder.path().join("log")).unwrap().map(|entry| entry.unwrap().path());
    found.filter(|path| path.is_dir()).collect::<Vec<_>>().pop().unwrap()
}

/// Another's memory of a tree.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_may_fetch_checkpoints_and_hashes_and_nobody_the_records() {
    let world = world().await;
    let newest = Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.is(200);
    assert_eq!(newest.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(newest.header("cache-control"), "public, max-age=2");
    let (note, checkpoint) = signed(&newest.text);
    let key = key(&world).await.parse_key();
    assert_eq!(note.verify(std::slice::from_ref(&key)).unwrap().len(), 1);
    let shard = checkpoint.origin.rsplit('/').next().unwrap().to_owned();
    assert!(checkpoint.origin.ends_with(&format!("/audit/{shard}")), "the origin is where it is served");
    let get = async |path: &str| world.request(Method::GET, &format!("/audit/{shard}{path}")).send().await.unwrap();

    let same = get("/checkpoint").await.text().await.unwrap();
    assert_eq!(signed(&same).1, checkpoint);
    let full = get("/tile/0/000").await;
    assert_eq!(full.headers()["content-type"], "application/octet-stream");
    assert_eq!(full.headers()["cache-control"], "public, max-age=31536000, immutable");
    let full = full.bytes().await.unwrap();
    assert_eq!(full.len(), 256 * 32);
    let width = checkpoint.size - 256;
    let part = get(&format!("/tile/0/001.p/{width}")).await.bytes().await.unwrap();
    assert_eq!(part.len() as u64, width * 32);
    // One level up: the root of the full tile.
    let above = get("/tile/1/000.p/1").await.bytes().await.unwrap();
    assert_eq!(above.len(), 32);
    let earlier = get("/tile/0/000.p/7").await.bytes().await.unwrap();
    assert_eq!(earlier, full[..7 * 32], "of an earlier tree");

    let beyond = format!("/tile/0/001.p/{}", width + 1);
    for path in [
        beyond.as_str(),
        "/tile/0/001",
        "/tile/0/002.p/1",
        "/tile/1/000.p/2",
        "/tile/2/000.p/1",
        "/tile/0/0",
        "/tile/8/000",
        "/tile/x/000",
        "/tile/0/000.p/0",
        "/tile/entries/000",
        "/tile/entries/000.p/7",
        "/other",
    ] {
        assert_eq!(get(path).await.status(), 404, "{path}");
    }
    for shard in ["2020h1", "%2e%2e", "x%00y", "a%2fb"] {
        let other = world.request(Method::GET, &format!("/audit/{shard}/checkpoint")).send().await.unwrap();
        assert_eq!(other.status(), 404, "{shard}");
    }
    world.get("/audit/checkpoint").await.is(200);
}

trait ParseKey {
    fn parse_key(&self) -> lienthong::audit::log::VerifierKey;
}

impl ParseKey for String {
    fn parse_key(&self) -> lienthong::audit::log::VerifierKey {
        lienthong::audit::log::VerifierKey::parse(self).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_one_record_is_verified_without_a_database_and_any_change_of_it_is_told() {
    let world = world().await;
    let (folder, key) = (exported(&world).await, key(&world).await);
    let shard = shard_folder(&folder);
    let (_, checkpoint) = signed(&std::fs::read_to_string(shard.join("checkpoint")).unwrap());
    let all = records(&shard, checkpoint.size);
    let id = |record: &[u8]| serde_json::from_slice::<Value>(record).unwrap()["id"].as_str().unwrap().to_owned();
    let file = folder.path().join("one.tlog-proof");
    let file_name = file.display().to_string();
    for record in [&all[0], &all[200], all.last().unwrap()] {
        ended(&world.cli(&["audit", "prove", &id(record), "--file", &file_name]).await, 0);
        let said = verify_proof(folder.path(), &file_name, &key, 0);
        assert!(said.contains("VERIFIED") && said.contains(&String::from_utf8_lossy(record).into_owned()), "{said}");
        assert!(said.contains("not when"), "what it does not prove is said: {said}");
    }
    // On standard output it is the same file.
    let shown = world.cli(&["audit", "prove", &id(&all[0])]).await;
    assert!(ProofFile::parse(&shown.stdout).is_ok());

    let good = std::fs::read(&file).unwrap();
    for (n, bit) in (0..good.len() * 8).step_by(211).enumerate() {
        let mut changed = good.clone();
        changed[bit / 8] ^= 1 << (n % 8);
        std::fs::write(&file, &changed).unwrap();
        let output = lienthong_alone(folder.path(), &["audit", "verify-proof", &file_name, "--key", &key]);
        assert!(matches!(output.status.code(), Some(1 | 2)), "bit {bit}: {}", printed(&output));
    }
    std::fs::write(&file, &good).unwrap();
    // Another's key, a key under another name, and none.
    let sumdb = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    assert!(verify_proof(folder.path(), &file_name, sumdb, 1).contains("trusted"));
    assert!(verify_proof(folder.path(), &file_name, "x", 2).contains("--key"));
    assert!(verify_proof(folder.path(), "no-such-file", &key, 2).contains("no-such-file"));
    let unknown = world.cli(&["audit", "prove", "01a20002-453a-757f-8550-c4932ccecac8"]).await;
    assert!(ended(&unknown, 1).contains("there is no record"));
}

/// The program in an empty folder, without configuration.
fn lienthong_alone(folder: &Path, arguments: &[&str]) -> Output {
    let program = lienthong_contract_tests::gateway::program().unwrap();
    Command::new(program).args(arguments).current_dir(folder).env_clear().output().unwrap()
}

#[track_caller]
fn verify_proof(folder: &Path, file: &str, key: &str, code: i32) -> String {
    ended(&lienthong_alone(folder, &["audit", "verify-proof", file, "--key", key]), code)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_log_is_verified_where_it_is_and_where_it_was_exported_to() {
    let world = world().await;
    let (folder, key) = (exported(&world).await, key(&world).await);
    let log = folder.path().join("log").display().to_string();
    let kept = shard_folder(&folder).join("checkpoint").display().to_string();

    let said = ended(&world.cli(&["audit", "verify"]).await, 0);
    assert!(said.contains("VERIFIED") && said.contains("cannot be known") && said.contains("compare them"), "{said}");
    let said = ended(&world.cli(&["audit", "verify", "--key", &key, "--checkpoint", &kept]).await, 0);
    assert!(said.contains("VERIFIED") && !said.contains("cannot be known") && !said.contains("compare them"), "{said}");
    let alone = |more: &[&str]| {
        lienthong_alone(folder.path(), &[&["audit", "verify", "--folder", &log, "--key", &key][..], more].concat())
    };
    ended(&alone(&["--checkpoint", &kept]), 0);
    assert!(ended(&alone(&["--checkpoint", "nothing"]), 2).contains("nothing"));

    // While it goes on to be written.
    for n in 0..5 {
        let code = format!("000.00.50.H15-261122-{:04}", n + 1);
        world.put(&code, &dossier("received")).await.is(202);
        ended(&world.cli(&["audit", "verify", "--checkpoint", &kept]).await, 0);
    }
    let entry = shard_folder(&folder).join("tile/entries/000");
    let mut bytes = std::fs::read(&entry).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&entry, bytes).unwrap();
    let said = ended(&alone(&[]), 1);
    assert!(said.contains("NOT VERIFIED") && said.contains("record 0: it was changed"), "{said}");
    assert!(said.contains("the first 0 records are as they were signed"), "{said}");
    // A log that is not there is not sound.
    std::fs::rename(shard_folder(&folder), folder.path().join("elsewhere")).unwrap();
    assert!(ended(&alone(&[]), 2).contains("there is no log here"));
    let other = lienthong_alone(folder.path(), &["audit", "verify", "--folder", "nowhere", "--key", &key]);
    ended(&other, 2);
    let again = world.cli(&["audit", "export", &log]).await;
    assert!(ended(&again, 1).contains("exists") || printed(&again).contains("there already"));
}

/// The commands of the exported README, as they stand there.
#[tokio::test(flavor = "multi_thread")]
async fn openssl_alone_verifies_the_signature_by_the_commands_of_the_readme() {
    let world = world().await;
    let folder = exported(&world).await;
    let log = folder.path().join("log");
    let readme = std::fs::read_to_string(log.join("README.txt")).unwrap();
    let commands: String = readme
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("vkey="))
        .take_while(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    let run = || Command::new("bash").args(["-euc", &commands]).current_dir(&log).output().unwrap();
    assert!(ended(&run(), 0).contains("Signature Verified Successfully"));
    let checkpoint = shard_folder(&folder).join("checkpoint");
    let text = std::fs::read_to_string(&checkpoint).unwrap();
    let (_, known) = signed(&text);
    std::fs::write(&checkpoint, text.replacen(&known.size.to_string(), &(known.size + 1).to_string(), 1)).unwrap();
    assert!(!run().status.success());
}

/// `signed_note` and `tlog_tiles`, which others have written for the logs of certificates.
#[tokio::test(flavor = "multi_thread")]
async fn libraries_of_others_verify_signature_root_inclusion_and_consistency() {
    let world = world().await;
    let (folder, key) = (exported(&world).await, key(&world).await);
    let shard = shard_folder(&folder);
    let note = std::fs::read(shard.join("checkpoint")).unwrap();
    let verifier = signed_note::StandardVerifier::new(&key).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let theirs = signed_note::Note::from_bytes(&note).unwrap();
    let (verified, unknown) = theirs.verify(&known).unwrap();
    assert_eq!((verified.len(), unknown.len()), (1, 0));
    let newest = tlog_tiles::Checkpoint::from_bytes(theirs.text()).unwrap();

    let all = records(&shard, newest.size());
    let mut stored = Stored(Vec::new());
    for (index, record) in (0..).zip(&all) {
        let hashes = tlog_tiles::stored_hashes(index, record, &stored).unwrap();
        stored.0.extend(hashes);
    }
    assert_eq!(&tlog_tiles::tree_hash(newest.size(), &stored).unwrap(), newest.hash());
    for index in [0, 1, 255, 256, newest.size() - 1] {
        let record = &all[usize::try_from(index).unwrap()];
        let id = serde_json::from_slice::<Value>(record).unwrap()["id"].as_str().unwrap().to_owned();
        let proof = ProofFile::parse(&world.cli(&["audit", "prove", &id]).await.stdout).unwrap();
        let of = tlog_tiles::Checkpoint::from_bytes(proof.checkpoint.text().as_bytes()).unwrap();
        let path: Vec<Hash> = proof.path.iter().map(|hash| Hash(*hash)).collect();
        let leaf = tlog_tiles::record_hash(record);
        tlog_tiles::check_record(&path, of.size(), *of.hash(), index, leaf).unwrap();
        assert!(tlog_tiles::check_record(&path, of.size(), *of.hash(), index, Hash([7; 32])).is_err());
    }
    // Every checkpoint that was signed on the way is one of the same tree.
    let mut earlier: Vec<_> =
        std::fs::read_dir(shard.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    earlier.sort();
    for file in &earlier {
        let note = signed_note::Note::from_bytes(&std::fs::read(file).unwrap()).unwrap();
        note.verify(&known).unwrap();
        let old = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        let path = tlog_tiles::prove_tree(newest.size(), old.size(), &stored).unwrap();
        tlog_tiles::check_tree(&path, newest.size(), *newest.hash(), old.size(), *old.hash()).unwrap();
        if old.size() < newest.size() {
            let ours: Vec<[u8; 32]> = path.iter().map(|hash| hash.0).collect();
            let (old, new) = ((old.size(), &old.hash().0), (newest.size(), &newest.hash().0));
            assert_eq!(lienthong::audit::log::verify_consistency(old, new, &ours), Ok(()));
        }
    }
    assert!(!earlier.is_empty());
}

/// Debian's `golang.org/x/mod/sumdb`, whose authors have written the format. `cargo xtask test` runs it where Go is.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Go and its sumdb package: cargo xtask test"]
async fn go_verifies_signature_root_inclusion_and_consistency() {
    let world = world().await;
    let (folder, key) = (exported(&world).await, key(&world).await);
    let shard = shard_folder(&folder);
    let (_, checkpoint) = signed(&std::fs::read_to_string(shard.join("checkpoint")).unwrap());
    let record = &records(&shard, checkpoint.size)[200];
    let id = serde_json::from_slice::<Value>(record).unwrap()["id"].as_str().unwrap().to_owned();
    let proof = folder.path().join("one.tlog-proof");
    ended(&world.cli(&["audit", "prove", &id, "--file", &proof.display().to_string()]).await, 0);
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("audit_judge.go");
    let run = |what: &Path| {
        let mut go = Command::new("go");
        go.arg("run").arg(&judge).arg(&key).arg(&shard).arg(what);
        go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
        go.env("GOCACHE", std::env::temp_dir().join("lienthong-go-cache")).output().unwrap()
    };
    let said = ended(&run(&proof), 0);
    println!("{said}");
    assert!(said.contains("inclusion of record 200: ok"), "{said}");
    let changed = std::fs::read_to_string(&proof).unwrap().replacen("index 200", "index 201", 1);
    std::fs::write(&proof, changed).unwrap();
    ended(&run(&proof), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_gateway_signs_on_and_every_request_has_its_record_in_the_signed_log() {
    let mut world = world().await;
    let before = wait_until_signed(&world).await;
    world.restart().await;
    world.get(&super::support::dossier_path(CODE)).await.is(200);
    let after = wait_until_signed(&world).await;
    assert!(after.size > before.size, "{after:?}");
    let folder = exported(&world).await;
    let all = records(&shard_folder(&folder), after.size);
    let count =
        |op: &str| all.iter().filter(|record| serde_json::from_slice::<Value>(record).unwrap()["op"] == op).count();
    assert_eq!((count("dossier.sync"), count("config.start"), count("dossier.view")), (90, 2, 1));
}

/// Changes the database of a gateway that is not running.
fn tamper(world: &World, sql: &str) {
    let file = world.deployment.folder().join("data/lienthong.sqlite");
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_its_signatures_or_its_head_is_not_called_sound() {
    let mut world = world().await;
    let (folder, key) = (exported(&world).await, key(&world).await);
    let kept = shard_folder(&folder).join("checkpoint").display().to_string();
    world.stop().await;
    ended(&world.cli(&["audit", "verify"]).await, 0);
    let another = "lienthong.local/audit/2020h1";
    let of_another = lienthong::audit::log::VerifierKey::new(another, lienthong::audit::log::KeyKind::Ed25519, [7; 32]);
    let of_another = of_another.unwrap().to_string();
    let said = ended(&world.cli(&["audit", "verify", "--key", &key, "--key", &of_another]).await, 1);
    assert!(said.contains(another) && said.contains("whole log is missing"), "{said}");
    assert!(ended(&world.cli(&["audit", "verify", "--key", &of_another]).await, 2).contains("no key of this log"));

    tamper(&world, "CREATE TABLE heads AS SELECT * FROM audit_head; DELETE FROM audit_head");
    assert!(ended(&world.cli(&["audit", "verify"]).await, 1).contains("the head is not that of the records"));
    tamper(
        &world,
        "INSERT INTO audit_head SELECT * FROM heads; DELETE FROM audit_checkpoint WHERE size > 100; DELETE FROM audit_tile",
    );
    let said = ended(&world.cli(&["audit", "verify"]).await, 0);
    assert!(said.contains("are signed by nobody yet"), "{said}");
    // Whoever kept a checkpoint knows better what was signed; without any signature nothing is proved.
    ended(&world.cli(&["audit", "verify", "--checkpoint", &kept]).await, 1);
    tamper(&world, "DELETE FROM audit_checkpoint");
    assert!(ended(&world.cli(&["audit", "verify"]).await, 1).contains("are signed by nobody"));
    tamper(&world, "DELETE FROM audit_record; DELETE FROM audit_head");
    assert!(ended(&world.cli(&["audit", "verify"]).await, 2).contains("there is no log here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_told_and_not_signed_and_the_exchange_goes_on() {
    let world = world().await;
    let before = wait_until_signed(&world).await;
    assert!(!is_damaged(&world).await);
    tamper(
        &world,
        "UPDATE audit_record SET record = (SELECT record FROM audit_record WHERE idx = 0) WHERE idx = (SELECT max(idx) FROM audit_record)",
    );
    for n in 0..5 {
        let code = format!("000.00.50.H15-261123-{:04}", n + 1);
        world.put(&code, &dossier("received")).await.is(202);
    }
    super::stores::eventually("it is told", async || is_damaged(&world).await).await;
    world.settle().await;
    let now = signed(&Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.text).1;
    assert_eq!(now, before, "nothing more was signed");
    let said = ended(&world.cli(&["audit", "verify"]).await, 1);
    assert!(said.contains(&format!("record {}: it was changed", before.size - 1)), "{said}");
}

async fn is_damaged(world: &World) -> bool {
    world.get("/metrics").await.text.lines().any(|line| line == "lienthong_audit_damaged 1")
}

async fn newest(world: &World, path: &str) -> Checkpoint {
    signed(&Answer::of(world.request(Method::GET, path)).await.is(200).text).1
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_older_backup_the_log_goes_on_under_another_name_once_somebody_says_so() {
    let mut world = filled(World::outside("").await).await;
    let shard = newest(&world, "/audit/checkpoint").await.origin;
    let half_year = shard.rsplit('/').next().unwrap().to_owned();
    world.stop().await;
    let outside = tempfile::tempdir().unwrap();
    let backup = outside.path().join("backup.sqlite");
    world.copy_to(&backup);
    world.start_outside().await;
    for n in 0..30 {
        world.put(&format!("000.00.50.H15-261124-{n:04}"), &dossier("received")).await.is(202);
    }
    world.settle().await;
    let lost = wait_until_signed(&world).await;
    let kept = outside.path().join("kept").display().to_string();
    std::fs::write(&kept, Answer::of(world.request(Method::GET, "/audit/checkpoint")).await.text).unwrap();
    world.stop().await;
    let whole = outside.path().join("whole.sqlite");
    world.copy_to(&whole);
    let to_do = ended(&world.cli(&["audit", "continue", "--by", "A"]).await, 0);
    assert!(to_do.contains("there is nothing to do"), "{to_do}");

    for number in [2, 3] {
        let name = format!("{shard}.{number}");
        world.put_in_place(&backup);
        world.start_outside().await;
        super::stores::eventually("it is told", async || is_damaged(&world).await).await;
        let code = format!("000.00.50.H15-26112{number}-0077");
        world.put(&code, &dossier("received")).await.is(202);
        world.settle().await;
        assert!(newest(&world, "/audit/checkpoint").await.size < lost.size, "nothing is signed beside what was");

        let said = ended(&world.cli(&["audit", "continue", "--by", "Trần Văn Quyết"]).await, 0);
        assert!(said.contains(&name) && said.contains("Nothing was done"), "{said}");
        assert!(is_damaged(&world).await);
        ended(&world.cli(&["audit", "continue", "--by", " ", "--yes"]).await, 1);
        world.stop().await;
        ended(&world.cli(&["audit", "continue", "--by", "Trần Văn Quyết", "--yes"]).await, 0);
        // Asked again before it is signed: that was decided.
        let again = ended(&world.cli(&["audit", "continue", "--by", "Trần Văn Quyết", "--yes"]).await, 0);
        assert!(again.contains("there is nothing to do"), "{again}");
        world.start_outside().await;
        let goes_on = async || newest(&world, "/audit/checkpoint").await.origin == name;
        super::stores::eventually("it is signed under the new name", goes_on).await;
        super::stores::eventually("it is sound", async || !is_damaged(&world).await).await;
        assert!(ended(&world.cli(&["audit", "continue", "--by", "A"]).await, 0).contains("nothing to do"));

        // Both names are served, each with its own heads.
        let (old, new) = (format!("/audit/{half_year}"), format!("/audit/{half_year}.{number}"));
        assert_eq!(newest(&world, &format!("{new}/checkpoint")).await.origin, name);
        let before = newest(&world, &format!("{old}/checkpoint")).await;
        assert!(before.origin == shard && before.size < lost.size, "{before:?}");
        let tile = async |path: &str| {
            world.request(Method::GET, &format!("{path}/tile/0/000")).send().await.unwrap().bytes().await.unwrap()
        };
        assert_eq!(tile(&old).await, tile(&new).await, "what was kept is the same");
        for nobodys in [number + 1, 1, 0] {
            Answer::of(world.request(Method::GET, &format!("/audit/{half_year}.{nobodys}/checkpoint"))).await.is(404);
        }

        // Verified, but not for whoever kept a checkpoint of what is gone.
        ended(&world.cli(&["audit", "verify"]).await, 0);
        let said = ended(&world.cli(&["audit", "verify", "--checkpoint", &kept]).await, 1);
        assert!(said.contains("kept elsewhere"), "{said}");

        // A record that was made since is proved under the new name, and the decision is one.
        let keys = ended(&world.cli(&["audit", "key"]).await, 0);
        let key = keys.lines().find(|key| key.starts_with(&format!("{name}+"))).unwrap().to_owned();
        let found = world.get(&format!("/v1/audit/records?dossier={code}&kind=accept")).await.json();
        let id = found["items"][0]["record"]["id"].as_str().unwrap().to_owned();
        let proof = outside.path().join("proof").display().to_string();
        ended(&world.cli(&["audit", "prove", &id, "--file", &proof]).await, 0);
        ended(&world.cli(&["audit", "verify-proof", &proof, "--key", &key]).await, 0);
        let decision = world.get("/v1/audit/records?kind=epoch").await.json()["items"][0]["record"].clone();
        assert_eq!(
            (&decision["epoch"]["signed"], &decision["epoch"]["number"]),
            (&lost_or(&decision, lost.size, number), &number.into())
        );
        assert!(decision["officer"].is_string() && !decision.to_string().contains("Quyết"));
        let folder = outside.path().join(format!("export-{number}"));
        ended(&world.cli(&["audit", "export", &folder.display().to_string()]).await, 0);
        ended(&world.cli(&["audit", "verify", "--folder", &folder.display().to_string()]).await, 0);
        world.stop().await;
    }
    // A backup that has all that was signed under the first name turns up too late: it has nothing of what was signed since.
    world.put_in_place(&whole);
    world.start_outside().await;
    super::stores::eventually("it is told", async || is_damaged(&world).await).await;
    assert_eq!(newest(&world, "/audit/checkpoint").await, lost);
}

/// What was signed last under the name before: at first what the backup has lost, then what the name since had.
fn lost_or(decision: &Value, lost: u64, number: u64) -> Value {
    if number == 2 { lost.into() } else { decision["epoch"]["signed"].clone() }
}
