//! The store of replicas: who is alive, and what only one of them holds.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use uuid::Uuid;

use super::{Stores, on_both_engines, only_on_postgres};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(20);
const LONGER_THAN_SHORT: Duration = Duration::from_millis(40);

async fn hold(stores: &Stores, id: Uuid) -> Option<i64> {
    stores.replicas.hold("lease", id).await.unwrap()
}

async fn join(stores: &Stores, lease: Duration) -> Uuid {
    let id = Uuid::now_v7();
    stores.replicas.join(id, lease).await.unwrap();
    id
}

async fn a_replica_is_alive_until_its_time_is_over_unless_it_renews_it(stores: Stores) {
    let id = join(&stores, Duration::from_secs(1)).await;
    assert!(stores.replicas.alive().await.unwrap().contains(&id));
    assert!(stores.replicas.renew(id, LONG).await.unwrap());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(stores.replicas.alive().await.unwrap().contains(&id));
    assert!(stores.replicas.renew(id, SHORT).await.unwrap());
    tokio::time::sleep(LONGER_THAN_SHORT).await;
    assert!(!stores.replicas.alive().await.unwrap().contains(&id));
    assert!(!stores.replicas.renew(id, LONG).await.unwrap(), "it was given up, and stays so");
    assert!(!stores.replicas.renew(Uuid::now_v7(), LONG).await.unwrap());
}

async fn only_those_whose_time_is_over_are_buried(stores: Stores) {
    let id = join(&stores, LONG).await;
    assert_eq!(stores.replicas.bury().await.unwrap(), 0);
    stores.replicas.renew(id, SHORT).await.unwrap();
    tokio::time::sleep(LONGER_THAN_SHORT).await;
    assert_eq!(stores.replicas.bury().await.unwrap(), 1);
    assert_eq!(stores.replicas.bury().await.unwrap(), 0);
    assert!(!stores.replicas.alive().await.unwrap().contains(&id));
}

async fn the_holder_of_a_lease_keeps_its_epoch_and_the_next_one_gets_a_greater_one(stores: Stores) {
    let first = join(&stores, LONG).await;
    let epoch = hold(&stores, first).await.unwrap();
    assert_eq!(hold(&stores, first).await, Some(epoch));
    stores.replicas.release("lease", first).await.unwrap();
    let next = join(&stores, LONG).await;
    let later = hold(&stores, next).await.unwrap();
    assert!(later > epoch);
    stores.replicas.release("lease", first).await.unwrap();
    assert_eq!(hold(&stores, next).await, Some(later), "it is not the first one's to give up");
    assert_eq!(stores.replicas.hold("another lease", next).await.unwrap(), Some(1));
}

async fn a_holder_that_was_away_does_not_get_its_old_epoch_again(stores: Stores) {
    let id = join(&stores, LONG).await;
    let epoch = hold(&stores, id).await.unwrap();
    stores.replicas.release("lease", id).await.unwrap();
    assert!(hold(&stores, id).await.unwrap() > epoch);
}

async fn whoever_is_not_alive_cannot_hold_anything(stores: Stores) {
    assert_eq!(hold(&stores, Uuid::now_v7()).await, None);
    let id = join(&stores, LONG).await;
    hold(&stores, id).await.unwrap();
    stores.replicas.leave(id).await.unwrap();
    assert_eq!(hold(&stores, id).await, None, "it left");
    let id = join(&stores, LONG).await;
    let epoch = hold(&stores, id).await.unwrap();
    stores.replicas.renew(id, SHORT).await.unwrap();
    tokio::time::sleep(LONGER_THAN_SHORT).await;
    let next = join(&stores, LONG).await;
    assert!(hold(&stores, next).await.unwrap() > epoch, "its time is over");
    assert_eq!(hold(&stores, id).await, None);
}

async fn of_many_that_want_a_lease_at_once_exactly_one_gets_it(stores: Stores) {
    let beside = stores.beside().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(join(&stores, LONG).await);
    }
    let holds = ids.iter().enumerate().map(|(n, id)| hold(if n % 2 == 0 { &stores } else { &beside }, *id));
    let held: Vec<_> = join_all(holds).await.into_iter().flatten().collect();
    assert_eq!(held, [1]);
}

async fn whoever_joins_is_the_only_one(stores: Stores) {
    hold(&stores, stores.replica).await.unwrap();
    let next = join(&stores, LONG).await;
    assert_eq!(stores.replicas.alive().await.unwrap(), [next]);
    assert!(!stores.replicas.renew(stores.replica, LONG).await.unwrap());
    assert_eq!(hold(&stores, next).await, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_whoever_joins_is_the_only_one() {
    whoever_joins_is_the_only_one(Stores::on_sqlite().await).await;
}

async fn replicas_live_beside_each_other_and_only_one_of_them_holds_a_lease(stores: Stores) {
    let other = join(&stores, LONG).await;
    let alive: HashSet<Uuid> = stores.replicas.alive().await.unwrap().into_iter().collect();
    assert_eq!(alive, HashSet::from([stores.replica, other]));
    assert_eq!((hold(&stores, stores.replica).await, hold(&stores, other).await), (Some(1), None));
    stores.replicas.leave(stores.replica).await.unwrap();
    assert_eq!((hold(&stores, stores.replica).await, hold(&stores, other).await), (None, Some(2)));
}

async fn of_many_that_succeed_a_holder_at_once_exactly_one_does_and_again_and_again(stores: Stores) {
    let beside = stores.beside().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(join(&stores, LONG).await);
    }
    for epoch in 1..=10 {
        let holds = ids.iter().enumerate().map(|(n, id)| hold(if n % 2 == 0 { &stores } else { &beside }, *id));
        let held: Vec<_> = join_all(holds).await;
        let holder = held.iter().position(Option::is_some).unwrap();
        assert_eq!(held.into_iter().flatten().collect::<Vec<_>>(), [epoch]);
        stores.replicas.leave(ids.remove(holder)).await.unwrap();
    }
}

on_both_engines! {
    a_replica_is_alive_until_its_time_is_over_unless_it_renews_it,
    only_those_whose_time_is_over_are_buried,
    the_holder_of_a_lease_keeps_its_epoch_and_the_next_one_gets_a_greater_one,
    a_holder_that_was_away_does_not_get_its_old_epoch_again,
    whoever_is_not_alive_cannot_hold_anything,
    of_many_that_want_a_lease_at_once_exactly_one_gets_it,
}

only_on_postgres! {
    replicas_live_beside_each_other_and_only_one_of_them_holds_a_lease,
    of_many_that_succeed_a_holder_at_once_exactly_one_does_and_again_and_again,
}
