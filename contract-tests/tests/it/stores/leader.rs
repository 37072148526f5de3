//! The leader: performs its duties until the stop, and does not go on without one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lienthong::replicas::{Duty, Leader, Member};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Stores, eventually, on_both_engines};

const SOON: Duration = Duration::from_secs(10);

/// A leader with one duty that counts its turns, and panics at the `last`.
async fn leader(stores: &Stores, last: usize) -> (Leader, Arc<AtomicUsize>) {
    let member = Member::alone(Arc::clone(&stores.replicas)).await.unwrap();
    let turns = Arc::new(AtomicUsize::new(0));
    let turn = {
        let turns = Arc::clone(&turns);
        move || {
            assert!(turns.fetch_add(1, Ordering::Relaxed) + 1 < last, "as the test wants it");
            Ok(false)
        }
    };
    let turn = Box::new(move |_| {
        let result = turn();
        Box::pin(async move { result }) as _
    });
    let duty = Duty { name: "counting", every: Duration::from_millis(5), turn };
    let every = Duration::from_millis(20);
    (Leader { store: Arc::clone(&stores.replicas), member, every, duties: vec![duty] }, turns)
}

async fn a_leader_performs_its_duties_until_the_stop(stores: Stores) {
    let (leader, turns) = leader(&stores, usize::MAX).await;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(leader.run(stopped));
    eventually("four turns", async || turns.load(Ordering::Relaxed) > 3).await;
    assert!(!running.is_finished());
    stop.send(true).unwrap();
    timeout(SOON, running).await.unwrap().unwrap();
}

async fn a_leader_whose_duty_panics_ends_so_that_the_process_can_begin_anew(stores: Stores) {
    let (leader, turns) = leader(&stores, 3).await;
    let (_stop, stopped) = watch::channel(false);
    timeout(SOON, leader.run(stopped)).await.unwrap();
    assert_eq!(turns.load(Ordering::Relaxed), 3);
}

on_both_engines! {
    a_leader_performs_its_duties_until_the_stop,
    a_leader_whose_duty_panics_ends_so_that_the_process_can_begin_anew,
}
