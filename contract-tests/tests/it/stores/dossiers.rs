//! The dossier store: a write is all there or not at all, and of two that cross each other one has to read again.

use futures::future::join_all;
use lienthong::dossiers::store::PutDossier;
use lienthong::outbox::Status;
use lienthong::storage::StoreError;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::lanes::BROKEN_LANES;
use super::writes::{LEASE, at, key, put, reply, settlement, steps};
use super::{Stores, on_both_engines};

/// Everything that a write of this topic may leave behind, so that one that was refused can be shown to have left nothing.
async fn traces(stores: &Stores) -> Vec<i64> {
    let mut counted = Vec::new();
    for sql in [
        "SELECT count(*) FROM dossier",
        "SELECT CAST(coalesce(sum(revision), 0) AS bigint) FROM dossier",
        "SELECT CAST(coalesce(sum(steps), 0) AS bigint) FROM dossier",
        "SELECT CAST(coalesce(sum(updated_at % 1000000007), 0) AS bigint) FROM dossier",
        "SELECT count(*) FROM dossier_step",
        "SELECT count(*) FROM body",
        "SELECT count(*) FROM outbox",
        "SELECT CAST(coalesce(sum(tail), 0) AS bigint) FROM lane",
        "SELECT count(*) FROM idempotency",
    ] {
        counted.push(stores.count(sql).await);
    }
    counted.push(i64::try_from(stores.log().await.len()).unwrap());
    counted
}

async fn dossier(stores: &Stores, code: &str) -> PutDossier {
    let write = put(stores, code, None);
    stores.dossiers.put(write.clone()).await.unwrap();
    write
}

async fn text(stores: &Stores, body: Uuid) -> String {
    String::from_utf8(stores.outbox.body(body).await.unwrap().unwrap().to_vec()).unwrap()
}

async fn a_full_state_is_stored_with_its_body_its_delivery_and_its_record(stores: Stores) {
    let write = dossier(&stores, "a").await;
    let row = stores.dossiers.find("a").await.unwrap().unwrap();
    assert_eq!((row.revision, row.digest, row.state), (1, write.row.digest, write.row.state));
    assert_eq!((row.body_id, row.operation_id, row.steps), (write.body.id, write.item.operation_id, 0));
    assert_eq!(text(&stores, row.body_id).await, "a at 1");
    let operation = stores.outbox.operation(row.operation_id).await.unwrap().unwrap();
    assert_eq!(
        operation.items.iter().map(|item| (item.id, item.status)).collect::<Vec<_>>(),
        [(write.item.id, Status::Accepted)]
    );
    let log = stores.log().await;
    assert_eq!((log.len(), log[0]["id"].as_str().unwrap()), (1, write.record.id.to_string().as_str()));

    let next = put(&stores, "a", Some(1));
    stores.dossiers.put(next.clone()).await.unwrap();
    let row = stores.dossiers.find("a").await.unwrap().unwrap();
    assert_eq!((row.revision, row.body_id, row.operation_id), (2, next.body.id, next.item.operation_id));
    assert_eq!(stores.dossiers.find("b").await.unwrap(), None);
}

async fn a_full_state_that_comes_too_late_is_a_conflict_and_leaves_nothing(stores: Stores) {
    dossier(&stores, "a").await;
    stores.dossiers.put(put(&stores, "a", Some(1))).await.unwrap();
    let before = (traces(&stores).await, stores.dossiers.find("a").await.unwrap());
    for (expected, what) in [(None, "a second first one"), (Some(1), "a stale one"), (Some(5), "one from the future")] {
        let write = put(&stores, "a", expected);
        assert_eq!(stores.dossiers.put(write.clone()).await, Err(StoreError::Conflict), "{what}");
        assert_eq!((traces(&stores).await, stores.dossiers.find("a").await.unwrap()), before, "{what}");
        assert!(stores.outbox.item(write.item.id).await.unwrap().is_none(), "{what}");
        assert!(stores.outbox.body(write.body.id).await.unwrap().is_none(), "{what}");
    }
}

async fn a_revision_of_a_dossier_that_is_not_there_is_a_conflict(stores: Stores) {
    dossier(&stores, "a").await;
    let before = traces(&stores).await;
    assert_eq!(stores.dossiers.put(put(&stores, "lost", Some(3))).await, Err(StoreError::Conflict));
    assert_eq!(traces(&stores).await, before);
}

async fn of_many_that_write_the_same_revision_at_once_exactly_one_succeeds(stores: Stores) {
    let beside = stores.beside().await;
    for expected in [None, Some(1), Some(2)] {
        let writes = (0..20).map(|n| {
            let stores = if n % 2 == 0 { &stores } else { &beside };
            stores.dossiers.put(put(stores, "a", expected))
        });
        let results = join_all(writes).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        assert!(results.iter().all(|result| matches!(result, Ok(()) | Err(StoreError::Conflict))), "{results:?}");
    }
    assert_eq!(stores.count("SELECT count(*) FROM body").await, 3);
    assert_eq!(stores.count("SELECT count(*) FROM outbox").await, 3);
    assert_eq!(stores.log().await.len(), 3);
}

async fn steps_are_kept_in_their_order_with_bodies_deliveries_records_and_the_answer(stores: Stores) {
    dossier(&stores, "a").await;
    let write = steps(&stores, "a", 0, 3, "key-1");
    stores.dossiers.append_steps(write.clone()).await.unwrap();
    stores.dossiers.append_steps(steps(&stores, "a", 3, 9, "key-2")).await.unwrap();
    let row = stores.dossiers.find("a").await.unwrap().unwrap();
    assert_eq!((row.revision, row.steps, row.step_state), (1, 12, Some(write.step_state)));
    let kept = stores.dossiers.steps("a", 100).await.unwrap();
    assert_eq!(kept.iter().map(|step| step.ordinal).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    assert_eq!(kept[1].body_id, write.bodies[1].id);
    assert_eq!(text(&stores, kept[11].body_id).await, "a step 12");
    assert_eq!(stores.dossiers.steps("a", 2).await.unwrap(), kept[..2]);
    assert_eq!(stores.outbox.lane(write.items[0].route, "a".into()).await.unwrap().open_items, 13);
    assert_eq!(stores.replies.find("client", &key("key-1")).await.unwrap().unwrap().reply, write.reply.reply);
    let told: Vec<_> = stores.log().await.iter().map(|record| record["outcome"]["code"].to_string()).collect();
    assert_eq!(told.len(), 13);
    assert_eq!(told[1..4], ["\"1\"", "\"2\"", "\"3\""]);
}

async fn steps_that_expect_another_number_of_steps_are_a_conflict_and_leave_nothing(stores: Stores) {
    dossier(&stores, "a").await;
    stores.dossiers.append_steps(steps(&stores, "a", 0, 2, "first")).await.unwrap();
    let before = (traces(&stores).await, stores.dossiers.find("a").await.unwrap());
    for (code, expected) in [("a", 0), ("a", 1), ("a", 3), ("missing", 0)] {
        let write = steps(&stores, code, expected, 2, "second");
        assert_eq!(stores.dossiers.append_steps(write).await, Err(StoreError::Conflict), "{code} {expected}");
        assert_eq!((traces(&stores).await, stores.dossiers.find("a").await.unwrap()), before, "{code} {expected}");
        assert_eq!(stores.replies.find("client", &key("second")).await.unwrap(), None);
    }
}

async fn steps_under_a_key_that_has_its_answer_are_a_conflict_and_leave_nothing(stores: Stores) {
    dossier(&stores, "a").await;
    stores.replies.keep(reply("client", "used")).await.unwrap();
    let before = (traces(&stores).await, stores.dossiers.find("a").await.unwrap());
    let write = steps(&stores, "a", 0, 2, "used");
    assert_eq!(stores.dossiers.append_steps(write).await, Err(StoreError::Conflict));
    assert_eq!((traces(&stores).await, stores.dossiers.find("a").await.unwrap()), before);
    // The same key of another client is another key.
    let mut write = steps(&stores, "a", 0, 2, "used");
    write.reply.client_id = "other".into();
    stores.dossiers.append_steps(write).await.unwrap();
}

async fn in_a_crowd_only_the_requests_that_come_too_late_suffer(stores: Stores) {
    let codes: Vec<String> = (0..30).map(|n| format!("d{n}")).collect();
    join_all(codes.iter().map(|code| dossier(&stores, code))).await;
    for round in 0..5 {
        stores.replies.keep(reply("client", &format!("key-{round}-7"))).await.unwrap();
        let writes = codes.iter().enumerate().map(|(n, code)| {
            // The seventh's key is used, the thirteenth's dossier is not where it was.
            let expected = if n == 13 {
                round + 5
            } else if n == 7 {
                0
            } else {
                round
            };
            stores.dossiers.append_steps(steps(&stores, code, expected, 1, &format!("key-{round}-{n}")))
        });
        for (n, result) in join_all(writes).await.into_iter().enumerate() {
            let expected = if n == 7 || n == 13 { Err(StoreError::Conflict) } else { Ok(()) };
            assert_eq!(result, expected, "dossier {n}, round {round}");
        }
    }
    assert_eq!(stores.count("SELECT count(*) FROM dossier_step").await, 28 * 5);
    assert_eq!(stores.count("SELECT CAST(sum(steps) AS bigint) FROM dossier").await, 28 * 5);
    assert_eq!(stores.count("SELECT count(*) FROM outbox").await, 28 * 5 + 30);
    assert_eq!(stores.count("SELECT count(*) FROM idempotency").await, 29 * 5);
    assert_eq!(stores.log().await.len(), 28 * 5 + 30);
}

async fn full_states_and_steps_of_one_dossier_are_delivered_in_the_order_in_which_they_were_accepted(stores: Stores) {
    let operation = Uuid::now_v7();
    let mut first = put(&stores, "a", None);
    first.item.operation_id = operation;
    stores.dossiers.put(first).await.unwrap();
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let stores = stores.clone();
        clients.spawn(async move {
            let stores = if client % 2 == 0 { stores.beside().await } else { stores };
            for n in 0..20 {
                write_until_accepted(&stores, operation, &format!("{client}-{n}"), (client + n) % 3 == 0).await;
            }
        });
    }
    let mut delivered = Vec::new();
    while delivered.len() < 161 {
        assert_eq!(stores.count(BROKEN_LANES).await, 0);
        for claimed in stores.outbox.claim(stores.replica, at(1), LEASE, 10).await.unwrap() {
            assert!(stores.outbox.settle(settlement(&claimed, Status::Delivered, None)).await.unwrap());
            delivered.push((claimed.item.kind == "dossier.sync", claimed.item.ordinal.to_string()));
        }
    }
    clients.join_all().await;
    let items = stores.outbox.operation(operation).await.unwrap().unwrap().items;
    assert_eq!(items.len(), 161);
    assert!(items.is_sorted_by(|one, next| one.position < next.position));
    // The log was written in the order of the commits.
    let log = stores.log().await;
    let accepted = log.iter().filter(|record| record["kind"] == "accept");
    let accepted: Vec<_> = accepted
        .map(|record| (record["op"] == "dossier.sync", record["outcome"]["code"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(delivered, accepted);
}

/// As a use case does: reads, writes, and reads again when someone else was faster.
async fn write_until_accepted(stores: &Stores, operation: Uuid, key: &str, is_full_state: bool) {
    loop {
        let row = stores.dossiers.find("a").await.unwrap().unwrap();
        let result = if is_full_state {
            let mut write = put(stores, "a", Some(row.revision));
            write.item.operation_id = operation;
            stores.dossiers.put(write).await
        } else {
            let mut write = steps(stores, "a", row.steps, 1, key);
            write.items[0].operation_id = operation;
            stores.dossiers.append_steps(write).await
        };
        match result {
            Ok(()) => return,
            Err(error) => assert_eq!(error, StoreError::Conflict),
        }
    }
}

/// The readers have connections of their own: they see only what was committed.
async fn what_was_answered_is_seen_at_once_by_whoever_reads(stores: Stores) {
    for n in 0..300 {
        let code = format!("d{n}");
        dossier(&stores, &code).await;
        assert!(stores.dossiers.find(&code).await.unwrap().is_some(), "{code} was answered and is not there");
    }
}

on_both_engines! {
    what_was_answered_is_seen_at_once_by_whoever_reads,
    a_full_state_is_stored_with_its_body_its_delivery_and_its_record,
    a_full_state_that_comes_too_late_is_a_conflict_and_leaves_nothing,
    a_revision_of_a_dossier_that_is_not_there_is_a_conflict,
    of_many_that_write_the_same_revision_at_once_exactly_one_succeeds,
    steps_are_kept_in_their_order_with_bodies_deliveries_records_and_the_answer,
    steps_that_expect_another_number_of_steps_are_a_conflict_and_leave_nothing,
    steps_under_a_key_that_has_its_answer_are_a_conflict_and_leave_nothing,
    in_a_crowd_only_the_requests_that_come_too_late_suffer,
    full_states_and_steps_of_one_dossier_are_delivered_in_the_order_in_which_they_were_accepted,
}
