//! Replicas take turns at logging in, and what one keeps all see; told by the store's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lienthong_adapter_kit::Secret;
use lienthong_adapter_kit::shared_session::{InMemory, LoginTurn, SharedSessions};
use lienthong_domain::time::{Clock, Timestamp};

#[derive(Default)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000 + self.0.load(Ordering::SeqCst) * 1000)
    }
}

fn replicas() -> (InMemory, InMemory, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    let one = InMemory::new(clock.clone());
    let other = one.other_replica();
    (one, other, clock)
}

async fn turn(replica: &InMemory) -> Option<LoginTurn> {
    replica.begin("a").await.unwrap()
}

#[tokio::test]
async fn one_replica_has_the_turn_until_it_ends_it() {
    let (one, other, _) = replicas();
    let first = turn(&one).await.unwrap();
    assert!(turn(&other).await.is_none());
    assert!(other.begin("b").await.unwrap().is_some(), "names are strangers");
    let again = turn(&one).await.unwrap();
    assert_eq!(again.epoch, first.epoch, "the replica that has the turn is given it again");
    one.end(first).await.unwrap();
    let second = turn(&other).await.unwrap();
    one.end(again).await.unwrap();
    assert!(turn(&one).await.is_none(), "a turn that is over ends no other");
    assert!(one.keep(&LoginTurn { name: "a".to_owned(), epoch: second.epoch }, &Secret::new("x"), 0).await.is_err());
}

#[tokio::test]
async fn what_one_keeps_all_see_with_its_age_and_a_greater_number() {
    let (one, other, clock) = replicas();
    assert!(other.newest("a").await.unwrap().is_none());
    for (number, token) in [(1, "s-1"), (2, "s-2")] {
        let held = turn(&one).await.unwrap();
        assert_eq!(one.keep(&held, &Secret::new(token), 40).await.unwrap(), number);
        one.end(held).await.unwrap();
        clock.0.fetch_add(2, Ordering::SeqCst);
        let seen = other.newest("a").await.unwrap().unwrap();
        assert_eq!((seen.number, seen.token.expose(), seen.age_ms), (number, token, 42));
        assert!(!format!("{seen:?}").contains(token), "{seen:?}");
    }
}

#[tokio::test]
async fn a_replica_whose_turn_is_over_keeps_nothing() {
    let (one, other, _) = replicas();
    let late = turn(&one).await.unwrap();
    let copy = LoginTurn { name: late.name.clone(), epoch: late.epoch };
    one.end(copy).await.unwrap();
    let held = turn(&other).await.unwrap();
    other.keep(&held, &Secret::new("live"), 0).await.unwrap();
    assert!(one.keep(&late, &Secret::new("dead"), 0).await.is_err());
    assert_eq!(one.newest("a").await.unwrap().unwrap().token.expose(), "live");
}
