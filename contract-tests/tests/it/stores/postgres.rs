//! PostgreSQL alone: a server that would lose what it was given is refused, and one that goes away and comes back costs
//! nothing that was answered.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lienthong::dossiers::store::{PageQuery, PutDossier};
use lienthong::outbox::Status;
use lienthong::storage::backlog::Backlog;
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::postgres::Postgres;
use lienthong::storage::{StoreError, postgres};
use lienthong_contract_tests::postgres::{Server, fresh_database};
use tokio::task::JoinSet;

use super::writes::{LEASE, ROUTE, at, put, reply, settlement, steps};
use super::{POSTGRES_LIMITS, Place, Stores, eventually, only_on_postgres, postgres_settings};

async fn place_on(server: &Server) -> postgres::Settings {
    postgres_settings(fresh_database(&server.connection_string()).await.unwrap())
}

async fn refusal(settings: postgres::Settings) -> StoreError {
    Place::Postgres(settings).open(MIGRATIONS, true).await.err().expect("it was opened")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_would_lose_what_it_was_given_is_refused() {
    for setting in ["fsync", "full_page_writes"] {
        let server = Server::start_with(&[(setting, "off")]).unwrap();
        let reason = refusal(place_on(&server).await).await.to_string();
        assert!(reason.contains(&format!("{setting}=off; on is needed")), "{reason}");
        assert!(reason.contains("would lose acknowledged requests"), "{reason}");
    }
}

/// The address with a setting in it.
fn with_option(stores: &Stores, option: &str) -> postgres::Settings {
    let settings = stores.place.settings().clone();
    postgres::Settings { url: format!("{} options='-c {option}'", settings.url), ..settings }
}

async fn commits_wait_for_the_disk_whatever_the_server_s_habit_is(stores: Stores) {
    let outsider = stores.place.outsider().await;
    let habit =
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$";
    outsider.batch_execute(habit).await.unwrap();
    let backlog = Arc::new(Backlog::new(100));
    let database = Postgres::open(stores.place.settings(), POSTGRES_LIMITS, backlog, MIGRATIONS, false).await.unwrap();
    let rows = database.query("SELECT current_setting('synchronous_commit')", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>(0), "on");
    // Who asks for less in the address is refused.
    let reason = refusal(with_option(&stores, "synchronous_commit=off")).await.to_string();
    assert!(reason.contains("synchronous_commit=off"), "{reason}");
}

async fn a_database_that_does_not_tell_which_transactions_are_open_is_refused(stores: Stores) {
    let reason = refusal(with_option(&stores, "track_activities=off")).await.to_string();
    assert!(reason.contains("track_activities=off; on is needed"), "{reason}");
}

/// What writers were told.
#[derive(Default)]
struct Told {
    accepted: Mutex<Vec<PutDossier>>,
    unknown: AtomicUsize,
    is_over: AtomicBool,
}

async fn write_on(stores: Stores, writer: usize, told: Arc<Told>) {
    let mut n = 0;
    while !told.is_over.load(Ordering::Relaxed) {
        n += 1;
        let write = put(&stores, &format!("{writer}-{n}"), None);
        match stores.dossiers.put(write.clone()).await {
            Ok(()) => told.accepted.lock().unwrap().push(write),
            Err(StoreError::Unavailable(_)) => {
                told.unknown.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_killed_server_and_writes_go_on_when_it_is_back() {
    let mut server = Server::start().unwrap();
    let place = Place::Postgres(place_on(&server).await);
    let stores = Stores::at(Arc::new(tempfile::tempdir().unwrap()), place).await;
    let told = Arc::new(Told::default());
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        writers.spawn(write_on(stores.clone(), writer, Arc::clone(&told)));
    }
    let accepted = || told.accepted.lock().unwrap().len();
    for _ in 0..3 {
        let (written, unknown) = (accepted(), told.unknown.load(Ordering::Relaxed));
        eventually("writes are accepted", async || accepted() > written + 100).await;
        server = tokio::task::spawn_blocking(move || {
            server.kill().unwrap();
            server
        })
        .await
        .unwrap();
        eventually("writes are answered", async || told.unknown.load(Ordering::Relaxed) > unknown + 8).await;
        server = tokio::task::spawn_blocking(move || {
            server.restart().unwrap();
            server
        })
        .await
        .unwrap();
    }
    let written = accepted();
    eventually("writes are accepted", async || accepted() > written + 8).await;
    told.is_over.store(true, Ordering::Relaxed);
    writers.join_all().await;

    let written = std::mem::take(&mut *told.accepted.lock().unwrap());
    let most = written.len() + told.unknown.load(Ordering::Relaxed);
    for write in written {
        let row = stores.dossiers.find(&write.row.code).await.unwrap();
        assert_eq!(row.map(|row| row.operation_id), Some(write.row.operation_id), "{} was answered", write.row.code);
    }
    let kept = stores.count("SELECT count(*) FROM dossier").await;
    assert!(kept <= i64::try_from(most).unwrap());
    for sql in ["SELECT count(*) FROM outbox", "SELECT count(*) FROM body", "SELECT count(*) FROM audit_pending"] {
        assert_eq!(stores.count(sql).await, kept, "{sql}");
    }
}

async fn a_crowd_shares_a_bounded_number_of_connections(stores: Stores) {
    let settings = postgres::Settings { most_connections: 3, ..stores.place.settings().clone() };
    let narrow = Stores::at(Arc::clone(&stores.folder), Place::Postgres(settings)).await;
    let outsider = stores.place.outsider().await;
    // One more each listens to what the replicas tell each other.
    let most = 3 + 1 + connections(&outsider).await;
    let mut crowd = JoinSet::new();
    for n in 0..100 {
        let narrow = narrow.clone();
        crowd.spawn(async move {
            let code = format!("d{n}");
            narrow.dossiers.put(put(&narrow, &code, None)).await.unwrap();
            assert!(narrow.dossiers.find(&code).await.unwrap().is_some());
            narrow.outbox.claim(narrow.replica, at(1), LEASE, 1).await.unwrap();
        });
    }
    while !crowd.is_empty() {
        let open = connections(&outsider).await;
        assert!(open <= most, "{open} connections");
        while let Some(ended) = crowd.try_join_next() {
            ended.unwrap();
        }
    }
}

async fn connections(outsider: &tokio_postgres::Client) -> i32 {
    let sql = "SELECT count(*)::int FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = 'lienthong'";
    outsider.query_one(sql, &[]).await.unwrap().get(0)
}

async fn whoever_gets_no_connection_in_time_is_told_so(stores: Stores) {
    let statement_timeout = Duration::from_millis(300);
    let settings = postgres::Settings { most_connections: 1, statement_timeout, ..stores.place.settings().clone() };
    let backlog = Arc::new(Backlog::new(100));
    let narrow = Postgres::open(&settings, POSTGRES_LIMITS, backlog, MIGRATIONS, false).await.unwrap();
    let _only_one = narrow.connection().await.unwrap();
    let asked = Instant::now();
    assert!(matches!(narrow.connection().await.err(), Some(StoreError::Unavailable(_))));
    assert!(asked.elapsed() >= statement_timeout && asked.elapsed() < statement_timeout * 5, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_reached_is_told_within_the_connect_timeout() {
    let connect_timeout = Duration::from_millis(400);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (url, is_silent) in [
        (format!("host=127.0.0.1 port={} user=u dbname=d", silent.local_addr().unwrap().port()), true),
        (format!("host=127.0.0.1 port={closed} user=u dbname=d"), false),
        ("host=/nowhere user=u dbname=d".to_owned(), false),
    ] {
        let asked = Instant::now();
        let error = refusal(postgres::Settings { connect_timeout, ..postgres_settings(url.clone()) }).await;
        assert!(matches!(error, StoreError::Unavailable(_)), "{url}: {error:?}");
        let took = asked.elapsed();
        assert!(took < connect_timeout * 3 && (took >= connect_timeout) == is_silent, "{url}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_gone_is_told_by_every_store_at_once_and_found_again_when_it_is_back() {
    let mut server = Server::start().unwrap();
    let place = Place::Postgres(place_on(&server).await);
    let stores = Stores::at(Arc::new(tempfile::tempdir().unwrap()), place).await;
    let leadership = stores.lead().await;
    server.stop().unwrap();
    let asked = Instant::now();
    let is_told = |error: Option<StoreError>| assert!(matches!(error, Some(StoreError::Unavailable(_))), "{error:?}");
    is_told(stores.dossiers.put(put(&stores, "a", None)).await.err());
    is_told(stores.dossiers.find("a").await.err());
    is_told(stores.outbox.claim(stores.replica, at(1), LEASE, 1).await.err());
    is_told(stores.replies.keep(reply("client", "key")).await.err());
    is_told(stores.audit.place(leadership, 1).await.err());
    is_told(stores.replicas.renew(stores.replica, Duration::from_secs(600)).await.err());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    server.restart().unwrap();
    stores.dossiers.put(put(&stores, "a", None)).await.unwrap();
    assert_eq!(stores.log().await.len(), 1, "it still leads");
}

/// Plans are kept, and statistics come late: one that was made for an empty table must not read all of a full one.
async fn no_request_reads_a_whole_table(stores: Stores) {
    let outsider = stores.place.outsider().await;
    for round in 0..20 {
        for n in 0..5 {
            let code = format!("{round}-{n}");
            stores.dossiers.put(put(&stores, &code, None)).await.unwrap();
            stores.dossiers.put(put(&stores, &code, Some(1))).await.unwrap();
            stores.dossiers.append_steps(steps(&stores, &code, 0, 2, &code)).await.unwrap();
        }
        for claimed in stores.outbox.claim(stores.replica, at(1), LEASE, 5).await.unwrap() {
            assert!(stores.outbox.settle(settlement(&claimed, Status::Delivered, None)).await.unwrap());
        }
        stores.outbox.claim(stores.replica, at(1), LEASE, 1).await.unwrap();
        stores.outbox.release(stores.replica, HashSet::new(), at(2)).await.unwrap();
        stores.outbox.take_back(at(2), at(2)).await.unwrap();
        stores.outbox.counts().await.unwrap();
        stores.outbox.waiting(10).await.unwrap();
        stores.outbox.next_due().await.unwrap();
        stores.outbox.lane(ROUTE, format!("{round}-0")).await.unwrap();
        let page = PageQuery { after: None, updated_since: None, state: None, limit: 10 };
        stores.dossiers.page(page).await.unwrap();
        stores.log().await;
    }
    drop(stores);
    // Sessions tell their counts when they end.
    eventually("all sessions have ended", async || connections(&outsider).await == 0).await;
    let sql = "SELECT relname::text, seq_scan, seq_tup_read, idx_scan FROM pg_stat_user_tables WHERE relname IN \
               ('outbox', 'lane', 'dossier', 'dossier_step', 'body', 'audit_pending', 'audit_record', 'idempotency')";
    let tables = outsider.query(sql, &[]).await.unwrap();
    assert_eq!(tables.len(), 8);
    let looked_up: i64 = tables.iter().map(|row| row.get::<_, i64>(3)).sum();
    assert!(looked_up > 1000, "nothing was counted: {looked_up}");
    for row in tables {
        let (name, scans, rows): (&str, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(rows, 0, "{name}: {scans} scans read {rows} rows");
    }
}

only_on_postgres! {
    no_request_reads_a_whole_table,
    commits_wait_for_the_disk_whatever_the_server_s_habit_is,
    a_database_that_does_not_tell_which_transactions_are_open_is_refused,
    a_crowd_shares_a_bounded_number_of_connections,
    whoever_gets_no_connection_in_time_is_told_so,
}
