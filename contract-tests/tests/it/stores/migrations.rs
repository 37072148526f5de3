//! Migrations: forwards in steps that are whole, and back to the program before as long as all that is new is additive.

use std::time::Duration;

use futures::future::join_all;
use lienthong::outbox::Status;
use lienthong::storage::migrations::{MIGRATIONS, Migration};
use lienthong::storage::postgres::{Postgres, Settings};
use lienthong::storage::sqlite::Sqlite;
use lienthong::storage::{NEWEST_SCHEMA, StoreError};
use uuid::Uuid;

use super::writes::{LEASE, at, put, settlement, steps};
use super::{Place, SQLITE_LIMITS, Stores, eventually, on_both_engines, only_on_postgres};

/// What later programs bring.
const ADDITIVE: Migration = Migration {
    number: NEWEST_SCHEMA + 1,
    name: "notes",
    is_additive: true,
    sqlite: "CREATE TABLE extra (id INTEGER PRIMARY KEY) STRICT; ALTER TABLE dossier ADD COLUMN note TEXT;",
    postgres: "CREATE TABLE extra (id bigint PRIMARY KEY); ALTER TABLE dossier ADD COLUMN note text;",
};
const BREAKING: Migration = Migration {
    number: NEWEST_SCHEMA + 2,
    name: "senders",
    is_additive: false,
    sqlite: "ALTER TABLE dossier RENAME COLUMN client_id TO sender_id;",
    postgres: "ALTER TABLE dossier RENAME COLUMN client_id TO sender_id;",
};
/// Fails at its end, and takes its beginning with it.
const FAILING: Migration = Migration {
    sqlite: "CREATE TABLE half_done (id INTEGER); INSERT INTO nowhere VALUES (1);",
    postgres: "CREATE TABLE half_done (id bigint); INSERT INTO nowhere VALUES (1);",
    ..BREAKING
};

/// Today's migrations and later ones.
fn and(later: &[Migration]) -> &'static [Migration] {
    Vec::leak([MIGRATIONS, later].concat())
}

async fn migrate(place: &Place, known: &'static [Migration]) -> Result<Vec<i64>, StoreError> {
    let ran = match place {
        Place::Sqlite(file) => Sqlite::migrate(file, &SQLITE_LIMITS, known)?,
        Place::Postgres(settings) => Postgres::migrate(settings, known).await?,
    };
    Ok(ran.iter().map(|migration| migration.number).collect())
}

async fn refusal(place: &Place, known: &'static [Migration], may_migrate: bool) -> String {
    match place.open(known, may_migrate).await {
        Ok(_) => panic!("it was opened"),
        Err(StoreError::Failed(reason)) => reason,
        Err(other) => panic!("{other:?}"),
    }
}

async fn a_program_runs_on_what_a_newer_one_has_added(stores: Stores) {
    assert_eq!(migrate(&stores.place, and(&[ADDITIVE])).await.unwrap(), [ADDITIVE.number]);
    let database = stores.place.open(MIGRATIONS, false).await.unwrap();
    let again = Stores::of(stores.folder.clone(), stores.place.clone(), database, stores.replica);
    again.dossiers.put(put(&again, "a", None)).await.unwrap();
    assert_eq!(again.dossiers.find("a").await.unwrap().unwrap().revision, 1);
}

async fn a_program_does_not_run_on_what_a_newer_one_has_changed_and_says_which_program_to_run(stores: Stores) {
    stores.replicas.leave(stores.replica).await.unwrap();
    migrate(&stores.place, and(&[ADDITIVE, BREAKING])).await.unwrap();
    for (known, newest) in [(MIGRATIONS, NEWEST_SCHEMA), (and(&[ADDITIVE]), ADDITIVE.number)] {
        let reason = refusal(&stores.place, known, true).await;
        assert!(reason.contains(&format!("migration {} (senders)", BREAKING.number)), "{reason}");
        assert!(reason.contains(&format!("its newest is {newest}")) && reason.contains("run the newer program"));
    }
}

async fn a_program_that_may_not_migrate_says_what_is_missing_and_changes_nothing(stores: Stores) {
    let reason = refusal(&stores.place, and(&[ADDITIVE, BREAKING]), false).await;
    assert!(reason.contains(&format!("{} (notes), {} (senders)", ADDITIVE.number, BREAKING.number)), "{reason}");
    assert!(reason.contains("run `lienthong migrate`"), "{reason}");
    assert_eq!(stores.count("SELECT count(*) FROM migration").await, NEWEST_SCHEMA);
    stores.place.open(MIGRATIONS, false).await.unwrap();
}

async fn a_migration_that_is_not_the_one_that_was_run_is_noticed(stores: Stores) {
    migrate(&stores.place, and(&[ADDITIVE])).await.unwrap();
    let changed = Migration {
        sqlite: "CREATE TABLE extra (id INTEGER PRIMARY KEY, more TEXT) STRICT;",
        postgres: "CREATE TABLE extra (id bigint PRIMARY KEY, more text);",
        ..ADDITIVE
    };
    let reason = refusal(&stores.place, and(&[changed]), true).await;
    assert!(reason.contains(&format!("migration {} (notes) is not the one", ADDITIVE.number)), "{reason}");
}

async fn an_interrupted_run_keeps_the_steps_that_were_done_and_goes_on_later(stores: Stores) {
    stores.replicas.leave(stores.replica).await.unwrap();
    migrate(&stores.place, and(&[ADDITIVE, FAILING])).await.unwrap_err();
    assert_eq!(stores.count("SELECT max(number) FROM migration").await, ADDITIVE.number);
    assert_eq!(stores.count("SELECT count(*) FROM extra").await, 0, "it is there");
    stores.place.open(and(&[ADDITIVE]), false).await.unwrap();
    // A part of the failed one would now be in the way.
    let mended = Migration {
        sqlite: "CREATE TABLE half_done (id INTEGER);",
        postgres: "CREATE TABLE half_done (id bigint);",
        ..FAILING
    };
    assert_eq!(migrate(&stores.place, and(&[ADDITIVE, mended])).await.unwrap(), [BREAKING.number]);
    assert_eq!(migrate(&stores.place, and(&[ADDITIVE, mended])).await.unwrap(), [] as [i64; 0]);
}

async fn an_upgrade_and_the_way_back_lose_nothing_that_is_in_flight(stores: Stores) {
    for code in ["claimed", "waiting", "parked"] {
        stores.dossiers.put(put(&stores, code, None)).await.unwrap();
        stores.dossiers.append_steps(steps(&stores, code, 0, 1, code)).await.unwrap();
    }
    let claimed = stores.outbox.claim(stores.replica, at(1), LEASE, 10).await.unwrap();
    for claimed in claimed.iter().filter(|claimed| claimed.item.lane != "claimed") {
        let (to, due) = if claimed.item.lane == "parked" { (Status::Dead, None) } else { (Status::Retry, Some(1)) };
        assert!(stores.outbox.settle(settlement(claimed, to, due)).await.unwrap());
    }
    let of_claimed = claimed.iter().find(|claimed| claimed.item.lane == "claimed").unwrap();

    // The newer program, beside the older one.
    let newer = stores.place.open(and(&[ADDITIVE]), true).await.unwrap();
    let newer = Stores::of(stores.folder.clone(), stores.place.clone(), newer, Uuid::now_v7());
    newer.dossiers.put(put(&newer, "new", None)).await.unwrap();
    assert!(stores.outbox.settle(settlement(of_claimed, Status::Delivered, None)).await.unwrap());
    assert_eq!(newer.outbox.claim(newer.replica, at(2), LEASE, 10).await.unwrap().len(), 3);

    // And back. What the newer one has claimed is taken back, and everything is delivered.
    let older = stores.place.open(MIGRATIONS, false).await.unwrap();
    let older = Stores::of(stores.folder.clone(), stores.place.clone(), older, Uuid::now_v7());
    older.replicas.join(older.replica, Duration::from_secs(60)).await.unwrap();
    assert_eq!(older.outbox.take_back(at(3), at(3)).await.unwrap(), 3);
    let mut delivered = Vec::new();
    loop {
        let claimed = older.outbox.claim(older.replica, at(4), LEASE, 10).await.unwrap();
        if claimed.is_empty() {
            break;
        }
        for claimed in claimed {
            assert!(older.outbox.settle(settlement(&claimed, Status::Delivered, None)).await.unwrap());
            delivered.push(format!("{} {}", claimed.item.lane, claimed.item.kind));
        }
    }
    delivered.sort();
    assert_eq!(delivered, ["claimed dossier.step", "new dossier.sync", "waiting dossier.step", "waiting dossier.sync"]);
    assert_eq!(older.outbox.waiting(10).await.unwrap()[0].lane, "parked");
    assert_eq!(older.outbox.lane("test-route", "parked".into()).await.unwrap().open_items, 2);
    for code in ["claimed", "waiting", "parked"] {
        assert_eq!(older.dossiers.find(code).await.unwrap().unwrap().steps, 1);
        assert!(older.outbox.body(older.dossiers.find(code).await.unwrap().unwrap().body_id).await.unwrap().is_some());
    }
}

/// Takes longer than a request may.
const SLOW: Migration = Migration {
    number: NEWEST_SCHEMA + 1,
    name: "slow",
    is_additive: true,
    sqlite: "",
    postgres: "CREATE TABLE slow (id bigint); SELECT pg_sleep(1.5);",
};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_the_same_time_migrate_once_and_wait_for_each_other_as_long_as_it_takes() {
    let settings = Place::on_server().await.settings().clone();
    let place = Place::Postgres(Settings { statement_timeout: Duration::from_millis(500), ..settings });
    let known = and(&[SLOW]);
    for opened in join_all((0..4).map(|_| place.open(known, true))).await {
        opened.unwrap();
    }
}

async fn what_breaks_an_older_program_waits_until_none_of_it_is_alive(stores: Stores) {
    let known = and(&[ADDITIVE, BREAKING]);
    let beside = stores.beside().await;
    for alive in [2, 1] {
        let reason = refusal(&stores.place, known, true).await;
        assert!(reason.contains(&format!("{alive} replicas of an older program are running")), "{reason}");
        assert!(reason.contains(&format!("migration {} (senders)", BREAKING.number)), "{reason}");
        assert!(reason.contains("stop them first"), "{reason}");
        // What is additive is done already, and they go on.
        assert_eq!(stores.count("SELECT max(number) FROM migration").await, ADDITIVE.number);
        stores.dossiers.put(put(&stores, &format!("d{alive}"), None)).await.unwrap();
        let leaving = if alive == 2 { &beside } else { &stores };
        leaving.replicas.leave(leaving.replica).await.unwrap();
    }
    assert_eq!(migrate(&stores.place, known).await.unwrap(), [BREAKING.number]);
}

async fn an_older_program_that_wakes_up_after_a_breaking_migration_does_not_join_again(stores: Stores) {
    // It was paused until its time was over.
    stores.replicas.renew(stores.replica, Duration::from_millis(20)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(40)).await;
    migrate(&stores.place, and(&[ADDITIVE])).await.unwrap();
    let next = Uuid::now_v7();
    stores.replicas.join(next, Duration::from_secs(60)).await.unwrap();
    stores.replicas.leave(next).await.unwrap();
    migrate(&stores.place, and(&[ADDITIVE, BREAKING])).await.unwrap();
    refuses_to_join(&stores).await;
}

async fn refuses_to_join(stores: &Stores) {
    let refused = stores.replicas.join(Uuid::now_v7(), Duration::from_secs(60)).await.unwrap_err().to_string();
    assert!(refused.contains("cannot work with") && refused.contains("run the newer program"), "{refused}");
    assert!(stores.replicas.alive().await.unwrap().is_empty());
}

async fn an_older_program_that_joins_during_a_breaking_migration_waits_for_it_and_is_refused(stores: Stores) {
    stores.replicas.leave(stores.replica).await.unwrap();
    let known = and(&[Migration { postgres: "SELECT pg_sleep(0.5)", ..BREAKING }]);
    let migrating = tokio::spawn({
        let place = stores.place.clone();
        async move { migrate(&place, known).await.unwrap() }
    });
    let looker = stores.place.outsider().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let sleeps = async || looker.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1;
    eventually("it is in the midst of it", sleeps).await;
    refuses_to_join(&stores).await;
    assert_eq!(migrating.await.unwrap(), [BREAKING.number]);
}

async fn a_breaking_migration_sees_an_older_program_that_is_just_joining(stores: Stores) {
    stores.replicas.leave(stores.replica).await.unwrap();
    let mut outsider = stores.place.outsider().await;
    let joining = outsider.transaction().await.unwrap();
    let join = "INSERT INTO replica VALUES (gen_random_uuid(), 1, now_micros() + 60000000)";
    joining.execute(join, &[]).await.unwrap();
    let place = stores.place.clone();
    let migrating = tokio::spawn(async move { migrate(&place, and(&[BREAKING])).await });
    tokio::time::sleep(Duration::from_millis(250)).await;
    joining.commit().await.unwrap();
    let reason = migrating.await.unwrap().unwrap_err().to_string();
    assert!(reason.contains("1 replicas of an older program"), "{reason}");
}

on_both_engines! {
    a_program_runs_on_what_a_newer_one_has_added,
    a_program_does_not_run_on_what_a_newer_one_has_changed_and_says_which_program_to_run,
    a_program_that_may_not_migrate_says_what_is_missing_and_changes_nothing,
    a_migration_that_is_not_the_one_that_was_run_is_noticed,
    an_interrupted_run_keeps_the_steps_that_were_done_and_goes_on_later,
    an_upgrade_and_the_way_back_lose_nothing_that_is_in_flight,
}

only_on_postgres! {
    what_breaks_an_older_program_waits_until_none_of_it_is_alive,
    an_older_program_that_wakes_up_after_a_breaking_migration_does_not_join_again,
    an_older_program_that_joins_during_a_breaking_migration_waits_for_it_and_is_refused,
    a_breaking_migration_sees_an_older_program_that_is_just_joining,
}
