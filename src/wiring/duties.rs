//! What goes on beside requests and deliveries: the leader's duties, and every replica's own.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use lienthong_domain::time::Clock;
use metrics::gauge;
use tokio::sync::watch;

use super::Stores;
use super::parts::Lasting;
use crate::access::tokens::keys::Rotation;
use crate::access::tokens::rotate::Rotate;
use crate::audit::anchors::agency::AgencySignature;
use crate::audit::anchors::timestamps::Timestamps;
use crate::audit::anchors::witnesses::Witness;
use crate::audit::retention::Retention;
use crate::audit::thin::Thinner;
use crate::config::{LONGEST_TOKEN_S, MOST_CLOCK_SKEW_S, Settings};
use crate::inbox;
use crate::replicas::{Duty, Member};
use crate::storage::{Database, StoreError};
use crate::telemetry::metrics::{CATALOGUE_AGE, CATALOGUE_FAILURES, DISK_LOW};

/// What the leader does: gives up replicas that are gone and what they had under way, gives audit records their places
/// and signs the log, forgets old answers and contents.
pub(super) fn duties(
    lasting: &Arc<Lasting>,
    member: &Arc<Member>,
    rotate: Rotate,
    in_force: &watch::Receiver<Arc<Settings>>,
) -> Vec<Duty> {
    let Lasting { stores, replies, clock, publisher, .. } = &**lasting;
    let settings = Arc::clone(&in_force.borrow());
    let look_up_delay_ms = settings.outbox.look_up_delay_ms;
    let orphans = {
        let (stores, clock) = (Arc::clone(stores), Arc::clone(clock));
        move || {
            let (stores, clock) = (Arc::clone(&stores), Arc::clone(&clock));
            async move {
                stores.replicas.bury().await?;
                take_back_orphans(&stores, &clock, look_up_delay_ms).await.map(|taken_back| taken_back > 0)
            }
        }
    };
    let places = {
        let audit = Arc::clone(&stores.audit);
        move |leadership| {
            let audit = Arc::clone(&audit);
            async move { audit.place(leadership, PLACES_AT_A_TIME).await.map(|placed| placed == PLACES_AT_A_TIME) }
        }
    };
    let sign = {
        let publisher = Arc::clone(publisher);
        move |leadership| {
            let publisher = Arc::clone(&publisher);
            async move { publisher.turn(leadership).await.map(|()| false) }
        }
    };
    let forget = {
        let (replies, clock, in_force) = (Arc::clone(replies), Arc::clone(clock), in_force.clone());
        move || {
            let keep_ms = i64::from(in_force.borrow().idempotency.keep_hours) * 3_600_000;
            let (replies, before) = (Arc::clone(&replies), clock.now().plus_millis(-keep_ms));
            async move { replies.forget(before).await.map(|forgotten| forgotten > 0) }
        }
    };
    let thin = {
        let thinner = Arc::new(Thinner::new(Arc::clone(&stores.audit), Arc::clone(clock)));
        move || {
            let thinner = Arc::clone(&thinner);
            async move { thinner.turn().await }
        }
    };
    let retain = {
        let (eraser, clock, in_force) = (stores.eraser(), Arc::clone(clock), in_force.clone());
        move || {
            let days = i64::from(in_force.borrow().retention.dossier_contents_days);
            let (eraser, before) = (eraser.clone(), clock.now().plus_millis(-days * 86_400_000));
            async move { if days == 0 { Ok(false) } else { eraser.keep_no_longer(before).await } }
        }
    };
    let drop = {
        let retention = Arc::new(Retention {
            store: Arc::clone(&stores.audit),
            recorder: Arc::clone(&stores.recorder),
            signer: Arc::new(stores.signer()),
            clock: Arc::clone(clock),
        });
        let in_force = in_force.clone();
        move || {
            let (retention, months) = (Arc::clone(&retention), in_force.borrow().retention.audit_months);
            async move { retention.turn(months).await }
        }
    };
    let sweep_gone = {
        let (files, store) = (lasting.files.clone(), Arc::clone(&lasting.inbox));
        move || {
            let (files, store) = (files.clone(), Arc::clone(&store));
            async move { inbox::sweep_gone(&files, &*store).await }
        }
    };
    let sweep_strays = {
        let (files, store, clock) = (lasting.files.clone(), Arc::clone(&lasting.inbox), Arc::clone(clock));
        move || {
            let (files, store, now) = (files.clone(), Arc::clone(&store), clock.now());
            async move { inbox::sweep_strays(&files, &*store, now).await.map(|_| false) }
        }
    };
    let copy_catalogue = {
        let (lasting, in_force) = (Arc::clone(lasting), in_force.clone());
        move || {
            let (sync, copy) = (lasting.catalogue_sync(&in_force.borrow()), Arc::clone(&lasting.catalogue_copy));
            async move {
                match sync {
                    Some(sync) if sync.turn().await? => copy.refresh().await,
                    Some(_) | None => Ok(()),
                }
            }
        }
    };
    let compare = {
        let (lasting, in_force) = (Arc::clone(lasting), in_force.clone());
        move || {
            let check = lasting.agreement_check(&in_force.borrow());
            async move {
                match check {
                    Some(check) => check.turn().await,
                    None => Ok(false),
                }
            }
        }
    };
    let fetch_links = {
        let (lasting, in_force) = (Arc::clone(lasting), in_force.clone());
        move || {
            let fetch = lasting.fetch_links(&in_force.borrow());
            async move {
                match fetch {
                    Some(fetch) => fetch.turn().await,
                    None => Ok(()),
                }
            }
        }
    };
    let (tell, forget_notices) = (Arc::clone(&lasting.webhooks), Arc::clone(&lasting.webhooks));
    let member = Arc::clone(member);
    let rotate = {
        let in_force = in_force.clone();
        move || Rotate { rotation: rotation(&in_force.borrow()), ..rotate.clone() }
    };
    let assertions = {
        let (store, clock) = (Arc::clone(&stores.access), Arc::clone(clock));
        move || {
            // By the clock of the replica that is furthest behind.
            let (store, now) = (Arc::clone(&store), clock.now().plus_millis(-MOST_CLOCK_SKEW_S.cast_signed() * 1000));
            async move { store.forget_assertions(now).await.map(|forgotten| forgotten > 0) }
        }
    };
    let mut duties = anchors(lasting, &settings);
    duties.extend([
        Duty {
            name: "orphans",
            every: Duration::from_millis(settings.replicas.lease_ms / 10),
            turn: Box::new(move |_| Box::pin(orphans())),
        },
        Duty {
            name: "audit places",
            every: Duration::from_millis(100),
            turn: Box::new(move |leadership| Box::pin(places(leadership))),
        },
        Duty {
            name: "audit checkpoints",
            every: Duration::from_millis(settings.audit.checkpoint_ms),
            turn: Box::new(move |leadership| Box::pin(sign(leadership))),
        },
        Duty {
            name: "token keys",
            every: Duration::from_secs(1).max(Duration::from_secs(settings.access.token_key_lead_s.into()) / 100),
            turn: Box::new(move |_| {
                let rotate = rotate();
                Box::pin(async move { rotate.turn().await })
            }),
        },
        Duty {
            name: "used assertions",
            every: Duration::from_secs(60),
            turn: Box::new(move |_| Box::pin(assertions())),
        },
        Duty { name: "old checkpoints", every: Duration::from_secs(60), turn: Box::new(move |_| Box::pin(thin())) },
        Duty { name: "old logs", every: Duration::from_secs(60), turn: Box::new(move |_| Box::pin(drop())) },
        Duty { name: "old contents", every: Duration::from_secs(60), turn: Box::new(move |_| Box::pin(retain())) },
        duty("catalogue", Duration::from_secs(1), copy_catalogue),
        Duty { name: "agreement", every: Duration::from_secs(1), turn: Box::new(move |_| Box::pin(compare())) },
        duty("linked files", Duration::from_secs(1), fetch_links),
        Duty { name: "erased files", every: Duration::from_secs(60), turn: Box::new(move |_| Box::pin(sweep_gone())) },
        Duty {
            name: "stray files",
            every: Duration::from_secs(86_400),
            turn: Box::new(move |_| Box::pin(sweep_strays())),
        },
        Duty {
            name: "webhooks",
            every: Duration::from_millis(250),
            turn: Box::new(move |_| {
                let (webhooks, member) = (Arc::clone(&tell), Arc::clone(&member));
                Box::pin(async move { webhooks.turn(|| member.acting().is_some()).await.map(|()| false) })
            }),
        },
        Duty {
            name: "old notices",
            every: Duration::from_secs(60),
            turn: Box::new(move |_| {
                let webhooks = Arc::clone(&forget_notices);
                Box::pin(async move { webhooks.forget().await })
            }),
        },
        Duty { name: "old answers", every: Duration::from_secs(60), turn: Box::new(move |_| Box::pin(forget())) },
    ]);
    duties
}

/// Who else vouches for the audit log: each is a duty of its own, so that a slow one keeps no other waiting.
fn anchors(lasting: &Lasting, settings: &Settings) -> Vec<Duty> {
    let witness = |witness: &Arc<Witness>| {
        let (witness, every) = (Arc::clone(witness), Duration::from_millis(settings.audit.witness_ms));
        duty("audit witness", every, move || {
            let witness = Arc::clone(&witness);
            async move { witness.turn().await }
        })
    };
    let stamp = |stamps: &Arc<Timestamps>| {
        let stamps = Arc::clone(stamps);
        duty("audit time stamps", Duration::from_secs(1), move || {
            let stamps = Arc::clone(&stamps);
            async move { stamps.turn().await }
        })
    };
    let sign = |signature: &Arc<AgencySignature>| {
        let signature = Arc::clone(signature);
        duty("audit signature of the agency", Duration::from_secs(10), move || {
            let signature = Arc::clone(&signature);
            async move { signature.turn().await }
        })
    };
    let duties = lasting.witnesses.iter().map(witness).chain(lasting.timestamps.iter().map(stamp));
    duties.chain(lasting.agency_signature.iter().map(sign)).collect()
}

fn duty<F: Future<Output = Result<(), StoreError>> + Send + 'static>(
    name: &'static str,
    every: Duration,
    turn: impl Fn() -> F + Send + Sync + 'static,
) -> Duty {
    let turn = move |_| {
        let turn = turn();
        let turn: BoxFuture<'static, _> = Box::pin(async move { turn.await.map(|()| false) });
        turn
    };
    Duty { name, every, turn: Box::new(turn) }
}

/// The rotation of the keys that sign tokens.
pub(super) fn rotate(settings: &Settings, stores: &Stores, clock: &Arc<dyn Clock>) -> Rotate {
    Rotate {
        store: Arc::clone(&stores.access),
        bodies: Arc::clone(&stores.bodies),
        recorder: Arc::clone(&stores.recorder),
        clock: Arc::clone(clock),
        rotation: rotation(settings),
    }
}

fn rotation(settings: &Settings) -> Rotation {
    let access = &settings.access;
    Rotation {
        period_ms: i64::from(access.token_key_days) * 86_400_000,
        lead_ms: i64::from(access.token_key_lead_s) * 1000,
        // Of tokens that were given out before these settings, too.
        token_ms: (LONGEST_TOKEN_S + MOST_CLOCK_SKEW_S).cast_signed() * 1000,
    }
}

/// Audit records that are given their places in one transaction at most.
const PLACES_AT_A_TIME: usize = 5000;

pub(super) async fn take_back_orphans(
    stores: &Stores,
    clock: &Arc<dyn Clock>,
    delay_ms: u32,
) -> Result<usize, StoreError> {
    let now = clock.now();
    let taken_back = stores.outbox.take_back(now, now.plus_millis(delay_ms.into())).await?;
    if taken_back > 0 {
        tracing::info!(taken_back, "leases of replicas that are gone were taken back");
        stores.bell.ring();
    }
    Ok(taken_back)
}

/// What a replica that has left was sending is anybody's: nobody has to wait until the leader finds it, or a clock.
pub(super) async fn give_back(lasting: &Lasting, delay_ms: u32) -> Result<(), StoreError> {
    let (stores, now) = (&lasting.stores, lasting.clock.now());
    stores.outbox.take_back(now, now.plus_millis(delay_ms.into())).await?;
    match &stores.database {
        Database::Sqlite(_) => Ok(()),
        Database::Postgres(database) => database.tell_now().await,
    }
}

/// What is looked at every second, whatever the database does: the disk, the damage that is known, and measured times, which
/// are kept until then.
pub(super) async fn keep_watch(lasting: Arc<Lasting>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = stop.changed() => return,
        }
        lasting.counts.run_upkeep();
        lasting.publisher.tell();
        if let Some(disk) = &lasting.stores.disk {
            disk.look();
            gauge!(DISK_LOW.name).set(u8::from(disk.is_low()));
        }
    }
}

/// What the leader copies of the catalogue is seen by every replica.
pub(super) async fn follow_catalogue(lasting: Arc<Lasting>, mut stop: watch::Receiver<bool>) {
    let (copy, clock) = (&lasting.catalogue_copy, &lasting.clock);
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(CATALOGUE_EVERY) => {}
            _ = stop.changed() => return,
        }
        if let Err(error) = copy.refresh().await {
            tracing::debug!(%error, "what has changed in the catalogue could not be read");
        }
        if let (_, Some(run)) = copy.held()
            && let Some(copied_at) = run.completed_at
        {
            gauge!(CATALOGUE_AGE.name).set(clock.now().micros().saturating_sub(copied_at.micros()) as f64 / 1e6);
            gauge!(CATALOGUE_FAILURES.name).set(run.report.failures as f64);
        }
    }
}

const CATALOGUE_EVERY: Duration = Duration::from_secs(5);
