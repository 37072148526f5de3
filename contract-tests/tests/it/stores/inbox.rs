//! The inbox: what comes again is told apart from what is new, a dossier's messages are shown one after the other, and a decision is
//! one transaction with what tells the portal.

use std::sync::Arc;

use lienthong::audit::{Draft, Kind, LegalGround, Outcome};
use lienthong::erasure::{Eraser, NotErased, Order, Target};
use lienthong::inbox::InboxStatus;
use lienthong::inbox::store::{Decide, InboxItem, InboxStore, PageQuery, Receive, Stored, Tell};
use lienthong::storage::StoreError;
use lienthong_domain::inbox::IncomingKind;
use lienthong_domain::time::{Clock, SystemClock, Timestamp};
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
    pages_hold_what_is_for_these_agencies_and_nothing_else,
    what_does_not_say_its_agency_is_for_that_of_its_dossier_whichever_came_first,
    the_files_of_an_erased_content_are_told_until_they_are_away,
    what_the_portal_knows_of_a_dossier_by_its_own_code_is_erased_with_it,
);

const HOLD_MS: i64 = 60_000;

pub(super) fn inbox(stores: &Stores) -> Arc<dyn InboxStore> {
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
    Receive { item, body, agency_is_guess: false, files: Vec::new(), links: Vec::new(), records, hold_ms: HOLD_MS }
}

pub(super) fn dossier(stores: &Stores, code: &str, content: u8) -> Receive {
    message(stores, IncomingKind::DossierSubmitted, code, "", content)
}

pub(super) fn supplement(stores: &Stores, code: &str, reference: &str, content: u8) -> Receive {
    message(stores, IncomingKind::DossierSupplemented, code, reference, content)
}

pub(super) fn decision(stores: &Stores, id: Uuid, now: Timestamp) -> Decide {
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
    let after = (Timestamp::from_micros(i64::MIN), Uuid::nil());
    let query = PageQuery { status, agencies: vec!["H15".into(), "H15.50".into()], after, now, limit: 100 };
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
        let (status, agencies) = (InboxStatus::Waiting, vec!["H15".to_owned()]);
        let page = inbox.page(PageQuery { status, agencies, after, now: at(1), limit: 10 }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = (last.ready_at, last.id);
        found.extend(page.iter().map(|item| item.digest[0]));
    }
    assert_eq!(found, (0..25).collect::<Vec<_>>());
}

fn of_agency(mut message: Receive, agency: &str, procedure: Option<&str>) -> Receive {
    message.item.agency_id = agency.into();
    message.item.procedure_code = procedure.map(str::to_owned);
    message
}

fn guessed(message: Receive) -> Receive {
    Receive { agency_is_guess: true, ..message }
}

async fn pages_hold_what_is_for_these_agencies_and_nothing_else(stores: Stores) {
    let inbox = inbox(&stores);
    for n in 0..40_u8 {
        let agency = if n == 39 { "H15.50" } else { "H15.51" };
        let message = of_agency(dossier(&stores, &format!("dossier {n}"), n), agency, None);
        inbox.receive(message).await.unwrap();
    }
    let after = (Timestamp::from_micros(i64::MIN), Uuid::nil());
    let page = async |agencies: &[&str]| {
        let agencies = agencies.iter().map(|agency| (*agency).to_owned()).collect();
        let query = PageQuery { status: InboxStatus::Waiting, agencies, after, now: at(1), limit: 1 };
        inbox.page(query).await.unwrap().iter().map(|item| item.digest[0]).collect::<Vec<_>>()
    };
    assert_eq!(page(&["H15.50", "H15.52"]).await, [39], "what others leave lying hides nothing");
    assert_eq!(page(&["H15.51"]).await, [0]);
    assert_eq!(page(&["H15", "H15.5", "%"]).await, [0_u8; 0]);
    assert_eq!(page(&[]).await, [0_u8; 0]);
}

async fn what_does_not_say_its_agency_is_for_that_of_its_dossier_whichever_came_first(stores: Stores) {
    let inbox = inbox(&stores);
    let competent = async |id: Uuid| {
        let item = inbox.find(id).await.unwrap().unwrap();
        (item.agency_id, item.procedure_code)
    };
    let of_dossier = ("H15.50".to_owned(), Some("1.001193".to_owned()));
    let notice = |code: &str, n: u8| guessed(message(&stores, IncomingKind::TaxNotice, code, &n.to_string(), n));
    let begin = |code: &str| of_agency(dossier(&stores, code, 1), "H15.50", Some("1.001193"));
    // After its dossier, also once that is decided.
    let (first, after) = (begin("A"), notice("A", 2));
    let (first_id, after_id) = (first.item.id, after.item.id);
    inbox.receive(first).await.unwrap();
    inbox.decide(decision(&stores, first_id, at(1))).await.unwrap();
    inbox.receive(after).await.unwrap();
    assert_eq!(competent(after_id).await, of_dossier);
    // Before it.
    let before = notice("B", 3);
    let before_id = before.item.id;
    inbox.receive(before).await.unwrap();
    assert_eq!(competent(before_id).await, ("H15".to_owned(), None));
    inbox.receive(begin("B")).await.unwrap();
    assert_eq!(competent(before_id).await, of_dossier);
    // What says it itself keeps it; and another content under the dossier's code says nothing.
    let own = of_agency(supplement(&stores, "B", "1", 4), "H15.51", Some("1.004222"));
    let (own_id, other) = (own.item.id, of_agency(dossier(&stores, "B", 5), "H15.52", None));
    inbox.receive(own).await.unwrap();
    assert_eq!(inbox.receive(other).await.unwrap(), Stored::Conflict);
    assert_eq!(competent(own_id).await, ("H15.51".to_owned(), Some("1.004222".to_owned())));
    assert_eq!(competent(before_id).await, of_dossier);
    assert_eq!(inbox.beginning("B".into()).await.unwrap().unwrap().agency_id, "H15.50");
}

pub(super) fn eraser(stores: &Stores) -> Eraser {
    Eraser { store: lienthong::erasure::store::open(&stores.database), recorder: stores.recorder.clone() }
}

pub(super) fn order() -> Order {
    Order { ground: LegalGround::OnRequest, document: None, officer: None }
}

async fn the_files_of_an_erased_content_are_told_until_they_are_away(stores: Stores) {
    let inbox = inbox(&stores);
    let files: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    let (mine, others) = (dossier(&stores, "A", 1), dossier(&stores, "B", 2));
    let (id, others) = (mine.item.id, Receive { files: vec![files[2]], ..others });
    inbox.receive(Receive { files: files[..2].to_vec(), ..mine }).await.unwrap();
    inbox.receive(others).await.unwrap();
    inbox.decide(Decide { tell: None, ..decision(&stores, id, at(1)) }).await.unwrap();
    assert!(inbox.gone_files(10).await.unwrap().is_empty());
    let contents = eraser(&stores).find(&Target::Dossier("A".into())).await.unwrap();
    assert_eq!(eraser(&stores).erase(&contents, &order()).await.unwrap(), 1);
    let gone = inbox.gone_files(10).await.unwrap();
    assert_eq!(gone, files[..2]);
    assert_eq!(inbox.known_files(files.clone()).await.unwrap().len(), 3, "they are known until they are away");
    inbox.forget_files(files.clone()).await.unwrap();
    assert!(inbox.gone_files(10).await.unwrap().is_empty());
    let left = inbox.known_files(files.clone()).await.unwrap();
    assert_eq!(left.into_iter().collect::<Vec<_>>(), [files[2]], "a file that can be read is not forgotten");
    // What was erased is not looked at again by what is kept for its time only.
    let store = lienthong::erasure::store::open(&stores.database);
    assert_eq!(store.settled_before(SystemClock.now().plus_millis(1000), 10).await.unwrap(), []);
}

async fn what_the_portal_knows_of_a_dossier_by_its_own_code_is_erased_with_it(stores: Stores) {
    let inbox = inbox(&stores);
    let (first, second) = (dossier(&stores, "national", 1), supplement(&stores, "national", "1", 2));
    let (id, later) = (first.item.id, second.item.id);
    inbox.receive(first).await.unwrap();
    inbox.receive(second).await.unwrap();
    inbox.receive(dossier(&stores, "another", 3)).await.unwrap();
    let mut decided = decision(&stores, id, at(1));
    decided.tell.as_mut().unwrap().item.lane = "national".into();
    inbox.decide(decided).await.unwrap();
    for code in ["H15-261121-0001", "national"] {
        let found = eraser(&stores).find(&Target::Dossier(code.into())).await.unwrap();
        assert_eq!(found.len(), 3, "{code}: two messages, and what tells the portal");
        let items: Vec<Uuid> = found.iter().map(|content| content.item).collect();
        assert!(items.contains(&id) && items.contains(&later));
        let refused = eraser(&stores).erase(&found, &order()).await;
        assert!(matches!(refused, Err(NotErased::Undelivered(2))), "{refused:?}");
    }
}
