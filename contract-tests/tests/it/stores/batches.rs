//! Batches on PostgreSQL: writes that share a transaction do each other no harm, and transactions that meet wait for each
//! other in one order.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use lienthong::dossiers::store::PutDossier;
use lienthong::outbox::Status;
use lienthong::storage::backlog::Backlog;
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::postgres::{Limits, Postgres};
use lienthong::storage::{Database, StoreError};
use lienthong_contract_tests::postgres::{fresh_database, server_for_tests};
use tokio::task::JoinSet;

use super::dossier_list::wait_for_locks;
use super::writes::{LEASE, at, new_item, put, settlement, steps};
use super::{POSTGRES_LIMITS, Place, Stores, only_on_postgres, postgres_settings};

async fn nothing_is_answered_before_its_commit(stores: Stores) {
    // A commit that fails, after every statement has succeeded.
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
                  CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON dossier DEFERRABLE INITIALLY DEFERRED \
                  FOR EACH ROW WHEN (NEW.code LIKE 'bad%') EXECUTE FUNCTION refuse()";
    stores.place.outsider().await.batch_execute(refuse).await.unwrap();
    let codes: Vec<String> =
        (0..40).map(|n| if n % 10 == 7 { format!("bad-{n}") } else { format!("good-{n}") }).collect();
    let results = join_all(codes.iter().map(|code| stores.dossiers.put(put(&stores, code, None)))).await;
    for (code, result) in codes.iter().zip(results) {
        let is_there = stores.dossiers.find(code).await.unwrap().is_some();
        assert_eq!(
            (result.is_ok(), is_there),
            (code.starts_with("good"), code.starts_with("good")),
            "{code} {result:?}"
        );
    }
    assert_eq!(stores.count("SELECT count(*) FROM body").await, 36);
}

/// Holds both writers up until `writes` are all queued, so that they go into one transaction.
async fn put_together(stores: &Stores, writes: Vec<PutDossier>) -> Vec<Result<(), StoreError>> {
    let mut outsider = stores.place.outsider().await;
    let hold = outsider.transaction().await.unwrap();
    hold.execute("SELECT 1 FROM dossier WHERE code LIKE 'hold%' FOR UPDATE", &[]).await.unwrap();
    let mut held = JoinSet::new();
    for (count, code) in [(1, "hold-1"), (2, "hold-2")] {
        let stores = stores.clone();
        let revision = stores.dossiers.find(code).await.unwrap().unwrap().revision;
        let place = stores.place.clone();
        held.spawn(async move { stores.dossiers.put(put(&stores, code, Some(revision))).await.unwrap() });
        wait_for_locks(&place, count).await;
    }
    let writing = tokio::spawn({
        let stores = stores.clone();
        async move { join_all(writes.into_iter().map(|write| stores.dossiers.put(write))).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    hold.commit().await.unwrap();
    held.join_all().await;
    writing.await.unwrap()
}

/// Makes a write one that the database refuses.
type Spoil = fn(&mut PutDossier, &PutDossier);

async fn a_write_that_the_database_refuses_fails_alone_and_the_others_of_its_transaction_succeed(stores: Stores) {
    let earlier = put(&stores, "earlier", None);
    for write in [put(&stores, "hold-1", None), put(&stores, "hold-2", None), earlier.clone()] {
        stores.dossiers.put(write).await.unwrap();
    }
    // What no request can hold: a text with a NUL character, an id that is taken.
    let spoils: [(&str, Spoil); 4] = [
        ("its row", |write, _| write.row.procedure_code = "1.\0".into()),
        ("its item", |write, _| write.item.agency_id = "H15\0".into()),
        ("its item's id", |write, earlier| write.item.id = earlier.item.id),
        ("its body's id", |write, earlier| write.body.id = earlier.body.id),
    ];
    for (round, (what, spoil)) in spoils.iter().enumerate() {
        for bad in [0, 7, 19] {
            let mut writes: Vec<_> = (0..20).map(|n| put(&stores, &format!("d{round}-{bad}-{n}"), None)).collect();
            spoil(&mut writes[bad], &earlier);
            for (n, result) in put_together(&stores, writes).await.into_iter().enumerate() {
                match result {
                    Ok(()) => assert_ne!(n, bad, "{what}"),
                    Err(StoreError::Failed(_)) => assert_eq!(n, bad, "{what}"),
                    Err(other) => panic!("{n} of {what}, {bad} is bad: {other:?}"),
                }
            }
        }
    }
    let kept = 3 + 4 * 3 * 19;
    assert_eq!(stores.count("SELECT count(*) FROM dossier").await, kept);
    assert_eq!(stores.count("SELECT count(*) FROM lane").await, kept);
    let put_again = 4 * 3 * 2;
    assert_eq!(stores.count("SELECT count(*) FROM body").await, kept + put_again);
    assert_eq!(stores.log().await.len(), usize::try_from(kept + put_again).unwrap());
}

async fn beyond_its_queue_or_the_outbox_s_limit_a_store_refuses_what_is_new_and_goes_on_with_what_it_has(
    stores: Stores,
) {
    for code in ["hold-1", "hold-2"] {
        stores.dossiers.put(put(&stores, code, None)).await.unwrap();
    }
    let (limits, backlog) = (Limits { write_queue: 5, ..POSTGRES_LIMITS }, Arc::new(Backlog::new(1)));
    let narrow =
        Postgres::open(stores.place.settings(), limits, Arc::clone(&backlog), MIGRATIONS, false).await.unwrap();
    let narrow = Stores::of(stores.folder.clone(), stores.place.clone(), Database::Postgres(narrow), stores.replica);
    let writes = (0..20).map(|n| put(&narrow, &format!("d{n}"), None)).collect();
    let results = put_together(&narrow, writes).await;
    assert!(results[..5].iter().all(Result::is_ok), "{results:?}");
    assert!(results[5..].iter().all(|result| *result == Err(StoreError::Busy)), "{results:?}");

    backlog.counted(7);
    let claimed = narrow.outbox.claim(narrow.replica, at(1), LEASE, 1).await.unwrap();
    assert_eq!(narrow.dossiers.put(put(&narrow, "more", None)).await, Err(StoreError::Busy));
    assert!(narrow.outbox.settle(settlement(&claimed[0], Status::Delivered, None)).await.unwrap());
    backlog.counted(0);
    narrow.dossiers.put(put(&narrow, "more", None)).await.unwrap();
}

/// A database whose alphabet is not that of the bytes, and which lets a deadlock last.
async fn with_another_alphabet() -> Stores {
    let server = server_for_tests().unwrap();
    let url = fresh_database(&server).await.unwrap();
    let name = url.rsplit_once("dbname=").unwrap().1;
    let admin = Place::Postgres(postgres_settings(server.clone())).outsider().await;
    for sql in [
        format!("DROP DATABASE {name}"),
        format!("CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'"),
        format!("ALTER DATABASE {name} SET deadlock_timeout = '1min'"),
    ] {
        admin.batch_execute(&sql).await.unwrap();
    }
    let folder = Arc::new(tempfile::tempdir().unwrap());
    Stores::at(folder, Place::Postgres(postgres_settings(url))).await
}

/// In the order of English, and against that of bytes.
const CODES: [&str; 3] = ["~", "a", "B"];

#[tokio::test(flavor = "multi_thread")]
async fn new_items_and_outcomes_of_the_same_lanes_wait_for_each_other_in_one_order() {
    let stores = with_another_alphabet().await;
    stores.enqueue(&CODES.map(|lane| new_item(lane, 1))).await;
    let mut claimed = stores.outbox.claim(stores.replica, at(1), LEASE, 10).await.unwrap();
    claimed.sort_by_key(|claimed| ["a", "B", "~"].iter().position(|lane| *lane == claimed.item.lane));
    let mut outsider = stores.place.outsider().await;
    let hold = outsider.transaction().await.unwrap();
    hold.execute("SELECT 1 FROM lane WHERE lane = 'a' FOR UPDATE", &[]).await.unwrap();
    let enqueue = async {
        stores.enqueue(&CODES.map(|lane| new_item(lane, 2))).await;
    };
    let settle = async {
        wait_for_locks(&stores.place, 1).await;
        let delivered = claimed.iter().map(|claimed| settlement(claimed, Status::Delivered, None));
        for settled in join_all(delivered.map(|settlement| stores.outbox.settle(settlement))).await {
            assert!(settled.unwrap());
        }
    };
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        hold.commit().await.unwrap();
    };
    tokio::join!(enqueue, settle, release);
}

#[tokio::test(flavor = "multi_thread")]
async fn full_states_and_steps_of_the_same_dossiers_wait_for_each_other_in_one_order() {
    let stores = with_another_alphabet().await;
    for code in CODES.into_iter().chain(["hold-1", "hold-2"]) {
        stores.dossiers.put(put(&stores, code, None)).await.unwrap();
    }
    let mut outsider = stores.place.outsider().await;
    let hold = outsider.transaction().await.unwrap();
    hold.execute("SELECT 1 FROM dossier WHERE code = 'a' FOR UPDATE", &[]).await.unwrap();
    let puts = async {
        for result in put_together(&stores, CODES.map(|code| put(&stores, code, Some(1))).to_vec()).await {
            result.unwrap();
        }
    };
    let appends = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let writes = ["a", "B", "~"].map(|code| steps(&stores, code, 0, 1, code));
        for result in join_all(writes.map(|write| stores.dossiers.append_steps(write))).await {
            result.unwrap();
        }
    };
    let release = async {
        tokio::time::sleep(Duration::from_millis(800)).await;
        hold.commit().await.unwrap();
    };
    tokio::join!(puts, appends, release);
}

only_on_postgres! {
    nothing_is_answered_before_its_commit,
    a_write_that_the_database_refuses_fails_alone_and_the_others_of_its_transaction_succeed,
    beyond_its_queue_or_the_outbox_s_limit_a_store_refuses_what_is_new_and_goes_on_with_what_it_has,
}
