//! What local systems are told: once for each that is to know, in order within its dossier, and nothing is lost that was not taken.

use std::sync::Arc;

use lienthong::audit::{Draft, Kind, Outcome, SealedRecord};
use lienthong::inbox::InboxStatus;
use lienthong::inbox::store::Receive;
use lienthong::outbox::Status;
use lienthong::outbox::store::Decision;
use lienthong::webhooks::store::{Again, Called, Settle, WebhookStore};
use lienthong::webhooks::{EventKind, NewEvent, Notice, NoticeReason, NoticeStatus};
use lienthong_domain::time::Timestamp;
use uuid::Uuid;

use super::inbox::{decision, dossier, inbox, supplement};
use super::writes::{LEASE, at, new_item, settlement};
use super::{Stores, on_both_engines};

on_both_engines!(
    what_may_be_decided_is_an_event_and_what_was_displaced_is_none,
    what_becomes_of_an_item_is_an_event_if_anybody_listens,
    notices_of_a_dossier_are_called_one_after_the_other_and_hold_up_no_other,
    a_call_that_was_given_up_writes_nothing,
    what_was_taken_back_meanwhile_nobody_is_told_of,
    what_is_called_again_comes_before_what_came_after_it,
    an_endpoint_that_is_gone_is_called_again_once_it_is_enabled,
    what_is_old_is_forgotten_and_what_stood_behind_it_goes_on,
);

fn webhooks(stores: &Stores) -> Arc<dyn WebhookStore> {
    lienthong::webhooks::store::open(&stores.database)
}

fn record(stores: &Stores) -> SealedRecord {
    let draft = Draft::new(Kind::Outcome, "webhook.call", Outcome::decided("delivered"));
    stores.recorder.seal(&draft).unwrap()
}

fn again_record(stores: &Stores) -> SealedRecord {
    let draft = Draft::new(Kind::Operator, "webhook.call_again", Outcome::decided("done"));
    stores.recorder.seal(&draft).unwrap()
}

fn notice(event: &NewEvent, endpoint: &str, since: i64) -> Notice {
    Notice {
        endpoint: endpoint.into(),
        event: event.id,
        client_id: "client".into(),
        agency_id: event.agency_id.clone(),
        lane: event.lane.clone(),
        kind: event.kind,
        payload: event.data.to_string(),
        status: NoticeStatus::Waiting,
        attempts: 0,
        next_at: None,
        since_at: at(since),
        reason: None,
        http_status: None,
        updated_at: at(since),
    }
}

/// Tells endpoint `a` of all that has happened by then.
async fn tell(stores: &Stores, now: i64) -> Vec<NewEvent> {
    let webhooks = webhooks(stores);
    let events = webhooks.events(at(now), 100).await.unwrap();
    let notices = events.iter().map(|event| notice(event, "a", now)).collect();
    webhooks.replace(events.iter().map(|event| event.id).collect(), notices).await.unwrap();
    events
}

/// Three messages of dossier A, of which the first is decided and the second then, and one of B: as events in this order.
async fn three_and_one(stores: &Stores) -> Vec<NewEvent> {
    let inbox = inbox(stores);
    let messages = [dossier(stores, "A", 1), supplement(stores, "A", "1", 2), supplement(stores, "A", "2", 3)];
    let ids = messages.each_ref().map(|message| message.item.id);
    for message in messages {
        inbox.receive(message).await.unwrap();
    }
    inbox.decide(decision(stores, ids[0], at(1))).await.unwrap();
    inbox.decide(decision(stores, ids[1], at(2))).await.unwrap();
    let other = dossier(stores, "B", 1);
    let item = lienthong::inbox::store::InboxItem { ready_at: at(3), ..other.item };
    inbox.receive(Receive { item, ..other }).await.unwrap();
    let events = tell(stores, 10).await;
    assert_eq!(events.iter().map(|event| event.lane.as_str()).collect::<Vec<_>>(), ["A", "A", "A", "B"]);
    events
}

async fn claimed(stores: &Stores, now: i64) -> Vec<Notice> {
    webhooks(stores).claim("a".into(), at(now), at(now + 100), 100).await.unwrap()
}

fn events_of(notices: &[Notice]) -> Vec<Uuid> {
    notices.iter().map(|notice| notice.event).collect()
}

fn end(stores: &Stores, notice: &Notice, to: Called, now: i64) -> Settle {
    Settle {
        endpoint: notice.endpoint.clone(),
        event: notice.event,
        attempts: notice.attempts,
        to,
        http_status: Some(500),
        disables: false,
        record: record(stores),
        now: at(now),
    }
}

async fn what_may_be_decided_is_an_event_and_what_was_displaced_is_none(stores: Stores) {
    let (inbox, webhooks) = (inbox(&stores), webhooks(&stores));
    // A supplement that came before its dossier waits for it.
    let early = supplement(&stores, "A", "1", 2);
    let early_id = early.item.id;
    inbox.receive(early).await.unwrap();
    assert_eq!(webhooks.events(at(59_000), 10).await.unwrap(), []);
    let held = webhooks.events(at(60_000), 10).await.unwrap();
    assert_eq!(held.iter().map(|event| (event.subject, event.at)).collect::<Vec<_>>(), [(early_id, at(60_000))]);
    // Here it is: the supplement's turn comes later.
    let first = dossier(&stores, "A", 1);
    let id = first.item.id;
    inbox.receive(first).await.unwrap();
    let events = webhooks.events(at(90_000), 10).await.unwrap();
    assert_eq!(events.iter().map(|event| (event.subject, event.at)).collect::<Vec<_>>(), [(id, at(0))]);
    assert_eq!(
        (events[0].kind, events[0].lane.as_str(), events[0].agency_id.as_str()),
        (EventKind::InboxReady, "A", "H15")
    );
    let data =
        serde_json::json!({ "itemId": id, "kind": "dossier.submitted", "nationalCode": "A", "agencyCode": "H15" });
    assert_eq!(events[0].data, data);
    // A repeat is none, a conflict is one of its own.
    inbox.receive(dossier(&stores, "A", 1)).await.unwrap();
    inbox.receive(dossier(&stores, "A", 9)).await.unwrap();
    let kinds: Vec<_> = webhooks.events(at(90_000), 10).await.unwrap().iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::InboxReady, EventKind::InboxConflict]);
    inbox.decide(decision(&stores, id, at(70_000))).await.unwrap();
    let last = webhooks.events(at(90_000), 10).await.unwrap().pop().unwrap();
    assert_eq!((last.subject, last.at), (early_id, at(70_000)));
    assert_eq!(webhooks.events(at(90_000), 2).await.unwrap().len(), 2);
    let page = inbox.find(early_id).await.unwrap().unwrap();
    assert!(page.is_head && page.status == InboxStatus::Waiting);
}

async fn what_becomes_of_an_item_is_an_event_if_anybody_listens(stores: Stores) {
    let webhooks = webhooks(&stores);
    let add = |lane: &str| {
        let item = new_item(lane, 1);
        let stores = &stores;
        async move { stores.enqueue(&[item]).await }
    };
    let end = |to: Status, due: Option<i64>| {
        let stores = &stores;
        async move {
            let claimed = stores.outbox.claim(stores.replica, at(5), LEASE, 10).await.unwrap();
            let item = claimed[0].item.clone();
            assert!(stores.outbox.settle(settlement(&claimed[0], to, due)).await.unwrap());
            item
        }
    };
    add("a").await;
    end(Status::Delivered, None).await;
    assert_eq!(webhooks.events(at(1), 10).await.unwrap(), [], "nobody listens");
    stores.listening.to([EventKind::OperationDelivered, EventKind::OperationStuck, EventKind::OperationEnded]);
    add("b").await;
    end(Status::Retry, Some(1)).await;
    assert_eq!(webhooks.events(at(1), 10).await.unwrap(), [], "nothing has become of it yet");
    let delivered = end(Status::Delivered, None).await;
    add("c").await;
    let dead = end(Status::Dead, None).await;
    let skip = Decision { id: dead.id, to: Status::Skipped, words: None, now: at(2) };
    stores.outbox.decide(skip).await.unwrap();
    add("d").await;
    end(Status::Unknown, Some(1)).await;
    let parked = end(Status::Unknown, None).await;
    let again = Decision { id: parked.id, to: Status::Retry, words: None, now: at(3) };
    stores.outbox.decide(again).await.unwrap();
    let mut events = webhooks.events(at(3), 10).await.unwrap();
    events.sort_by_key(|event| event.id);
    let told: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.lane.as_str(), event.subject)).collect();
    let expected = [
        ("operation.delivered", "b", delivered.operation_id),
        ("operation.stuck", "c", dead.operation_id),
        ("operation.ended", "c", dead.operation_id),
        ("operation.stuck", "d", parked.operation_id),
    ];
    assert_eq!(told, expected);
    assert_eq!(events[0].data["resource"], "/v1/dossiers/b");
    // One kind alone.
    stores.listening.to([EventKind::OperationStuck]);
    end(Status::Delivered, None).await;
    assert_eq!(webhooks.events(at(9), 10).await.unwrap().len(), 4);
}

async fn notices_of_a_dossier_are_called_one_after_the_other_and_hold_up_no_other(stores: Stores) {
    let events = three_and_one(&stores).await;
    let webhooks = webhooks(&stores);
    assert_eq!(webhooks.events(at(100), 10).await.unwrap(), [], "they are notices now");
    let first = claimed(&stores, 10).await;
    assert_eq!(events_of(&first), [events[0].id, events[3].id]);
    assert_eq!(first[0].payload, events[0].data.to_string());
    assert_eq!(claimed(&stores, 109).await, [], "they are under way");
    // Again later: what stands behind it waits with it. The other is through.
    let later = Called::Again { at: at(500), reason: NoticeReason::Refused };
    assert!(webhooks.settle(end(&stores, &first[0], later, 20)).await.unwrap());
    assert!(webhooks.settle(end(&stores, &first[1], Called::Delivered, 20)).await.unwrap());
    assert_eq!(claimed(&stores, 499).await, []);
    let second = claimed(&stores, 500).await;
    assert_eq!((events_of(&second), second[0].attempts), (vec![events[0].id], 2));
    assert_eq!((second[0].reason, second[0].http_status), (Some(NoticeReason::Refused), Some(500)));
    assert!(webhooks.settle(end(&stores, &second[0], Called::Delivered, 510)).await.unwrap());
    let third = claimed(&stores, 510).await;
    assert_eq!(events_of(&third), [events[1].id]);
    // What is given up holds nothing up either.
    assert!(webhooks.settle(end(&stores, &third[0], Called::Dead(NoticeReason::Unreachable), 520)).await.unwrap());
    assert_eq!(events_of(&claimed(&stores, 520).await), [events[2].id]);
    for (status, number) in [(NoticeStatus::Dead, 1), (NoticeStatus::Delivered, 2), (NoticeStatus::Waiting, 1)] {
        assert_eq!(webhooks.counts(status).await.unwrap(), [("a".to_owned(), number)].into(), "{status:?}");
    }
    let dead = webhooks.list(Some("a".into()), NoticeStatus::Dead, 10).await.unwrap();
    assert_eq!((events_of(&dead), dead[0].reason), (vec![events[1].id], Some(NoticeReason::Unreachable)));
    assert_eq!(webhooks.list(Some("b".into()), NoticeStatus::Dead, 10).await.unwrap(), []);
    // What comes now stands behind the last.
    inbox(&stores).receive(dossier(&stores, "A", 7)).await.unwrap();
    tell(&stores, 530).await;
    assert_eq!(claimed(&stores, 530).await, []);
}

async fn a_call_that_was_given_up_writes_nothing(stores: Stores) {
    three_and_one(&stores).await;
    let webhooks = webhooks(&stores);
    let first = claimed(&stores, 10).await;
    // Nobody heard of it: another one makes the call.
    let second = claimed(&stores, 110).await;
    assert_eq!((events_of(&second), second[0].attempts), (events_of(&first), 2));
    let before = stores.log().await.len();
    assert!(!webhooks.settle(end(&stores, &first[0], Called::Delivered, 120)).await.unwrap());
    assert_eq!(stores.log().await.len(), before);
    assert!(webhooks.settle(end(&stores, &second[0], Called::Delivered, 120)).await.unwrap());
    assert!(!webhooks.settle(end(&stores, &second[0], Called::Delivered, 130)).await.unwrap(), "it has ended");
    assert_eq!(stores.log().await.len(), before + 1);
}

async fn what_was_taken_back_meanwhile_nobody_is_told_of(stores: Stores) {
    let (inbox, webhooks) = (inbox(&stores), webhooks(&stores));
    inbox.receive(supplement(&stores, "A", "1", 2)).await.unwrap();
    let seen = webhooks.events(at(60_000), 10).await.unwrap();
    inbox.receive(dossier(&stores, "A", 1)).await.unwrap();
    let notices = vec![notice(&seen[0], "a", 1)];
    webhooks.replace(vec![seen[0].id], notices.clone()).await.unwrap();
    assert_eq!(claimed(&stores, 100_000).await, []);
    // And twice is once.
    let events = tell(&stores, 100_000).await;
    webhooks.replace(vec![events[0].id], vec![notice(&events[0], "a", 1)]).await.unwrap();
    assert_eq!(claimed(&stores, 100_000).await.len(), 1);
}

async fn what_is_called_again_comes_before_what_came_after_it(stores: Stores) {
    let events = three_and_one(&stores).await;
    let webhooks = webhooks(&stores);
    for to in [Called::Dead(NoticeReason::Refused), Called::Delivered] {
        let due = claimed(&stores, 10).await;
        let one = due.iter().find(|notice| notice.lane == "A").unwrap();
        assert!(webhooks.settle(end(&stores, one, to, 10)).await.unwrap());
    }
    // The third is due, and B's is under way.
    let again = |again: Again, now: i64| {
        let (webhooks, record) = (Arc::clone(&webhooks), again_record(&stores));
        async move { webhooks.open_again(again, at(now), record).await.unwrap() }
    };
    let of = |endpoint: &str| Again { endpoint: Some(endpoint.into()), ..Again::default() };
    assert_eq!(again(of("b"), 20).await, 0);
    assert_eq!(again(Again { event: Some(events[1].id), ..Again::default() }, 20).await, 0, "it was taken");
    assert_eq!(again(of("a"), 20).await, 1);
    let due = claimed(&stores, 20).await;
    let of_a: Vec<&Notice> = due.iter().filter(|notice| notice.lane == "A").collect();
    assert_eq!(of_a.iter().map(|notice| (notice.event, notice.attempts)).collect::<Vec<_>>(), [(events[0].id, 1)]);
    assert!(webhooks.settle(end(&stores, of_a[0], Called::Delivered, 30)).await.unwrap());
    // All of them from a time on.
    assert_eq!(again(Again { delivered_since: Some(at(11)), ..Again::default() }, 40).await, 1);
    assert_eq!(again(Again { delivered_since: Some(at(0)), ..Again::default() }, 50).await, 1);
    let mut order = Vec::new();
    for now in 50.. {
        let due = claimed(&stores, 1000 * now).await;
        let Some(one) = due.iter().find(|notice| notice.lane == "A") else { break };
        order.push(one.event);
        assert!(webhooks.settle(end(&stores, one, Called::Delivered, 1000 * now)).await.unwrap());
    }
    assert_eq!(order, [events[0].id, events[1].id, events[2].id]);
}

async fn an_endpoint_that_is_gone_is_called_again_once_it_is_enabled(stores: Stores) {
    three_and_one(&stores).await;
    let webhooks = webhooks(&stores);
    let first = claimed(&stores, 10).await;
    let later = Called::Again { at: at(500), reason: NoticeReason::Gone };
    for notice in &first {
        let settle = Settle { disables: true, ..end(&stores, notice, later, 20) };
        assert!(webhooks.settle(settle).await.unwrap());
    }
    assert_eq!(webhooks.disabled().await.unwrap(), [("a".to_owned(), at(20))]);
    let record = || {
        let mut draft = Draft::new(Kind::Operator, "webhook.enable", Outcome::decided("done"));
        draft.key = Some("a");
        stores.recorder.seal(&draft).unwrap()
    };
    assert!(!webhooks.enable("b".into(), record()).await.unwrap());
    assert!(webhooks.enable("a".into(), record()).await.unwrap());
    assert!(!webhooks.enable("a".into(), record()).await.unwrap());
    assert_eq!(webhooks.disabled().await.unwrap(), []);
}

async fn what_is_old_is_forgotten_and_what_stood_behind_it_goes_on(stores: Stores) {
    let events = three_and_one(&stores).await;
    let webhooks = webhooks(&stores);
    // The first of A is tried again and again; nothing happens to those behind it.
    let first = claimed(&stores, 10).await;
    let later = Called::Again { at: at(5000), reason: NoticeReason::Refused };
    assert!(webhooks.settle(end(&stores, &first[0], later, 900)).await.unwrap());
    assert!(webhooks.settle(end(&stores, &first[1], Called::Delivered, 20)).await.unwrap());
    assert_eq!(webhooks.forget(at(10), 10).await.unwrap(), 0);
    assert_eq!(webhooks.forget(at(21), 2).await.unwrap(), 2);
    assert_eq!(webhooks.forget(at(21), 2).await.unwrap(), 1);
    assert_eq!(events_of(&webhooks.list(None, NoticeStatus::Waiting, 10).await.unwrap()), [events[0].id]);
    // A new one behind the first, which is then forgotten itself.
    inbox(&stores).receive(dossier(&stores, "A", 7)).await.unwrap();
    let conflict = tell(&stores, 2000).await;
    assert_eq!(claimed(&stores, 2000).await, []);
    assert_eq!(webhooks.forget(Timestamp::from_micros(at(901).micros()), 10).await.unwrap(), 1);
    assert_eq!(events_of(&claimed(&stores, 2000).await), [conflict[0].id]);
}
