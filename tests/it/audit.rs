//! Audit records as they are stored.

use std::sync::Arc;

use lienthong::audit::{BodyCommitment, Draft, Frontier, Kind, MOST_BYTES, Outcome, leaf_hash};
use lienthong::storage::StoreError;

use crate::stores::Stores;

fn longest_draft() -> Draft<'static> {
    let outcome = Outcome { code: Some("x".repeat(64)), decision: "accepted", status: Some(202) };
    let mut draft = Draft::new(Kind::BodyRead, "dossier.append_step", outcome)
        .client(
            "a-client-with-the-longest-name-that-may-be-configured-0123456789",
            "H15.50.05.13.001.002.003.004.005.006",
        )
        .subject("H15.50.05.13-20261008-0975123");
    draft.procedure = Some("1.000656.000.00.00.H56-and-a-local-suffix-that-is-quite-long");
    draft.key = Some("dossier-portal/H15.50.05.13-20261008-0975123/dossier.sync/1");
    draft.officer = Some("officer-17");
    draft.purpose = Some("unusual_transition");
    draft.route = Some("dossier-portal");
    draft.dir = Some("out");
    draft.body = Some(BodyCommitment { commit: [7; 32], len: u64::MAX >> 11 });
    draft.continues = Some(uuid::Uuid::now_v7());
    draft
}

#[test]
fn the_longest_record_is_canonical_json_within_its_limit() {
    let stores = Stores::open();
    let record = stores.recorder.seal(&longest_draft()).unwrap();
    assert!(record.bytes.len() <= MOST_BYTES, "{} bytes", record.bytes.len());
    // Reading into a sorted map and writing again gives the same bytes: members are sorted, nothing is superfluous.
    let value: serde_json::Value = serde_json::from_slice(&record.bytes).unwrap();
    assert_eq!(serde_json::to_vec(&value).unwrap(), record.bytes);
    assert_eq!(record.leaf_hash, leaf_hash(&record.bytes));
}

#[test]
fn subject_key_and_officer_leave_only_as_pseudonyms_that_repeat() {
    let stores = Stores::open();
    let (one, two) = (stores.recorder.seal(&longest_draft()).unwrap(), stores.recorder.seal(&longest_draft()).unwrap());
    let text = String::from_utf8(one.bytes.clone()).unwrap();
    assert!(!text.contains("0975123") && !text.contains("officer-17"), "{text}");
    let subject = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["subject"].clone();
    assert_eq!(subject(&one.bytes), subject(&two.bytes));
    assert_ne!(one.id, two.id);
}

#[tokio::test]
async fn the_stored_head_is_the_tree_of_the_stored_records_and_refused_requests_leave_none() {
    let stores = Arc::new(Stores::open());
    let mut tasks = Vec::new();
    for n in 0..200 {
        let stores = Arc::clone(&stores);
        tasks.push(tokio::spawn(async move {
            let record = stores.recorder.seal(&Draft::new(Kind::Accept, "test", Outcome::decided("accepted"))).unwrap();
            let work = move |transaction: &mut lienthong::storage::sqlite::Transaction<'_>| {
                transaction.audit(record.clone());
                if n % 3 == 0 { Err(StoreError::Conflict) } else { Ok(()) }
            };
            stores.database.writer.accept(work).await
        }));
    }
    let mut accepted = 0;
    for task in tasks {
        accepted += i64::from(task.await.unwrap().is_ok());
    }
    assert_eq!(accepted, 133);
    let connection = stores.read();
    let (size, frontier): (i64, Vec<u8>) = connection
        .query_row("SELECT size, frontier FROM audit_head", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(size, accepted);
    let mut rebuilt = Frontier::default();
    let mut statement = connection.prepare("SELECT idx, record, leaf_hash FROM audit_record ORDER BY idx").unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, [u8; 32]>(2)?)));
    for (expected, row) in rows.unwrap().enumerate() {
        let (index, record, stored_hash) = row.unwrap();
        assert_eq!(index, i64::try_from(expected).unwrap());
        assert_eq!(leaf_hash(&record), stored_hash);
        rebuilt.append(stored_hash);
    }
    assert_eq!(rebuilt.to_bytes(), frontier);
}
