//! A member of the replicas: knows by itself when it may no longer act, and is somebody new after it was given up.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lienthong::replicas::Member;
use lienthong::replicas::store::ReplicaStore;
use lienthong::storage::StoreError;
use lienthong_adapter_kit::standing::Standing;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Stores, eventually, on_both_engines};

const LEASE: Duration = Duration::from_millis(300);

const RENEWS: u8 = 0;
const NEVER_ANSWERS: u8 = 1;
const CANNOT_BE_REACHED: u8 = 2;
const GAVE_IT_UP: u8 = 3;

/// A store that answers as it is told to.
#[derive(Default)]
struct Fake {
    answer: AtomicU8,
    joined: Mutex<Vec<Uuid>>,
}

impl Fake {
    fn answers(&self, answer: u8) {
        self.answer.store(answer, Ordering::Relaxed);
    }
}

#[async_trait]
impl ReplicaStore for Fake {
    async fn join(&self, id: Uuid, _: Duration) -> Result<(), StoreError> {
        self.joined.lock().unwrap().push(id);
        self.answers(RENEWS);
        Ok(())
    }

    async fn renew(&self, _: Uuid, _: Duration) -> Result<bool, StoreError> {
        match self.answer.load(Ordering::Relaxed) {
            RENEWS => Ok(true),
            NEVER_ANSWERS => std::future::pending().await,
            CANNOT_BE_REACHED => Err(StoreError::Unavailable("test".into())),
            _ => Ok(false),
        }
    }

    async fn leave(&self, _: Uuid) -> Result<(), StoreError> {
        Ok(())
    }

    async fn bury(&self) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn alive(&self) -> Result<Vec<Uuid>, StoreError> {
        Ok(self.joined.lock().unwrap().clone())
    }

    async fn hold(&self, _: &str, _: Uuid) -> Result<Option<i64>, StoreError> {
        Ok(None)
    }

    async fn release(&self, _: &str, _: Uuid) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A member that is renewed until the value goes.
async fn running(store: Arc<dyn ReplicaStore>) -> (Arc<Member>, watch::Sender<bool>) {
    let member = Member::join(store, LEASE).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(Arc::clone(&member).run(stopped));
    (member, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_may_act_as_long_as_it_is_renewed() {
    let fake = Arc::new(Fake::default());
    let (member, _stop) = running(Arc::clone(&fake) as Arc<dyn ReplicaStore>).await;
    let id = member.id();
    tokio::time::sleep(LEASE * 3).await;
    eventually("it may act", async || member.may_act()).await;
    assert_eq!((member.id(), fake.joined.lock().unwrap().as_slice()), (id, [id].as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_store_does_not_answer_in_time_stops_acting_by_itself_and_goes_on_when_it_answers() {
    for silence in [NEVER_ANSWERS, CANNOT_BE_REACHED] {
        let fake = Arc::new(Fake::default());
        let (member, _stop) = running(Arc::clone(&fake) as Arc<dyn ReplicaStore>).await;
        let id = member.id();
        fake.answers(silence);
        tokio::time::sleep(LEASE).await;
        assert!(!member.may_act());
        tokio::time::sleep(LEASE).await;
        assert!(!member.may_act(), "and it stays so");
        fake.answers(RENEWS);
        eventually("it may act again", async || member.may_act()).await;
        assert_eq!(member.id(), id, "the store had not given it up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_nobody_renews_may_not_act_after_its_time() {
    let member = Member::join(Arc::new(Fake::default()), LEASE).await.unwrap();
    assert!(member.may_act());
    tokio::time::sleep(LEASE).await;
    assert!(!member.may_act());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_given_up_joins_anew_under_another_id() {
    let fake = Arc::new(Fake::default());
    let (member, _stop) = running(Arc::clone(&fake) as Arc<dyn ReplicaStore>).await;
    let (old, mut ids) = (member.id(), member.ids());
    fake.answers(GAVE_IT_UP);
    ids.changed().await.unwrap();
    let new = *ids.borrow();
    assert_ne!(new, old);
    assert_eq!((member.id(), member.may_act()), (new, true));
    assert_eq!(*fake.joined.lock().unwrap(), [old, new]);
}

async fn a_member_that_the_store_forgot_is_somebody_new_to_it(stores: Stores) {
    let (member, stop) = running(Arc::clone(&stores.replicas)).await;
    let (old, mut ids) = (member.id(), member.ids());
    stores.replicas.leave(old).await.unwrap();
    ids.changed().await.unwrap();
    let alive = stores.replicas.alive().await.unwrap();
    assert!(alive.contains(&member.id()) && !alive.contains(&old));
    assert!(member.may_act());
    stop.send(true).unwrap();
    member.leave().await;
    assert!(!stores.replicas.alive().await.unwrap().contains(&member.id()));
}

async fn a_member_that_is_alone_may_always_act_and_needs_no_renewal(stores: Stores) {
    let member = Member::alone(Arc::clone(&stores.replicas)).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(Arc::clone(&member).run(stopped));
    stores.replicas.leave(member.id()).await.unwrap();
    assert!(member.may_act());
    stop.send(true).unwrap();
    running.await.unwrap();
}

on_both_engines! {
    a_member_that_the_store_forgot_is_somebody_new_to_it,
    a_member_that_is_alone_may_always_act_and_needs_no_renewal,
}
