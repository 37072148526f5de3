//! Leases of replicas that have gone: what they were sending is of unknown outcome, and their late word counts no more.

use std::collections::HashSet;
use std::time::Duration;

use lienthong::outbox::{Claimed, Status};
use uuid::Uuid;

use super::writes::{LEASE, at, new_item, settlement};
use super::{Stores, on_both_engines, only_on_postgres};

async fn claim_new(stores: &Stores, holder: Uuid, lane: &str) -> Claimed {
    stores.enqueue(&[new_item(lane, 1)]).await;
    let mut claimed = stores.outbox.claim(holder, at(1), LEASE, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

async fn take_back(stores: &Stores) -> usize {
    stores.outbox.take_back(at(2), at(3)).await.unwrap()
}

/// As a replica does that had no answer to a claim.
async fn release(stores: &Stores, in_flight: HashSet<Uuid>) -> usize {
    stores.outbox.release(stores.replica, in_flight, at(2)).await.unwrap()
}

/// The replica is paused until its time is over.
async fn outlive(stores: &Stores) {
    assert!(stores.replicas.renew(stores.replica, Duration::from_millis(20)).await.unwrap());
    tokio::time::sleep(Duration::from_millis(40)).await;
}

async fn a_living_replica_keeps_its_leases_and_one_whose_time_is_over_loses_them(stores: Stores) {
    let claimed = claim_new(&stores, stores.replica, "a").await;
    assert_eq!(take_back(&stores).await, 0);
    outlive(&stores).await;
    assert_eq!(take_back(&stores).await, 1);
    assert_eq!(take_back(&stores).await, 0, "once");
    let item = stores.outbox.item(claimed.item.id).await.unwrap().unwrap();
    assert_eq!((item.status, item.lost_leases, item.due_at), (Status::Unknown, 1, Some(at(3))));
    assert!(item.fence > claimed.item.fence);
}

async fn what_a_replica_says_after_its_lease_was_taken_back_is_not_heard(stores: Stores) {
    let claimed = claim_new(&stores, stores.replica, "a").await;
    outlive(&stores).await;
    take_back(&stores).await;
    for to in [Status::Delivered, Status::Retry, Status::Dead, Status::Unknown] {
        assert!(!stores.outbox.settle(settlement(&claimed, to, Some(5))).await.unwrap(), "{to}");
    }
    // Nor while someone else looks into it.
    let successor = Uuid::now_v7();
    let looked_into = stores.outbox.claim(successor, at(4), LEASE, 10).await.unwrap();
    assert_eq!(looked_into[0].item.id, claimed.item.id);
    assert!(!stores.outbox.settle(settlement(&claimed, Status::Delivered, None)).await.unwrap());
    assert!(stores.outbox.settle(settlement(&looked_into[0], Status::Delivered, None)).await.unwrap());
    assert_eq!(
        decisions(&stores).await,
        ["sending", "unknown", "delivered"],
        "what was not heard is not in the log either"
    );
}

/// As a replica sees it that has joined since.
async fn decisions(stores: &Stores) -> Vec<String> {
    let successor = Stores { replica: Uuid::now_v7(), ..stores.clone() };
    successor.replicas.join(successor.replica, Duration::from_secs(60)).await.unwrap();
    let log = successor.log().await;
    log.iter().map(|record| record["outcome"]["decision"].as_str().unwrap().to_owned()).collect()
}

async fn leases_of_a_claim_without_an_answer_are_sent_at_once_and_those_in_flight_stay(stores: Stores) {
    let known = claim_new(&stores, stores.replica, "a").await;
    let unknown = claim_new(&stores, stores.replica, "b").await;
    assert_eq!(release(&stores, HashSet::from([known.item.id])).await, 1);
    assert_eq!(release(&stores, HashSet::from([known.item.id])).await, 0);
    let item = stores.outbox.item(unknown.item.id).await.unwrap().unwrap();
    assert_eq!((item.status, item.lost_leases, item.due_at), (Status::Retry, 0, Some(at(2))), "nothing of it was sent");
    assert!(stores.outbox.settle(settlement(&known, Status::Delivered, None)).await.unwrap());
    assert!(!stores.outbox.settle(settlement(&unknown, Status::Delivered, None)).await.unwrap());
}

async fn a_lease_of_someone_who_never_joined_is_an_orphan(stores: Stores) {
    let claimed = claim_new(&stores, Uuid::now_v7(), "a").await;
    assert_eq!(take_back(&stores).await, 1);
    assert!(!stores.outbox.settle(settlement(&claimed, Status::Delivered, None)).await.unwrap());
}

async fn an_outcome_that_is_written_twice_counts_once(stores: Stores) {
    let claimed = claim_new(&stores, stores.replica, "a").await;
    let delivered = settlement(&claimed, Status::Delivered, None);
    let (one, other) = tokio::join!(stores.outbox.settle(delivered.clone()), stores.outbox.settle(delivered.clone()));
    assert!(one.unwrap() != other.unwrap(), "one of them");
    assert!(!stores.outbox.settle(delivered).await.unwrap());
}

async fn a_replica_gives_up_nothing_of_another_living_one(stores: Stores) {
    let beside = stores.beside().await;
    let (mine, theirs) = (claim_new(&stores, stores.replica, "a").await, claim_new(&stores, beside.replica, "b").await);
    assert_eq!(release(&stores, HashSet::new()).await, 1);
    assert!(!stores.outbox.settle(settlement(&mine, Status::Delivered, None)).await.unwrap());
    assert!(beside.outbox.settle(settlement(&theirs, Status::Delivered, None)).await.unwrap());
}

async fn one_who_leaves_gives_its_leases_free_at_once(stores: Stores) {
    let beside = stores.beside().await;
    let claimed = claim_new(&stores, beside.replica, "a").await;
    beside.replicas.leave(beside.replica).await.unwrap();
    assert_eq!(take_back(&stores).await, 1);
    assert!(!beside.outbox.settle(settlement(&claimed, Status::Delivered, None)).await.unwrap());
}

async fn several_replicas_that_take_back_at_once_take_each_lease_once(stores: Stores) {
    let beside = stores.beside().await;
    stores.enqueue(&(0..100).map(|n| new_item(&format!("lane {n}"), 1)).collect::<Vec<_>>()).await;
    assert_eq!(stores.outbox.claim(Uuid::now_v7(), at(1), LEASE, 100).await.unwrap().len(), 100);
    let (one, other) = tokio::join!(take_back(&stores), take_back(&beside));
    let rest = take_back(&stores).await;
    assert_eq!(one + other + rest, 100);
    assert_eq!(stores.count("SELECT count(*) FROM outbox WHERE status = 'unknown' AND lost_leases = 1").await, 100);
}

on_both_engines! {
    a_living_replica_keeps_its_leases_and_one_whose_time_is_over_loses_them,
    what_a_replica_says_after_its_lease_was_taken_back_is_not_heard,
    leases_of_a_claim_without_an_answer_are_sent_at_once_and_those_in_flight_stay,
    a_lease_of_someone_who_never_joined_is_an_orphan,
    an_outcome_that_is_written_twice_counts_once,
    several_replicas_that_take_back_at_once_take_each_lease_once,
}

only_on_postgres! {
    a_replica_gives_up_nothing_of_another_living_one,
    one_who_leaves_gives_its_leases_free_at_once,
}
