//! The outbox store: order in a lane, leases, what parks and what goes on.

use std::collections::HashSet;
use std::time::Duration;

use lienthong::outbox::store::{Decision, Settlement};
use lienthong::outbox::{Claimed, Learned, NewItem, Status, TRANSITIONS, may_follow};
use lienthong::storage::StoreError;
use lienthong_domain::port::Presence;
use uuid::Uuid;

use super::writes::{LEASE, ROUTE, at, new_item, settlement};
use super::{Stores, on_both_engines};

async fn add(stores: &Stores, lane: &str, ordinal: i64) -> Uuid {
    let item = new_item(lane, ordinal);
    let id = item.id;
    stores.enqueue(&[item]).await;
    id
}

async fn claim(stores: &Stores, now: i64) -> Vec<Claimed> {
    stores.outbox.claim(stores.replica, at(now), LEASE, 10).await.unwrap()
}

/// As the others do when a replica has gone; it joins again afterwards.
async fn take_back_all(stores: &Stores, now: i64) -> usize {
    stores.replicas.leave(stores.replica).await.unwrap();
    let taken_back = stores.outbox.take_back(at(now), at(now)).await.unwrap();
    stores.replicas.join(stores.replica, Duration::from_secs(600)).await.unwrap();
    taken_back
}

async fn status(stores: &Stores, id: Uuid) -> Status {
    stores.outbox.item(id).await.unwrap().unwrap().status
}

async fn a_lane_sends_one_item_at_a_time_in_order_and_lanes_do_not_wait_for_each_other(stores: Stores) {
    let (first, second) = (add(&stores, "a", 1).await, add(&stores, "a", 2).await);
    let other = add(&stores, "b", 1).await;
    let claimed = claim(&stores, 1).await;
    assert_eq!(claimed.iter().map(|c| c.item.id).collect::<HashSet<_>>(), HashSet::from([first, other]));
    assert!(claim(&stores, 1).await.is_empty());
    let of_first = claimed.iter().find(|claimed| claimed.item.id == first).unwrap();
    assert!(stores.outbox.settle(settlement(of_first, Status::Delivered, None)).await.unwrap());
    let next = claim(&stores, 1).await;
    assert_eq!(next.iter().map(|c| c.item.id).collect::<Vec<_>>(), [second]);
}

async fn a_refused_item_parks_its_lane_until_an_operator_decides(stores: Stores) {
    let (first, second) = (add(&stores, "a", 1).await, add(&stores, "a", 2).await);
    let claimed = claim(&stores, 1).await;
    stores.outbox.settle(settlement(&claimed[0], Status::Dead, None)).await.unwrap();
    assert!(claim(&stores, 1_000_000).await.is_empty());
    assert_eq!(stores.outbox.waiting(10).await.unwrap()[0].id, first);
    let decision = Decision { id: first, to: Status::Skipped, words: Some("sent by hand".into()), now: at(2) };
    stores.outbox.decide(decision).await.unwrap();
    assert_eq!(claim(&stores, 3).await[0].item.id, second);
}

async fn a_corrected_full_state_takes_the_place_of_the_refused_one_before_what_waits_behind_it(stores: Stores) {
    let (refused, waiting) = (add(&stores, "a", 1).await, add(&stores, "a", 2).await);
    let claimed = claim(&stores, 1).await;
    stores.outbox.settle(settlement(&claimed[0], Status::Dead, None)).await.unwrap();
    let corrected = NewItem { id: Uuid::now_v7(), operation_id: Uuid::now_v7(), ordinal: 3, ..new_item("a", 3) };
    let id = corrected.id;
    stores.enqueue_full_state(&corrected).await;
    assert_eq!(status(&stores, refused).await, Status::Cancelled);
    let next = claim(&stores, 2).await;
    assert_eq!((next[0].item.id, next[0].item.attempts), (id, 1));
    stores.outbox.settle(settlement(&next[0], Status::Delivered, None)).await.unwrap();
    assert_eq!(claim(&stores, 3).await[0].item.id, waiting);
    // The late answer of the refused attempt belongs to nobody.
    assert!(!stores.outbox.settle(settlement(&claimed[0], Status::Delivered, None)).await.unwrap());
}

async fn an_operator_may_not_do_what_the_table_does_not_have(stores: Stores) {
    let id = add(&stores, "a", 1).await;
    let skip = Decision { id, to: Status::Skipped, words: None, now: at(1) };
    assert_eq!(stores.outbox.decide(skip).await.err(), Some(StoreError::NotApplicable));
    let unknown = Decision { id: Uuid::now_v7(), to: Status::Retry, words: None, now: at(1) };
    assert_eq!(stores.outbox.decide(unknown).await.err(), Some(StoreError::NotApplicable));
    assert_eq!(status(&stores, id).await, Status::Accepted);
}

async fn whoever_lost_the_lease_can_no_longer_write_and_the_item_is_of_unknown_outcome(stores: Stores) {
    let id = add(&stores, "a", 1).await;
    let paused = claim(&stores, 1).await;
    assert!(claim(&stores, LEASE).await.is_empty());
    // The lease is over: the item is taken back, not sent again.
    assert!(claim(&stores, LEASE + 1).await.is_empty());
    assert_eq!(status(&stores, id).await, Status::Unknown);
    assert!(!stores.outbox.settle(settlement(&paused[0], Status::Delivered, None)).await.unwrap());
    let looked_into = claim(&stores, LEASE + 2).await;
    assert_eq!((looked_into[0].item.status, looked_into[0].item.lost_leases), (Status::Unknown, 1));
}

async fn after_a_restart_every_lease_is_an_orphan_and_parked_items_stay_parked(stores: Stores) {
    let (sending, parked) = (add(&stores, "a", 1).await, add(&stores, "b", 1).await);
    let claimed = claim(&stores, 1).await;
    let of_parked = claimed.iter().find(|claimed| claimed.item.id == parked).unwrap();
    stores.outbox.settle(settlement(of_parked, Status::Unknown, None)).await.unwrap();
    assert_eq!(take_back_all(&stores, 2).await, 1);
    assert_eq!(status(&stores, sending).await, Status::Unknown);
    assert_eq!(claim(&stores, 3).await.iter().map(|c| c.item.id).collect::<Vec<_>>(), [sending]);
    // The process dies again while it is being looked into: it is looked into anew, at once.
    assert_eq!(take_back_all(&stores, 4).await, 1);
    assert_eq!(claim(&stores, 5).await.len(), 1);
    assert_eq!(stores.outbox.waiting(10).await.unwrap()[0].id, parked);
}

async fn what_the_other_side_holds_is_remembered_for_the_next_item_of_the_lane(stores: Stores) {
    add(&stores, "a", 1).await;
    add(&stores, "a", 2).await;
    let claimed = claim(&stores, 1).await;
    assert_eq!(claimed[0].presence, None);
    let learned = Learned { presence: Some(Presence::Present), acknowledged_revision: Some(1) };
    let delivered = Settlement { learned, ..settlement(&claimed[0], Status::Delivered, None) };
    stores.outbox.settle(delivered).await.unwrap();
    assert_eq!(claim(&stores, 2).await[0].presence, Some(Presence::Present));
    let lane = stores.outbox.lane(ROUTE, "a".into()).await.unwrap();
    assert_eq!((lane.acknowledged_revision, lane.open_items), (Some(1), 1));
}

async fn every_move_of_an_item_leaves_an_audit_record_in_the_same_transaction(stores: Stores) {
    add(&stores, "a", 1).await;
    let claimed = claim(&stores, 1).await;
    stores.outbox.settle(settlement(&claimed[0], Status::Retry, Some(5))).await.unwrap();
    let again = claim(&stores, 6).await;
    stores.outbox.settle(settlement(&again[0], Status::Delivered, None)).await.unwrap();
    let told: Vec<String> = stores.log().await.iter().map(|record| record["outcome"]["decision"].to_string()).collect();
    assert_eq!(told, ["\"sending\"", "\"retry\"", "\"sending\"", "\"delivered\""]);
}

#[test]
fn the_table_never_leads_from_sending_to_sending_nor_out_of_an_end() {
    for (from, next) in TRANSITIONS {
        assert_eq!(from.is_open(), !next.is_empty(), "{from}");
        assert!(!next.contains(&Status::Accepted), "{from}");
    }
    assert!(!may_follow(Status::Unknown, Status::Sending), "an unknown outcome is never sent again blindly");
    assert!(!may_follow(Status::Dead, Status::Sending) && !may_follow(Status::Delivered, Status::Retry));
    assert_eq!(TRANSITIONS.len(), Status::ALL.len());
}

on_both_engines! {
    a_lane_sends_one_item_at_a_time_in_order_and_lanes_do_not_wait_for_each_other,
    a_refused_item_parks_its_lane_until_an_operator_decides,
    a_corrected_full_state_takes_the_place_of_the_refused_one_before_what_waits_behind_it,
    an_operator_may_not_do_what_the_table_does_not_have,
    whoever_lost_the_lease_can_no_longer_write_and_the_item_is_of_unknown_outcome,
    after_a_restart_every_lease_is_an_orphan_and_parked_items_stay_parked,
    what_the_other_side_holds_is_remembered_for_the_next_item_of_the_lane,
    every_move_of_an_item_leaves_an_audit_record_in_the_same_transaction,
}
