//! What only one replica at a time does. The leader's lease lasts as long as its membership; each duty is told the epoch
//! of the leadership, by which the store refuses a leader that was replaced.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Member;
use super::store::ReplicaStore;
use crate::storage::StoreError;

/// Name of the leader's lease.
const LEADER: &str = "leader";

/// Under which leadership something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    pub holder: Uuid,
    pub epoch: i64,
}

/// A turn that is under way when the replica stops has so long to end.
const LAST_TURN: Duration = Duration::from_secs(1);

/// Something that only the leader does.
pub struct Duty {
    pub name: &'static str,
    /// How long after the end of one turn the next begins, unless there is more to do.
    pub every: Duration,
    /// One turn; returns whether there is more to do at once.
    pub turn: Box<dyn Fn(Leadership) -> BoxFuture<'static, Result<bool, StoreError>> + Send + Sync>,
}

/// Stands for election, and performs its duties while it leads.
pub struct Leader {
    pub store: Arc<dyn ReplicaStore>,
    pub member: Arc<Member>,
    /// How often the lease is asked for.
    pub every: Duration,
    pub duties: Vec<Duty>,
}

impl Leader {
    /// Ends with `stop`, or with a duty that panicked: it must not go undone without anybody's noticing.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let leadership = watch::Sender::new(None);
        let mut tasks = JoinSet::new();
        for duty in self.duties {
            tasks.spawn(perform(duty, leadership.subscribe(), stop.clone()));
        }
        while !*stop.borrow() {
            let holder = self.member.id();
            let held = match tokio::time::timeout(self.every * 5, self.store.hold(LEADER, holder)).await {
                Ok(Ok(epoch)) => epoch.map(|epoch| Leadership { holder, epoch }),
                // Whoever cannot reach the store cannot lead.
                Ok(Err(_)) | Err(_) => None,
            };
            leadership.send_if_modified(|known| {
                let is_new = *known != held;
                if is_new {
                    tracing::info!(leads = held.is_some(), epoch = held.map(|held| held.epoch), "leadership");
                }
                *known = held;
                is_new
            });
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                _ = stop.changed() => {}
                Some(_) = tasks.join_next(), if !*stop.borrow() => break,
            }
        }
        if !*stop.borrow() {
            tracing::error!("a duty of the leader ended by itself");
            return;
        }
        while tasks.join_next().await.is_some() {}
    }
}

async fn perform(duty: Duty, mut leadership: watch::Receiver<Option<Leadership>>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let held = *leadership.borrow_and_update();
        let has_more = match held {
            None => false,
            Some(held) => {
                let turn = tokio::select! {
                    turn = (duty.turn)(held) => turn,
                    () = is_over(stop.clone()) => return,
                };
                turn.unwrap_or_else(|error| {
                    tracing::warn!(%error, duty = duty.name, "a duty of the leader could not be performed");
                    false
                })
            }
        };
        if has_more {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(duty.every) => {}
            _ = leadership.changed() => {}
            _ = stop.changed() => {}
        }
    }
}

/// A while after the stop: whoever waits for somebody else then, waits no longer.
async fn is_over(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(LAST_TURN).await;
}
