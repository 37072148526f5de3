//! This process among the replicas: an id that is good for a while, and a new one whenever it was given up. It knows by
//! its own clocks when it may no longer act, without asking anyone: after a pause it must not even finish a call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use lienthong_adapter_kit::standing::Standing;
use tokio::sync::watch;
use uuid::Uuid;

use super::store::ReplicaStore;
use crate::storage::StoreError;

/// This process's membership.
pub struct Member {
    store: Arc<dyn ReplicaStore>,
    lease: Duration,
    state: Mutex<State>,
    id: watch::Sender<Uuid>,
}

struct State {
    id: Uuid,
    /// Grows with each new id.
    epoch: u64,
    good_until: Option<GoodUntil>,
}

/// Both clocks must agree: one stands still while the machine is suspended, the other may be set back.
struct GoodUntil {
    monotonic: Instant,
    wall: SystemTime,
}

impl GoodUntil {
    /// Counted from before the store was asked, so that this ends no later than the store's own count.
    fn from(asked: (Instant, SystemTime), lease: Duration) -> Self {
        Self { monotonic: asked.0 + lease, wall: asked.1 + lease }
    }

    fn holds(&self) -> bool {
        let (monotonic, wall) = clocks();
        monotonic < self.monotonic && wall < self.wall
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lease ends by the machine's clocks, whatever clock the topics are given"
)]
fn clocks() -> (Instant, SystemTime) {
    (Instant::now(), SystemTime::now())
}

impl Member {
    /// Joins the replicas that share the store; the membership must be renewed by [`Member::run`].
    pub async fn join(store: Arc<dyn ReplicaStore>, lease: Duration) -> Result<Arc<Self>, StoreError> {
        let (id, asked) = (Uuid::now_v7(), clocks());
        store.join(id, lease).await?;
        Ok(Arc::new(Self::of(store, lease, id, Some(GoodUntil::from(asked, lease)))))
    }

    /// Joins a store that nobody else can serve: its lock, not a lease, keeps others out.
    pub async fn alone(store: Arc<dyn ReplicaStore>) -> Result<Arc<Self>, StoreError> {
        let (id, lease) = (Uuid::now_v7(), Duration::from_secs(100 * 365 * 86_400));
        store.join(id, lease).await?;
        Ok(Arc::new(Self::of(store, lease, id, None)))
    }

    fn of(store: Arc<dyn ReplicaStore>, lease: Duration, id: Uuid, good_until: Option<GoodUntil>) -> Self {
        Self { store, lease, state: Mutex::new(State { id, epoch: 0, good_until }), id: watch::Sender::new(id) }
    }

    pub fn id(&self) -> Uuid {
        self.state().id
    }

    /// The id, and the number under which it may act; `None` while it may not.
    pub fn acting(&self) -> Option<(Uuid, u64)> {
        let state = self.state();
        state.good_until.as_ref().is_none_or(GoodUntil::holds).then_some((state.id, state.epoch))
    }

    /// The id, and each new one.
    pub fn ids(&self) -> watch::Receiver<Uuid> {
        self.id.subscribe()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the membership three times in its time; joins anew when it was given up. Ends with `stop`.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        if self.state().good_until.is_none() {
            let _ = stop.wait_for(|stop| *stop).await;
            return;
        }
        let every = self.lease / 3;
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = stop.changed() => break,
            }
            match tokio::time::timeout(every, self.renew()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "this replica's lease could not be renewed"),
                Err(_) => tracing::warn!("this replica's lease could not be renewed in time"),
            }
        }
    }

    async fn renew(&self) -> Result<(), StoreError> {
        let (id, asked) = (self.id(), clocks());
        if self.store.renew(id, self.lease).await? {
            self.state().good_until = Some(GoodUntil::from(asked, self.lease));
            return Ok(());
        }
        let (next, asked) = (Uuid::now_v7(), clocks());
        self.store.join(next, self.lease).await?;
        tracing::warn!(%id, %next, "this replica was given up: what it had under way is lost to it, it joins anew");
        {
            let mut state = self.state();
            let epoch = state.epoch + 1;
            *state = State { id: next, epoch, good_until: Some(GoodUntil::from(asked, self.lease)) };
        }
        self.id.send_replace(next);
        Ok(())
    }

    /// Leaves the others at a stop, so that they need not wait for the lease to end.
    pub async fn leave(&self) {
        if let Err(error) = self.store.leave(self.id()).await {
            tracing::warn!(%error, "this replica could not take leave; its lease ends by itself");
        }
    }
}

impl Standing for Member {
    fn epoch(&self) -> Option<u64> {
        self.acting().map(|(_, epoch)| epoch)
    }
}
