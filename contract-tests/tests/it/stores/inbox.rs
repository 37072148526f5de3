//! The inbox: what comes again is told apart from what is new, a dossier's messages are shown one after the other, and a decision is
//! one transaction with what tells the portal.

use std::sync::Arc;

use lienthong::audit::{Draft, Kind, Outcome};
use lienthong::inbox::InboxStatus;
use lienthong::inbox::store::{Decide, InboxItem, InboxStore, PageQuery, Receive, Stored, Tell};
use lienthong::storage::StoreError;
use lienthong_domain::inbox::IncomingKind;
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use super::writes::{at, new_item};
use super::{Stores, on_both_engines};

on_both_engines!(
    a_message_that_comes_again_is_a_repeat_and_one_with_other_content_a_conflict,
    the_messages_of_a_dossier_are_shown_one_after_the_other,
    what_comes_before_its_dossier_waits_for_it_and_not_for_ever,
    a_decision_is_made_once_and_tells_the_portal_in_the_same_transaction,
    of_many_repeats_at_a_time_one_is_stored,
    pages_go_through_all_that_waits,
);

const HOLD_MS: i64 = 60_000;

fn inbox(stores: &Stores) -> Arc<dyn InboxStore> {
    lienthong::inbox::store::open(&stores.database)
}

/// A message about a dossier whose content is its number.
fn message(stores: &Stores, kind: IncomingKind, code: &str, reference: &str, content: u8) -> Receive {
    let body = stores.bodies.seal(&[content]).unwrap();
    let record = |decision| {
        let draft = Draft::new(Kind::Accept, "inbox.receive", Outcome::decided(decision)).subject(code);
        stores.recorder.seal(&if decision == "repeated" { draft } else { draft.body(&body) }).unwrap()
    };
    let records = [record("accepted"), record("conflict"), record("repeated")];
    let item = InboxItem {
        id: Uuid::now_v7(),
        portal: "portal".into(),
        kind,
        national_code: code.into(),
        reference: reference.into(),
        digest: [content; 32],
        agency_id: "H15".into(),
        procedure_code: None,
        body_id: body.id,
        files: 0,
        status: InboxStatus::Waiting,
        is_head: false,
        received_at: at(0),
        ready_at: at(0),
        local_code: None,
        decided_at: None,
        decided_by: None,
        operation_id: None,
    };
    Receive { item, body, files: Vec::new(), records, hold_ms: HOLD_MS }
}

fn dossier(stores: &Stores, code: &str, content: u8) -> Receive {
    message(stores, IncomingKind::DossierSubmitted, code, "", content)
}

fn supplement(stores: &Stores, code: &str, reference: &str, content: u8) -> Receive {
    message(stores, IncomingKind::DossierSupplemented, code, reference, content)
}

fn decision(stores: &Stores, id: Uuid, now: Timestamp) -> Decide {
    let draft = Draft::new(Kind::Decide, "inbox.acknowledge", Outcome::decided("done")).client("client", "H15");
    let body = stores.bodies.seal(b"a report").unwrap();
    let item = lienthong::outbox::NewItem { body_id: body.id, ..new_item("lane", 1) };
    Decide {
        id,
        to: InboxStatus::Acknowledged,
        local_code: Some("H15-261121-0001".into()),
        by: "client".into(),
        tell: Some(Tell { item, body }),
        record: stores.recorder.seal(&draft).unwrap(),
        now,
    }
}

/// What is shown at this time, by its content.
async fn shown(inbox: &dyn InboxStore, status: InboxStatus, now: Timestamp) -> Vec<(Uuid, u8)> {
    let query = PageQuery { status, after: (Timestamp::from_micros(i64::MIN), Uuid::nil()), now, limit: 100 };
    inbox.page(query).await.unwrap().iter().map(|item| (item.id, item.digest[0])).collect()
}

async fn waiting(inbox: &dyn InboxStore, now: Timestamp) -> Vec<u8> {
    shown(inbox, InboxStatus::Waiting, now).await.into_iter().map(|(_, content)| content).collect()
}

async fn a_message_that_comes_again_is_a_repeat_and_one_with_other_content_a_conflict(stores: Stores) {
    let inbox = inbox(&stores);
    let first = dossier(&stores, "A", 1);
    let id = first.item.id;
    assert_eq!(inbox.receive(first).await.unwrap(), Stored::New);
    assert_eq!(inbox.receive(dossier(&stores, "A", 1)).await.unwrap(), Stored::Repeat { was_conflict: false });
    assert_eq!(inbox.receive(dossier(&stores, "A", 2)).await.unwrap(), Stored::Conflict);
    assert_eq!(inbox.receive(dossier(&stores, "A", 2)).await.unwrap(), Stored::Repeat { was_conflict: true });
    // Another kind, another reference, another dossier: no repeats.
    assert_eq!(inbox.receive(supplement(&stores, "A", "first", 1)).await.unwrap(), Stored::New);
    assert_eq!(inbox.receive(supplement(&stores, "A", "second", 1)).await.unwrap(), Stored::New);
    assert_eq!(inbox.receive(dossier(&stores, "B", 1)).await.unwrap(), Stored::New);
    assert_eq!(stores.count("SELECT count(*) FROM inbox_item").await, 5);
    assert_eq!(stores.count("SELECT count(*) FROM body").await, 5, "a repeat has left a body");
    assert_eq!(waiting(&*inbox, at(1)).await, [1, 1]);
    assert_eq!(shown(&*inbox, InboxStatus::Conflict, at(1)).await.len(), 1);
    // Also once it is decided.
    inbox.decide(decision(&stores, id, at(2))).await.unwrap();
    assert_eq!(inbox.receive(dossier(&stores, "A", 1)).await.unwrap(), Stored::Repeat { was_conflict: false });
    assert_eq!(inbox.receive(dossier(&stores, "A", 3)).await.unwrap(), Stored::Conflict);
    let decided: Vec<String> =
        stores.log().await.iter().map(|r| r["outcome"]["decision"].as_str().unwrap().into()).collect();
    assert_eq!(
        decided,
        [
            "accepted", "repeated", "conflict", "repeated", "accepted", "accepted", "accepted", "done", "repeated",
            "conflict"
        ]
    );
}

async fn the_messages_of_a_dossier_are_shown_one_after_the_other(stores: Stores) {
    let inbox = inbox(&stores);
    for message in [dossier(&stores, "A", 1), supplement(&stores, "A", "1", 2), supplement(&stores, "A", "2", 3)] {
        assert_eq!(inbox.receive(message).await.unwrap(), Stored::New);
    }
    inbox.receive(dossier(&stores, "B", 9)).await.unwrap();
    for expected in [[1, 9].as_slice(), &[9, 2], &[9, 3]] {
        let shown = shown(&*inbox, InboxStatus::Waiting, at(1)).await;
        assert_eq!(shown.iter().map(|(_, content)| *content).collect::<Vec<_>>(), expected);
        let next = shown.iter().find(|(_, content)| *content != 9).unwrap().0;
        // What is not its turn is not decided.
        let later = stores.count("SELECT count(*) FROM inbox_item WHERE status = 'waiting'").await;
        assert!(later > 0);
        inbox.decide(decision(&stores, next, at(1))).await.unwrap();
    }
    assert_eq!(waiting(&*inbox, at(1)).await, [9]);
}

async fn what_comes_before_its_dossier_waits_for_it_and_not_for_ever(stores: Stores) {
    let inbox = inbox(&stores);
    inbox.receive(supplement(&stores, "A", "1", 2)).await.unwrap();
    inbox.receive(supplement(&stores, "B", "1", 5)).await.unwrap();
    assert_eq!(waiting(&*inbox, at(HOLD_MS - 1)).await, [0_u8; 0]);
    inbox.receive(dossier(&stores, "A", 1)).await.unwrap();
    assert_eq!(waiting(&*inbox, at(1)).await, [1], "the dossier comes before what came earlier");
    let first = shown(&*inbox, InboxStatus::Waiting, at(1)).await[0].0;
    inbox.decide(decision(&stores, first, at(1))).await.unwrap();
    assert_eq!(waiting(&*inbox, at(1)).await, [2], "it waits no more");
    assert_eq!(waiting(&*inbox, at(HOLD_MS)).await, [2, 5], "whose dossier never comes is shown at last");
}

async fn a_decision_is_made_once_and_tells_the_portal_in_the_same_transaction(stores: Stores) {
    let inbox = inbox(&stores);
    let (first, second) = (dossier(&stores, "A", 1), supplement(&stores, "A", "1", 2));
    let (id, later) = (first.item.id, second.item.id);
    inbox.receive(first).await.unwrap();
    inbox.receive(second).await.unwrap();
    assert_eq!(inbox.decide(decision(&stores, later, at(1))).await, Err(StoreError::Conflict), "not its turn");
    assert_eq!(inbox.decide(decision(&stores, Uuid::now_v7(), at(1))).await, Err(StoreError::Conflict));
    assert_eq!(stores.count("SELECT count(*) FROM outbox").await, 0);
    let decided = decision(&stores, id, at(5));
    let operation = decided.tell.as_ref().unwrap().item.operation_id;
    inbox.decide(decided).await.unwrap();
    assert_eq!(inbox.decide(decision(&stores, id, at(6))).await, Err(StoreError::Conflict), "it is decided");
    assert_eq!(stores.count("SELECT count(*) FROM outbox").await, 1);
    let item = inbox.find(id).await.unwrap().unwrap();
    assert_eq!((item.status, item.is_head), (InboxStatus::Acknowledged, false));
    assert_eq!((item.decided_at, item.decided_by.as_deref()), (Some(at(5)), Some("client")));
    assert_eq!((item.operation_id, item.local_code.as_deref()), (Some(operation), Some("H15-261121-0001")));
    assert_eq!(stores.outbox.operation(operation).await.unwrap().unwrap().items.len(), 1);
}

async fn of_many_repeats_at_a_time_one_is_stored(stores: Stores) {
    let (here, beside) = (inbox(&stores), inbox(&stores.beside().await));
    for round in 0..10_u8 {
        let code = format!("dossier {round}");
        let messages: Vec<_> = (0..8_u8).map(|n| dossier(&stores, &code, n / 4 + 1)).collect();
        let sent = messages.into_iter().enumerate().map(|(n, message)| {
            let inbox = if n % 2 == 0 { &here } else { &beside };
            inbox.receive(message)
        });
        let stored: Vec<_> = futures::future::join_all(sent).await.into_iter().map(Result::unwrap).collect();
        let count = |what: Stored| stored.iter().filter(|one| **one == what).count();
        assert_eq!((count(Stored::New), count(Stored::Conflict)), (1, 1), "{stored:?}");
    }
    assert_eq!(waiting(&*here, at(1)).await.len(), 10);
}

async fn pages_go_through_all_that_waits(stores: Stores) {
    let inbox = inbox(&stores);
    for n in 0..25_u8 {
        inbox.receive(dossier(&stores, &format!("dossier {n}"), n)).await.unwrap();
    }
    let (mut after, mut found) = ((Timestamp::from_micros(i64::MIN), Uuid::nil()), Vec::new());
    loop {
        let page = inbox.page(PageQuery { status: InboxStatus::Waiting, after, now: at(1), limit: 10 }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = (last.ready_at, last.id);
        found.extend(page.iter().map(|item| item.digest[0]));
    }
    assert_eq!(found, (0..25).collect::<Vec<_>>());
}
