//! Lanes under concurrency: whatever many workers, senders and an operator do at once, on two replicas, each item is
//! delivered once, in its lane's order, and no lane stands still.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures::future::join_all;
use lienthong::outbox::store::Decision;
use lienthong::outbox::{Claimed, NewItem, Status};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::writes::{LEASE, at, new_item, settlement};
use super::{Stores, on_both_engines};

/// Counts what may never be, at no time: an open item that is the first of its lane and not its head, or its head and not
/// the first; two items of a lane that are being sent.
pub(crate) const BROKEN_LANES: &str = "\
    SELECT (SELECT count(*) FROM outbox AS item WHERE is_open AND is_head <> NOT EXISTS \
    (SELECT 1 FROM outbox AS before WHERE before.route = item.route AND before.lane = item.lane AND before.is_open \
    AND before.position < item.position)) + (SELECT count(*) FROM outbox WHERE is_head AND NOT is_open) + \
    (SELECT count(*) FROM (SELECT 1 FROM outbox WHERE status = 'sending' GROUP BY route, lane HAVING count(*) > 1) AS twice)";

const LANES: &[&str] = &["a", "b", "c", "d", "e"];
const SENDERS: usize = 4;
const ITEMS_EACH: usize = 40;
const WORKERS: usize = 4;
/// Nothing loses its lease by time here.
const LONG: i64 = 1_000_000;

/// What the other side saw, and what is under way.
#[derive(Default)]
struct World {
    operation: Uuid,
    held: Mutex<HashMap<String, Uuid>>,
    delivered: Mutex<Vec<Uuid>>,
    skipped: Mutex<HashSet<Uuid>>,
}

async fn every_item_is_delivered_once_and_in_order_whatever_happens_at_the_same_time(stores: Stores) {
    let seed = fastrand::u64(..);
    let run = tokio::spawn(everything_at_once(stores, Rng::with_seed(seed)));
    let ended = tokio::time::timeout(Duration::from_secs(90), run).await;
    ended
        .unwrap_or_else(|_| panic!("seed {seed}: a lane stands still"))
        .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
}

async fn everything_at_once(stores: Stores, mut random: Rng) {
    let world = Arc::new(World { operation: Uuid::now_v7(), ..World::default() });
    let replicas = [stores.clone(), stores.beside().await];
    let mut tasks = JoinSet::new();
    for n in 0..SENDERS {
        tasks.spawn(send(replicas[n % 2].clone(), Arc::clone(&world), random.fork()));
    }
    for n in 0..WORKERS {
        tasks.spawn(work(replicas[n % 2].clone(), Arc::clone(&world), random.fork()));
    }
    tasks.spawn(decide(stores.clone(), Arc::clone(&world), random.fork()));
    while !is_done(&world) {
        assert_eq!(stores.count(BROKEN_LANES).await, 0);
        while let Some(ended) = tasks.try_join_next() {
            ended.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tasks.join_all().await;
    check_what_came_of_it(&stores, &world).await;
}

fn is_done(world: &World) -> bool {
    world.delivered.lock().unwrap().len() + world.skipped.lock().unwrap().len() >= SENDERS * ITEMS_EACH
}

async fn send(stores: Stores, world: Arc<World>, mut random: Rng) {
    let mut left = ITEMS_EACH;
    while left > 0 {
        let count = random.usize(1..=left.min(3));
        let item = |n: usize, random: &mut Rng| NewItem {
            operation_id: world.operation,
            ..new_item(random.choice(LANES).unwrap(), i64::try_from(n).unwrap())
        };
        let items: Vec<NewItem> = (0..count).map(|n| item(n, &mut random)).collect();
        stores.enqueue(&items).await;
        left -= count;
        tokio::time::sleep(Duration::from_millis(random.u64(0..4))).await;
    }
}

async fn work(stores: Stores, world: Arc<World>, mut random: Rng) {
    while !is_done(&world) {
        let claimed = stores.outbox.claim(stores.replica, at(1), LONG, random.usize(1..=4)).await.unwrap();
        if claimed.is_empty() {
            tokio::time::sleep(Duration::from_millis(random.u64(0..4))).await;
        }
        for claimed in &claimed {
            let other = world.held.lock().unwrap().insert(claimed.item.lane.clone(), claimed.item.id);
            assert_eq!(other, None, "two items of one lane are under way");
        }
        for claimed in &claimed {
            attempt(&stores, &world, claimed, &mut random).await;
        }
    }
}

async fn attempt(stores: &Stores, world: &World, claimed: &Claimed, random: &mut Rng) {
    let (to, due) = match random.u8(0..20) {
        0..12 => (Status::Delivered, None),
        12..15 => (Status::Retry, Some(0)),
        15..17 => (Status::Unknown, Some(0)),
        17..19 => (Status::Unknown, None),
        _ => (Status::Dead, None),
    };
    if to == Status::Delivered {
        world.delivered.lock().unwrap().push(claimed.item.id);
    }
    // Before the store hears of it: from then on others may have the lane.
    assert_eq!(world.held.lock().unwrap().remove(&claimed.item.lane), Some(claimed.item.id));
    assert!(stores.outbox.settle(settlement(claimed, to, due)).await.unwrap(), "{to} {:?}", claimed.item);
}

/// The one operator, who mostly has things sent again.
async fn decide(stores: Stores, world: Arc<World>, mut random: Rng) {
    while !is_done(&world) {
        for item in stores.outbox.waiting(10).await.unwrap() {
            let to = if random.u8(0..4) == 0 { Status::Skipped } else { Status::Retry };
            stores.outbox.decide(Decision { id: item.id, to, words: None, now: at(0) }).await.unwrap();
            if to == Status::Skipped {
                world.skipped.lock().unwrap().insert(item.id);
            }
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..6))).await;
    }
}

async fn check_what_came_of_it(stores: &Stores, world: &World) {
    let items = stores.outbox.operation(world.operation).await.unwrap().unwrap().items;
    assert_eq!(items.len(), SENDERS * ITEMS_EACH);
    assert_eq!(stores.outbox.counts().await.unwrap().by_status, []);
    let (delivered, skipped) = (world.delivered.lock().unwrap(), world.skipped.lock().unwrap());
    for lane in LANES {
        let of_lane = || items.iter().filter(|item| item.lane == *lane);
        let places: HashSet<i64> = of_lane().map(|item| item.position).collect();
        assert_eq!(places.len(), of_lane().count(), "no place was given twice");
        let expected: Vec<Uuid> = of_lane().map(|item| item.id).filter(|id| !skipped.contains(id)).collect();
        let ids: HashSet<&Uuid> = expected.iter().collect();
        let effects: Vec<Uuid> = delivered.iter().filter(|id| ids.contains(id)).copied().collect();
        assert_eq!(effects, expected, "lane {lane}: each once, in its order");
    }
    for item in &items {
        let status = if skipped.contains(&item.id) { Status::Skipped } else { Status::Delivered };
        assert_eq!(item.status, status);
    }
}

async fn an_item_that_arrives_while_the_last_one_of_its_lane_is_being_delivered_is_not_left_standing(stores: Stores) {
    let beside = stores.beside().await;
    stores.enqueue(&[new_item("a", 0)]).await;
    for ordinal in 1..150 {
        let claimed = beside.outbox.claim(beside.replica, at(1), LEASE, 1).await.unwrap();
        assert_eq!(claimed.len(), 1, "item {} is not due", ordinal - 1);
        assert_eq!(claimed[0].item.ordinal, ordinal - 1);
        let delivered = settlement(&claimed[0], Status::Delivered, None);
        let next = [new_item("a", ordinal)];
        let (is_settled, ()) = tokio::join!(beside.outbox.settle(delivered), stores.enqueue(&next));
        assert!(is_settled.unwrap());
    }
    assert_eq!(stores.count(BROKEN_LANES).await, 0);
}

async fn two_replicas_that_claim_at_the_same_time_never_get_the_same_item(stores: Stores) {
    const ITEMS: usize = 300;
    let beside = stores.beside().await;
    let items: Vec<NewItem> = (0..ITEMS).map(|n| new_item(&format!("lane {n}"), 1)).collect();
    stores.enqueue(&items).await;
    let left = Mutex::new(items.iter().map(|item| item.id).collect::<HashSet<Uuid>>());
    let deadline = Instant::now() + Duration::from_secs(30);
    let workers = (0..8).map(|n| {
        let (stores, left) = (if n % 2 == 0 { &stores } else { &beside }, &left);
        async move {
            while !left.lock().unwrap().is_empty() {
                assert!(Instant::now() < deadline, "items are left that nobody gets");
                for claimed in stores.outbox.claim(stores.replica, at(1), LEASE, 7).await.unwrap() {
                    assert!(left.lock().unwrap().remove(&claimed.item.id), "claimed twice");
                }
            }
        }
    });
    join_all(workers).await;
    assert_eq!(stores.count("SELECT count(*) FROM outbox WHERE status = 'sending' AND fence = 1").await, 300);
    let log = stores.log().await;
    assert_eq!(log.iter().filter(|record| record["outcome"]["decision"] == "sending").count(), ITEMS);
}

on_both_engines! {
    every_item_is_delivered_once_and_in_order_whatever_happens_at_the_same_time,
    an_item_that_arrives_while_the_last_one_of_its_lane_is_being_delivered_is_not_left_standing,
    two_replicas_that_claim_at_the_same_time_never_get_the_same_item,
}
