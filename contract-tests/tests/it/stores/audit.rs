//! The audit log's store: every record of what was done, and only of that, has one place in its tree, given by one leader.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use lienthong::audit::store::AuditStore;
use lienthong::audit::{Draft, Frontier, Kind, Outcome, Recorder, leaf_hash};
use lienthong::replicas::Leadership;
use lienthong::storage::StoreError;
use lienthong::storage::keys::Keys;
use lienthong_domain::time::{Clock, Timestamp};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::writes::{put, record};
use super::{Stores, eventually, on_both_engines, only_on_postgres};

/// Checks every tree against its records, and returns how many records there are.
pub(crate) async fn sound_records(audit: &dyn AuditStore) -> u64 {
    let mut count = 0;
    for shard in audit.shards().await.unwrap() {
        let mut rebuilt = Frontier::default();
        for (index, record) in (0..).zip(audit.records(&shard, 0, 100_000).await.unwrap()) {
            assert_eq!(record.index, index, "no index is missing, none is there twice");
            assert_eq!(record.leaf_hash, leaf_hash(&record.bytes));
            rebuilt.append(record.leaf_hash);
        }
        assert_eq!(audit.head(&shard).await.unwrap(), (rebuilt.size() > 0).then_some(rebuilt.clone()));
        count += rebuilt.size();
    }
    count
}

async fn place_all(stores: &Stores, leadership: Leadership) {
    while stores.audit.place(leadership, 7).await.unwrap() > 0 {}
    assert_eq!(stores.audit.unplaced().await.unwrap(), 0);
}

async fn append(stores: &Stores, count: i64) {
    let appends = (0..count).map(|n| stores.audit.append(record(stores, "dossier.sync", "a", n)));
    join_all(appends).await.into_iter().for_each(|result| result.unwrap());
}

async fn the_head_is_the_tree_of_the_records_and_writes_that_were_refused_left_none(stores: Stores) {
    let (stores, beside) = (&stores, &stores.beside().await);
    stores.dossiers.put(put(stores, "taken", None)).await.unwrap();
    let writes = (0..200).map(|n| async move {
        let stores = if n % 2 == 0 { stores } else { beside };
        match n % 3 {
            0 => stores.dossiers.put(put(stores, "taken", None)).await,
            1 => stores.dossiers.put(put(stores, &format!("d{n}"), None)).await,
            _ => stores.audit.append(record(stores, "dossier.step", "a", n)).await,
        }
    });
    let results = join_all(writes).await;
    let refused = results.iter().filter(|result| **result == Err(StoreError::Conflict)).count();
    assert_eq!((refused, results.iter().filter(|result| result.is_ok()).count()), (67, 133));
    place_all(stores, stores.lead().await).await;
    assert_eq!(sound_records(&*stores.audit).await, 134);
    assert_eq!(stores.log().await.iter().filter(|record| record["op"] == "dossier.step").count(), 66);
}

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

async fn each_half_year_has_a_tree_of_its_own(stores: Stores) {
    let keys = Arc::new(Keys::open(&stores.folder.path().join("keys"), false, &[]).unwrap());
    for half_year in ["2026h1", "2026h2"] {
        keys.make(&keys.names(half_year)).unwrap();
    }
    let recorder = |text: &str| {
        let at = Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
        Recorder::new("test".into(), Arc::clone(&keys), Arc::new(At(at)))
    };
    // Midnight in Vietnam is at 17:00 of the day before.
    let (old, new) = (recorder("2026-06-30T16:59:59Z"), recorder("2026-06-30T17:00:00Z"));
    for n in 0..20 {
        let recorder = if n % 3 == 0 { &old } else { &new };
        let draft = Draft::new(Kind::Accept, "dossier.sync", Outcome::decided("accepted"));
        stores.audit.append(recorder.seal(&draft).unwrap()).await.unwrap();
    }
    place_all(&stores, stores.lead().await).await;
    assert_eq!(stores.audit.shards().await.unwrap(), ["test/audit/2026h1", "test/audit/2026h2"]);
    assert_eq!(sound_records(&*stores.audit).await, 20);
    assert_eq!(stores.audit.head("test/audit/2026h1").await.unwrap().unwrap().size(), 7);
    assert_eq!(stores.audit.head("test/audit/2027h1").await.unwrap(), None);
}

async fn the_records_of_a_dossier_keep_the_order_of_its_writes(stores: Stores) {
    let beside = stores.beside().await;
    let leadership = stores.lead().await;
    let mut writers = JoinSet::new();
    for writer in 0..6 {
        let replicas = [stores.clone(), beside.clone()];
        writers.spawn(async move {
            let code = format!("d{writer}");
            for n in 0..20 {
                let stores = &replicas[(n as usize + writer) % 2];
                stores.dossiers.put(put(stores, &code, (n > 0).then_some(n))).await.unwrap();
            }
        });
    }
    while !writers.is_empty() {
        stores.audit.place(leadership, 5).await.unwrap();
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    let log = stores.log().await;
    assert_eq!((log.len(), sound_records(&*stores.audit).await), (120, 120));
    for dossier in &log[..6] {
        let of_it = log.iter().filter(|record| record["subject"] == dossier["subject"]);
        let told: Vec<i64> = of_it.map(|record| record["outcome"]["code"].as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(told, (1..=20).collect::<Vec<_>>());
    }
}

async fn records_wait_for_their_places_and_are_counted_while_they_wait(stores: Stores) {
    append(&stores, 12).await;
    assert_eq!(stores.audit.unplaced().await.unwrap(), 12);
    assert_eq!(sound_records(&*stores.audit).await, 0, "without places they are not in the tree");
    let leadership = stores.lead().await;
    for (placed, left) in [(5, 7), (5, 2), (2, 0), (0, 0)] {
        assert_eq!(stores.audit.place(leadership, 5).await.unwrap(), placed);
        assert_eq!(stores.audit.unplaced().await.unwrap(), left);
    }
    assert_eq!(sound_records(&*stores.audit).await, 12);
}

/// The leader's time ends, and the other one takes its place.
async fn take_over(leader: &Stores, other: &Stores) -> Leadership {
    leader.replicas.renew(leader.replica, Duration::from_millis(20)).await.unwrap();
    eventually("the leader's time is over", async || {
        other.replicas.hold("leader", other.replica).await.unwrap().is_some()
    })
    .await;
    other.lead().await
}

async fn a_leader_that_was_replaced_gives_no_place(stores: Stores) {
    let beside = stores.beside().await;
    append(&stores, 5).await;
    let old = stores.lead().await;
    assert_eq!(stores.audit.place(old, 2).await.unwrap(), 2);
    let new = take_over(&stores, &beside).await;
    assert!(new.epoch > old.epoch);
    let made_up = [
        old,
        Leadership { epoch: new.epoch, ..old },
        Leadership { epoch: old.epoch, ..new },
        Leadership { epoch: new.epoch + 1, ..new },
        Leadership { holder: Uuid::nil(), ..new },
    ];
    for leadership in made_up {
        assert_eq!(stores.audit.place(leadership, 5).await, Err(StoreError::NotApplicable), "{leadership:?}");
        assert_eq!((stores.audit.unplaced().await.unwrap(), sound_records(&*stores.audit).await), (3, 2));
    }
    assert_eq!(beside.audit.place(new, 5).await.unwrap(), 3);
    assert_eq!(sound_records(&*stores.audit).await, 5);
}

async fn a_leader_whose_time_is_over_gives_no_place_even_before_it_is_replaced(stores: Stores) {
    append(&stores, 1).await;
    let leadership = stores.lead().await;
    stores.replicas.renew(stores.replica, Duration::from_millis(20)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(stores.audit.place(leadership, 5).await, Err(StoreError::NotApplicable));
}

async fn an_old_and_a_new_leader_at_the_same_time_do_not_fork_the_tree(stores: Stores) {
    let beside = stores.beside().await;
    append(&stores, 200).await;
    let old = stores.lead().await;
    let last_of_the_old = tokio::spawn({
        let stores = stores.clone();
        async move {
            loop {
                match stores.audit.place(old, 1).await {
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
        }
    });
    let new = take_over(&stores, &beside).await;
    append(&beside, 50).await;
    place_all(&beside, new).await;
    assert_eq!(last_of_the_old.await.unwrap(), StoreError::NotApplicable);
    assert_eq!(sound_records(&*stores.audit).await, 250);
}

async fn the_same_leader_twice_at_the_same_time_does_not_fork_the_tree(stores: Stores) {
    append(&stores, 200).await;
    let leadership = stores.lead().await;
    let placing = (0..4).map(|_| async {
        // One that finds its records placed by the other is told so, and has changed nothing.
        while stores.audit.unplaced().await.unwrap() > 0 {
            let _ = stores.audit.place(leadership, 3).await;
        }
    });
    join_all(placing).await;
    assert_eq!(sound_records(&*stores.audit).await, 200);
}

async fn replicas_that_take_turns_in_leading_place_every_record_once(stores: Stores) {
    let replicas = [stores.clone(), stores.beside().await, stores.beside().await];
    let mut writers = JoinSet::new();
    for replica in replicas.clone() {
        writers.spawn(async move { append(&replica, 100).await });
    }
    let mut leaders = JoinSet::new();
    for (n, replica) in (0..).zip(replicas) {
        leaders.spawn(async move {
            let mut random = fastrand::Rng::with_seed(n);
            while replica.count("SELECT count(*) FROM audit_record").await < 300 {
                let Some(epoch) = replica.replicas.hold("leader", replica.replica).await.unwrap() else { continue };
                let leadership = Leadership { holder: replica.replica, epoch };
                replica.audit.place(leadership, random.usize(1..6)).await.unwrap();
                if random.bool() {
                    replica.replicas.release("leader", replica.replica).await.unwrap();
                }
            }
        });
    }
    writers.join_all().await;
    leaders.join_all().await;
    assert_eq!(sound_records(&*stores.audit).await, 300);
    assert!(stores.count("SELECT epoch FROM lease").await > 3, "they took turns");
}

async fn a_record_that_was_changed_before_it_had_its_place_is_not_placed_and_that_is_said(stores: Stores) {
    append(&stores, 3).await;
    let leadership = stores.lead().await;
    let outsider = stores.place.outsider().await;
    outsider.execute("UPDATE audit_pending SET record = record || '\\x20' WHERE seq = 2", &[]).await.unwrap();
    let error = stores.audit.place(leadership, 5).await.unwrap_err().to_string();
    assert!(error.contains("audit_pending 2") && error.contains("not the one that was hashed"), "{error}");
    assert_eq!((stores.audit.unplaced().await.unwrap(), sound_records(&*stores.audit).await), (3, 0));
}

async fn a_head_that_someone_else_moves_meanwhile_is_noticed(stores: Stores) {
    append(&stores, 1).await;
    let leadership = stores.lead().await;
    place_all(&stores, leadership).await;
    append(&stores, 1).await;
    // As if another hand were at work between the look at the head and its change.
    let meddle = "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN UPDATE audit_head SET size = size + 1; RETURN NEW; END $$; \
                  CREATE TRIGGER meddle BEFORE INSERT ON audit_record FOR EACH ROW EXECUTE FUNCTION meddle()";
    stores.place.outsider().await.batch_execute(meddle).await.unwrap();
    let error = stores.audit.place(leadership, 5).await.unwrap_err().to_string();
    assert!(error.contains("moved by someone else"), "{error}");
    assert_eq!((stores.audit.unplaced().await.unwrap(), sound_records(&*stores.audit).await), (1, 1));
}

on_both_engines! {
    the_head_is_the_tree_of_the_records_and_writes_that_were_refused_left_none,
    each_half_year_has_a_tree_of_its_own,
    the_records_of_a_dossier_keep_the_order_of_its_writes,
}

only_on_postgres! {
    records_wait_for_their_places_and_are_counted_while_they_wait,
    a_leader_that_was_replaced_gives_no_place,
    a_leader_whose_time_is_over_gives_no_place_even_before_it_is_replaced,
    an_old_and_a_new_leader_at_the_same_time_do_not_fork_the_tree,
    the_same_leader_twice_at_the_same_time_does_not_fork_the_tree,
    replicas_that_take_turns_in_leading_place_every_record_once,
    a_record_that_was_changed_before_it_had_its_place_is_not_placed_and_that_is_said,
    a_head_that_someone_else_moves_meanwhile_is_noticed,
}
