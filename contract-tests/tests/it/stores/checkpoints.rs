//! What is signed of the audit log: every head is that of its records and follows from the one before; nothing that was
//! changed, removed or put back is signed.

use std::collections::HashSet;
use std::sync::Arc;

use lienthong::audit::log::{Checkpoint, Note, Tile, verify_consistency, verify_inclusion};
use lienthong::audit::memory::Memory;
use lienthong::audit::publish::Publisher;
use lienthong::audit::read;
use lienthong::audit::signer::Signer;
use lienthong::audit::store::{Publication, SignedHead};
use lienthong::audit::thin::Thinner;
use lienthong::audit::verify::{Trust, verify};
use lienthong::audit::{Draft, Kind, Outcome, SealedRecord};
use lienthong::replicas::Leadership;
use lienthong::storage::keys::Keys;
use lienthong::storage::{Database, StoreError};
use lienthong_domain::time::{Clock, SystemClock, Timestamp};
use uuid::Uuid;

use super::{Stores, on_both_engines, only_on_postgres};

/// Whoever signs, with keys and memory in a folder of this name.
fn publisher(stores: &Stores, folder: &str) -> Publisher {
    let folder = stores.folder.path().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let keys = Arc::new(Keys::open(&stores.folder.path().join("keys"), false, &[]).unwrap());
    let signer = Arc::new(Signer::new(Arc::clone(&keys)));
    Publisher::new(Arc::clone(&stores.audit), signer, Arc::new(Memory::new(&folder)), Arc::new(SystemClock))
}

fn shard(stores: &Stores) -> String {
    format!("test/audit/{}", stores.recorder.half_years()[0])
}

/// Some records, with their places.
async fn grow(stores: &Stores, leadership: Leadership, count: usize) -> Vec<SealedRecord> {
    let draft = Draft::new(Kind::Accept, "dossier.sync", Outcome::decided("accepted"));
    let records: Vec<_> = (0..count).map(|_| stores.recorder.seal(&draft).unwrap()).collect();
    let appends = records.iter().map(|record| stores.audit.append_always(record.clone()));
    futures::future::join_all(appends).await.into_iter().for_each(|result| result.unwrap());
    while stores.audit.place(leadership, 1000).await.unwrap() > 0 {}
    records
}

async fn newest(stores: &Stores) -> Option<(Note, Checkpoint)> {
    let signed = stores.audit.signed(&shard(stores)).await.unwrap()?;
    let note = Note::parse(&signed.note).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    assert_eq!((signed.size, &checkpoint.origin), (checkpoint.size, &shard(stores)));
    Some((note, checkpoint))
}

async fn size(stores: &Stores) -> u64 {
    stores.audit.signed(&shard(stores)).await.unwrap().map_or(0, |signed| signed.size)
}

async fn every_head_is_signed_and_every_record_has_its_proof(stores: Stores) {
    let (publisher, leadership) = (publisher(&stores, "memory"), stores.lead().await);
    let mut before: Option<Checkpoint> = None;
    for count in [1, 1, 253, 1, 1, 255, 300, 700] {
        grow(&stores, leadership, count).await;
        publisher.turn(leadership).await.unwrap();
        let (note, checkpoint) = newest(&stores).await.unwrap();
        let key = publisher.signer.verifiers(&shard(&stores)).unwrap().remove(0);
        assert_eq!(note.verify(&[key]).unwrap().len(), 1);
        assert_eq!(checkpoint.size, before.as_ref().map_or(0, |before| before.size) + count as u64);
        if let Some(before) = &before {
            let path = read::consistency(&*stores.audit, &shard(&stores), before.size, checkpoint.size).await.unwrap();
            let (old, new) = ((before.size, &before.root), (checkpoint.size, &checkpoint.root));
            assert_eq!(verify_consistency(old, new, &path), Ok(()));
        }
        before = Some(checkpoint);
    }
    let Checkpoint { size, root, .. } = before.unwrap();
    assert_eq!(size, 1512);
    for record in stores.audit.records(&shard(&stores), 0, 5000).await.unwrap() {
        let path = read::inclusion(&*stores.audit, &shard(&stores), record.index, size).await.unwrap();
        assert_eq!(verify_inclusion(&record.leaf_hash, record.index, size, &path, &root), Ok(()));
    }
    let signed = stores.count("SELECT count(*) FROM audit_checkpoint").await;
    publisher.turn(leadership).await.unwrap();
    assert_eq!(stores.count("SELECT count(*) FROM audit_checkpoint").await, signed, "nothing new is not signed again");
}

async fn a_record_is_found_by_its_id_before_and_after_its_zone_was_made(stores: Stores) {
    let (publisher, leadership) = (publisher(&stores, "memory"), stores.lead().await);
    let mut records = grow(&stores, leadership, 600).await;
    publisher.turn(leadership).await.unwrap();
    records.extend(grow(&stores, leadership, 600).await);
    for record in records.iter().step_by(97) {
        let (found_in, found) = read::find(&*stores.audit, record.id).await.unwrap().unwrap();
        assert_eq!((found_in, &found.bytes), (shard(&stores), &record.bytes));
        let key = publisher.signer.verifiers(&shard(&stores)).unwrap().remove(0);
        let proof =
            read::prove(&*stores.audit, &shard(&stores), found.clone(), |_| Ok(vec![key.clone()])).await.unwrap();
        assert_eq!(proof.is_some(), found.index < 600, "what is not signed has no proof");
    }
    assert_eq!(read::find(&*stores.audit, Uuid::now_v7()).await.unwrap(), None);
    assert_eq!(stores.count("SELECT count(*) FROM audit_zone").await, 2);
    // Zones that were changed hide nothing.
    tamper(&stores, "DELETE FROM audit_zone WHERE number = 0; UPDATE audit_zone SET terms = (SELECT leaf_hash FROM audit_record WHERE idx = 0)").await;
    for record in records.iter().step_by(97) {
        assert!(read::find(&*stores.audit, record.id).await.unwrap().is_some());
    }
    // What was changed gets no proof.
    tamper(&stores, "UPDATE audit_record SET record = (SELECT record FROM audit_record WHERE idx = 1) WHERE idx = 3")
        .await;
    let changed = stores.audit.records(&shard(&stores), 3, 1).await.unwrap().remove(0);
    let key = publisher.signer.verifiers(&shard(&stores)).unwrap().remove(0);
    let proof = read::prove(&*stores.audit, &shard(&stores), changed, |_| Ok(vec![key.clone()])).await;
    assert!(matches!(proof, Err(StoreError::Failed(why)) if why.contains("has no proof")));
}

/// Changes the database behind everybody's back.
async fn tamper(stores: &Stores, sql: &'static str) {
    match &stores.database {
        Database::Sqlite(database) => {
            let work = move |transaction: &mut lienthong::storage::sqlite::Transaction<'_>| {
                Ok(transaction.connection.execute_batch(sql)?)
            };
            database.writer.write(work).await.unwrap();
        }
        Database::Postgres(_) => stores.place.outsider().await.batch_execute(sql).await.unwrap(),
    }
}

/// What happens to a log of 700 records, 600 of them signed, is not signed.
async fn is_not_signed(stores: &Stores, publisher: &Publisher, sql: &'static str) {
    let leadership = stores.lead().await;
    grow(stores, leadership, 600).await;
    publisher.turn(leadership).await.unwrap();
    grow(stores, leadership, 100).await;
    tamper(stores, sql).await;
    publisher.turn(leadership).await.unwrap();
    assert!(size(stores).await <= 600, "{sql}");
    // Later records do not hide it.
    grow(stores, leadership, 300).await;
    let again = self::publisher(stores, "memory");
    again.turn(leadership).await.unwrap();
    assert!(size(stores).await <= 600, "{sql}");
}

macro_rules! tampered {
    ($($name:ident: $sql:expr;)+) => {
        $(async fn $name(stores: Stores) {
            let publisher = publisher(&stores, "memory");
            is_not_signed(&stores, &publisher, $sql).await;
        })+
        on_both_engines!($($name),+);
    };
}

mod changed {
    use super::*;

    tampered! {
        a_new_record_that_was_changed: "UPDATE audit_record SET record = (SELECT record FROM audit_record WHERE idx = 650) WHERE idx = 651";
        a_signed_record_of_the_last_tile_that_was_changed: "UPDATE audit_record SET record = (SELECT record FROM audit_record WHERE idx = 650) WHERE idx = 590";
        a_leaf_hash_that_was_changed: "UPDATE audit_record SET leaf_hash = (SELECT leaf_hash FROM audit_record WHERE idx = 0) WHERE idx = 690";
        a_record_changed_together_with_its_hash: "UPDATE audit_record SET record = (SELECT record FROM audit_record WHERE idx = 0), leaf_hash = (SELECT leaf_hash FROM audit_record WHERE idx = 0) WHERE idx = 690";
        a_record_that_was_removed: "DELETE FROM audit_record WHERE idx = 620";
        the_last_record_removed: "DELETE FROM audit_record WHERE idx = 699";
        two_records_that_were_swapped: "UPDATE audit_record SET idx = -1 WHERE idx = 610; UPDATE audit_record SET idx = 610 WHERE idx = 611; UPDATE audit_record SET idx = 611 WHERE idx = -1";
        a_tile_that_was_changed: "UPDATE audit_tile SET hashes = (SELECT leaf_hash FROM audit_record WHERE idx = 0)";
        a_tile_that_was_removed: "DELETE FROM audit_tile";
        a_checkpoint_that_was_changed: "UPDATE audit_checkpoint SET note = (SELECT record FROM audit_record WHERE idx = 0)";
        a_checkpoint_whose_size_was_changed: "UPDATE audit_checkpoint SET size = 599";
    }
}

/// Writes bytes behind everybody's back.
async fn write(stores: &Stores, sql: &'static str, bytes: Vec<u8>) {
    match &stores.database {
        Database::Sqlite(database) => {
            let work = move |transaction: &mut lienthong::storage::sqlite::Transaction<'_>| {
                Ok(transaction.connection.execute(sql, [&bytes])?)
            };
            assert_eq!(database.writer.write(work).await.unwrap(), 1);
        }
        Database::Postgres(_) => {
            assert_eq!(stores.place.outsider().await.execute(sql, &[&bytes]).await.unwrap(), 1);
        }
    }
}

async fn a_log_whose_last_signature_is_not_ours_is_not_signed_on(stores: Stores) {
    let (publisher, leadership) = (publisher(&stores, "memory"), stores.lead().await);
    grow(&stores, leadership, 10).await;
    publisher.turn(leadership).await.unwrap();
    let (note, _) = newest(&stores).await.unwrap();
    let mut line = note.signatures()[0].clone();
    line.signature[7] ^= 1;
    let forged = Note::new(note.text().to_owned(), vec![line]).to_string().into_bytes();
    write(&stores, "UPDATE audit_checkpoint SET note = $1", forged).await;
    grow(&stores, leadership, 10).await;
    publisher.turn(leadership).await.unwrap();
    assert_eq!(size(&stores).await, 10);
}

async fn what_was_made_after_another_head_is_not_stored(stores: Stores) {
    let (publisher, leadership) = (publisher(&stores, "memory"), stores.lead().await);
    grow(&stores, leadership, 300).await;
    publisher.turn(leadership).await.unwrap();
    let tile = Tile { level: 1, number: 0, width: 1 };
    let before = stores.audit.tile(&shard(&stores), tile).await.unwrap();
    for after in [None, Some(299), Some(301)] {
        let signed = SignedHead { size: 400, at: SystemClock.now(), note: b"note".to_vec() };
        let tiles = vec![(tile, vec![[7; 32]])];
        let publication = Publication { shard: shard(&stores), after, signed, tiles, zones: Vec::new() };
        assert_eq!(stores.audit.publish(leadership, publication).await, Err(StoreError::NotApplicable));
    }
    assert_eq!((size(&stores).await, stores.audit.tile(&shard(&stores), tile).await.unwrap()), (300, before));
}

async fn a_head_that_was_changed_is_not_signed(stores: Stores) {
    let (publisher, leadership) = (publisher(&stores, "memory"), stores.lead().await);
    grow(&stores, leadership, 700).await;
    let mut frontier = stores.audit.head(&shard(&stores)).await.unwrap().unwrap().to_bytes();
    frontier[40] ^= 1;
    write(&stores, "UPDATE audit_head SET frontier = $1", frontier).await;
    publisher.turn(leadership).await.unwrap();
    assert_eq!(size(&stores).await, 0);
}

async fn keep_state(stores: &Stores) {
    tamper(stores, "CREATE TABLE old_record AS SELECT * FROM audit_record; CREATE TABLE old_head AS SELECT * FROM audit_head; \
                     CREATE TABLE old_checkpoint AS SELECT * FROM audit_checkpoint; CREATE TABLE old_tile AS SELECT * FROM audit_tile").await;
}

async fn put_state_back(stores: &Stores) {
    tamper(
        stores,
        "DELETE FROM audit_record; INSERT INTO audit_record SELECT * FROM old_record; \
                     DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM old_head; \
                     DELETE FROM audit_checkpoint; INSERT INTO audit_checkpoint SELECT * FROM old_checkpoint; \
                     DELETE FROM audit_tile; INSERT INTO audit_tile SELECT * FROM old_tile",
    )
    .await;
}

async fn a_database_that_was_put_back_is_recognised_by_what_was_signed_since(stores: Stores) {
    let (publisher, leadership) = (publisher(&stores, "memory"), stores.lead().await);
    grow(&stores, leadership, 600).await;
    publisher.turn(leadership).await.unwrap();
    let old = size(&stores).await;
    keep_state(&stores).await;
    grow(&stores, leadership, 50).await;
    publisher.turn(leadership).await.unwrap();
    assert_eq!(size(&stores).await, old + 50);
    put_state_back(&stores).await;
    // Fewer records than were signed, and then as many and more, but others.
    for count in [20, 30, 40] {
        grow(&stores, leadership, count).await;
        self::publisher(&stores, "memory").turn(leadership).await.unwrap();
        assert_eq!(size(&stores).await, old);
    }
    // Without a memory outside of the database it cannot be known.
    self::publisher(&stores, "another").turn(leadership).await.unwrap();
    assert_eq!(size(&stores).await, old + 90);
}

async fn what_others_have_signed_must_go_on_from_what_was_signed_here(stores: Stores) {
    let leadership = stores.lead().await;
    let (here, elsewhere) = (publisher(&stores, "here"), publisher(&stores, "elsewhere"));
    grow(&stores, leadership, 300).await;
    elsewhere.turn(leadership).await.unwrap();
    keep_state(&stores).await;
    grow(&stores, leadership, 300).await;
    here.turn(leadership).await.unwrap();
    grow(&stores, leadership, 300).await;
    elsewhere.turn(leadership).await.unwrap();
    // So far all is one log.
    grow(&stores, leadership, 1).await;
    here.turn(leadership).await.unwrap();
    assert_eq!(size(&stores).await, 901);
    // A standby that lacked some of it was taken for the server, and a leader went on that had not seen them.
    put_state_back(&stores).await;
    grow(&stores, leadership, 900).await;
    let ignorant = publisher(&stores, "ignorant");
    ignorant.turn(leadership).await.unwrap();
    assert_eq!(size(&stores).await, 1200);
    grow(&stores, leadership, 1).await;
    here.turn(leadership).await.unwrap();
    assert_eq!(size(&stores).await, 1200, "whoever remembers another log signs no more of this one");
}

async fn of_two_that_sign_at_a_time_only_one_is_stored(stores: Stores) {
    let leadership = stores.lead().await;
    let publishers = [publisher(&stores, "one"), publisher(&stores, "two")];
    for _ in 0..20 {
        grow(&stores, leadership, 10).await;
        let turns = futures::future::join_all(publishers.iter().map(|publisher| publisher.turn(leadership))).await;
        assert!(turns.iter().all(|turn| matches!(turn, Ok(()) | Err(StoreError::NotApplicable))), "{turns:?}");
        assert!(turns.iter().any(Result::is_ok));
    }
    assert_eq!(size(&stores).await, 200);
}

async fn an_old_leader_signs_nothing(stores: Stores) {
    let leadership = stores.lead().await;
    grow(&stores, leadership, 10).await;
    let old = Leadership { epoch: leadership.epoch - 1, ..leadership };
    let publisher = publisher(&stores, "memory");
    assert_eq!(publisher.turn(old).await, Err(StoreError::NotApplicable));
    assert_eq!(size(&stores).await, 0);
    publisher.turn(leadership).await.unwrap();
    assert_eq!(size(&stores).await, 10);
}

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

async fn of_older_checkpoints_one_a_minute_is_kept_and_the_log_verifies(stores: Stores) {
    let (publisher, leadership) = (publisher(&stores, "memory"), stores.lead().await);
    for count in 1..=30 {
        grow(&stores, leadership, count % 3 + 1).await;
        publisher.turn(leadership).await.unwrap();
    }
    let before = stores.audit.checkpoints(&shard(&stores), 0, 1000).await.unwrap();
    assert_eq!(before.len(), 30);
    let day = 86_400_000;
    let later = |millis: i64| Arc::new(At(SystemClock.now().plus_millis(millis)));
    // Within a day nothing goes.
    assert!(!Thinner::new(Arc::clone(&stores.audit), later(day - 60_000)).turn().await.unwrap());
    assert_eq!(stores.audit.checkpoints(&shard(&stores), 0, 1000).await.unwrap(), before);

    let thinner = Thinner::new(Arc::clone(&stores.audit), later(day + 60_000));
    assert!(!thinner.turn().await.unwrap());
    let after = stores.audit.checkpoints(&shard(&stores), 0, 1000).await.unwrap();
    let minutes: HashSet<i64> = before.iter().map(|signed| signed.at.micros() / 60_000_000).collect();
    assert_eq!(after.len(), minutes.len(), "{after:?}");
    assert_eq!(after.last(), before.last(), "the newest is always kept");
    assert!(after.iter().all(|signed| before.contains(signed)));
    assert!(!thinner.turn().await.unwrap());
    assert_eq!(stores.audit.checkpoints(&shard(&stores), 0, 1000).await.unwrap(), after);

    let trust = Trust {
        keys: vec![publisher.signer.verifiers(&shard(&stores)).unwrap().remove(0)],
        witnesses: Vec::new(),
        authorities: None,
        outside: Vec::new(),
    };
    let verdict = verify(&*stores.audit, &shard(&stores), &trust, &mut |_| {}).await.unwrap();
    assert!(verdict.wrong.is_none() && verdict.proved == size(&stores).await, "{verdict:?}");
    // And it goes on.
    grow(&stores, leadership, 5).await;
    publisher.turn(leadership).await.unwrap();
    assert_eq!(size(&stores).await, verdict.proved + 5);
}

on_both_engines!(
    of_older_checkpoints_one_a_minute_is_kept_and_the_log_verifies,
    every_head_is_signed_and_every_record_has_its_proof,
    a_record_is_found_by_its_id_before_and_after_its_zone_was_made,
    a_head_that_was_changed_is_not_signed,
    a_log_whose_last_signature_is_not_ours_is_not_signed_on,
    what_was_made_after_another_head_is_not_stored,
    a_database_that_was_put_back_is_recognised_by_what_was_signed_since,
    what_others_have_signed_must_go_on_from_what_was_signed_here,
    of_two_that_sign_at_a_time_only_one_is_stored,
);
only_on_postgres!(an_old_leader_signs_nothing);
