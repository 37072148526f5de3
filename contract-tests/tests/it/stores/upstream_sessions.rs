//! Sessions that all replicas share: one login at a time, the newest session for everybody, nothing in the clear.

use std::sync::Arc;
use std::time::Duration;

use lienthong::replicas::Member;
use lienthong::storage::Database;
use lienthong::upstream_sessions::{UpstreamSessions, store};
use lienthong_adapter_kit::Secret;
use lienthong_adapter_kit::shared_session::SharedSessions;

use super::{Stores, on_both_engines};

const NAME: &str = "portal/account";

async fn sessions(stores: &Stores) -> UpstreamSessions {
    UpstreamSessions {
        store: store::open(&stores.database),
        replicas: Arc::clone(&stores.replicas),
        member: Member::join(Arc::clone(&stores.replicas), Duration::from_secs(600)).await.unwrap(),
        bodies: Arc::clone(&stores.bodies),
    }
}

async fn whoever_has_the_turn_keeps_a_session_and_everybody_finds_it(stores: Stores) {
    let sessions = sessions(&stores).await;
    assert!(sessions.newest(NAME).await.unwrap().is_none());
    let turn = sessions.begin(NAME).await.unwrap().unwrap();
    let first = sessions.keep(&turn, &Secret::new("token-1"), 5000).await.unwrap();
    let second = sessions.keep(&turn, &Secret::new("token-2"), 0).await.unwrap();
    sessions.end(turn).await.unwrap();
    assert!(second > first);
    let found = sessions.newest(NAME).await.unwrap().unwrap();
    assert_eq!((found.number, found.token.expose()), (second, "token-2"));
    assert!((0..5000).contains(&found.age_ms), "{}", found.age_ms);
    assert!(sessions.newest("portal/other").await.unwrap().is_none());
}

async fn a_turn_that_is_over_keeps_nothing(stores: Stores) {
    let sessions = sessions(&stores).await;
    let stale = sessions.begin(NAME).await.unwrap().unwrap();
    let same = sessions.begin(NAME).await.unwrap().unwrap();
    assert_eq!(stale.epoch, same.epoch, "whoever has the turn is given it again");
    sessions.end(same).await.unwrap();
    assert!(sessions.keep(&stale, &Secret::new("late"), 0).await.is_err());
    let next = sessions.begin(NAME).await.unwrap().unwrap();
    assert!(next.epoch > stale.epoch);
    assert!(sessions.keep(&stale, &Secret::new("late"), 0).await.is_err());
    assert!(sessions.newest(NAME).await.unwrap().is_none());
}

async fn a_token_is_not_stored_in_the_clear_and_opens_only_under_its_own_name(stores: Stores) {
    let sessions = sessions(&stores).await;
    let turn = sessions.begin(NAME).await.unwrap().unwrap();
    sessions.keep(&turn, &Secret::new("a-token-to-search-for"), 0).await.unwrap();
    let kept = sessions.store.newest(NAME).await.unwrap().unwrap();
    assert!(!kept.sealed.windows(21).any(|window| window == b"a-token-to-search-for"));
    assert!(stores.bodies.unwrap(b"portal/other", &kept.sealed).is_none());
}

/// Only where several replicas can share a store.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_one_has_the_turn_until_it_ends_it_or_is_gone() {
    let stores = Stores::on_postgres().await;
    assert!(matches!(stores.database, Database::Postgres(_)));
    let (one, other) = (sessions(&stores).await, sessions(&stores).await);
    let turn = one.begin(NAME).await.unwrap().unwrap();
    assert!(other.begin(NAME).await.unwrap().is_none());
    one.end(turn).await.unwrap();
    let turn = other.begin(NAME).await.unwrap().unwrap();
    let number = other.keep(&turn, &Secret::new("token"), 0).await.unwrap();
    assert_eq!(one.newest(NAME).await.unwrap().unwrap().number, number);
    other.member.leave().await;
    assert!(one.begin(NAME).await.unwrap().is_some(), "its turn ends with the replica");
    assert!(other.keep(&turn, &Secret::new("late"), 0).await.is_err());
}

on_both_engines! {
    whoever_has_the_turn_keeps_a_session_and_everybody_finds_it,
    a_turn_that_is_over_keeps_nothing,
    a_token_is_not_stored_in_the_clear_and_opens_only_under_its_own_name,
}
