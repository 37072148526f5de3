//! SQLite alone: the one writer and its queue, and look-ups.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use lienthong::storage::sqlite::{Sqlite, Transaction};
use lienthong::storage::{Database, StoreError};
use rusqlite::Connection;

use super::{SQLITE_LIMITS, Stores};

fn engine(stores: &Stores) -> &Sqlite {
    match &stores.database {
        Database::Sqlite(database) => database,
        Database::Postgres(_) => panic!("not SQLite"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_queue_the_writer_refuses_at_once_and_what_it_took_it_writes() {
    let stores = Stores::on_sqlite().await;
    let database = engine(&stores);
    let (go, wait) = mpsc::channel::<()>();
    let writer = database.writer.clone();
    // The first request holds the writer until it is told to go.
    let first = tokio::spawn(async move { writer.accept(move |_| wait.recv().map_err(StoreError::failed)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waiting: Vec<_> = (0..1100)
        .map(|_| {
            let writer = database.writer.clone();
            tokio::spawn(async move { writer.accept(|_| Ok(())).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    let mut refused = 0;
    for request in waiting {
        match request.await.unwrap() {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, StoreError::Busy);
                refused += 1;
            }
        }
    }
    // 1,000 places, and up to a batch that was drained before the first request began.
    assert!((1..=100).contains(&refused), "{refused} of 1100 refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_look_ups_at_a_time_sees_what_was_committed_before_it_was_asked() {
    let stores = Stores::on_sqlite().await;
    let database = engine(&stores);
    let create = |sql: &'static str| {
        database.writer.write(move |transaction| Ok(transaction.connection.prepare_cached(sql)?.execute([])?))
    };
    create("CREATE TABLE seen (n INTEGER PRIMARY KEY)").await.unwrap();
    let asking: Vec<_> = (0..40)
        .map(|asker: i64| {
            let database = database.clone();
            tokio::spawn(async move {
                for n in (asker * 100)..(asker * 100 + 25) {
                    let insert = move |transaction: &mut Transaction<'_>| {
                        Ok(transaction.connection.prepare_cached("INSERT INTO seen VALUES (?1)")?.execute([n])?)
                    };
                    database.writer.write(insert).await.unwrap();
                    let find = move |connection: &Connection| {
                        Ok(connection.query_row("SELECT count(*) FROM seen WHERE n = ?1", [n], |row| row.get(0))?)
                    };
                    assert_eq!(database.readers.look_up(find).await, Ok(1_i64), "{n}");
                }
            })
        })
        .collect();
    for asker in asking {
        asker.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_panics_or_whose_asker_has_gone_fails_alone() {
    let stores = Stores::on_sqlite().await;
    let database = engine(&stores);
    let (go, wait) = mpsc::channel::<()>();
    let readers = database.readers.clone();
    // Those that come while the first one is under way are done together.
    let first = tokio::spawn(async move { readers.look_up(move |_| wait.recv().map_err(StoreError::failed)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let look_up = |n: i64| {
        let readers = database.readers.clone();
        tokio::spawn(async move {
            let read = move |connection: &Connection| {
                assert!(n % 7 != 3, "as the test wants it");
                Ok(connection.query_row("SELECT ?1", [n], |row| row.get::<_, i64>(0))?)
            };
            readers.look_up(read).await
        })
    };
    let asked: Vec<_> = (0..100).map(look_up).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    asked[0].abort();
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    for (n, answer) in (0..).zip(asked).skip(1) {
        let answer = answer.await.unwrap();
        let expected = if n % 7 == 3 { Err(StoreError::Failed("a read panicked".into())) } else { Ok(n) };
        assert_eq!(answer, expected);
    }
    assert_eq!(look_up(1000).await.unwrap(), Ok(1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_without_end_do_not_keep_other_reads_waiting() {
    let stores = Stores::on_sqlite().await;
    let database = engine(&stores);
    let asking: Vec<_> = (0..200)
        .map(|_| {
            let readers = database.readers.clone();
            tokio::spawn(async move {
                let slow = |_: &Connection| {
                    std::thread::sleep(Duration::from_millis(2));
                    Ok(())
                };
                loop {
                    readers.look_up(slow).await.unwrap();
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..10 {
        let read = database.readers.read(|connection| Ok(connection.query_row("SELECT 1", [], |row| row.get(0))?));
        assert_eq!(tokio::time::timeout(Duration::from_secs(5), read).await.expect("starved"), Ok(1_i64));
    }
    for asker in &asking {
        assert!(!asker.is_finished());
        asker.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_that_nobody_waits_for_any_more_take_no_room_and_too_many_that_are_waited_for_are_refused() {
    let stores = Stores::on_sqlite().await;
    let database = engine(&stores);
    // Every connection is held.
    let (go, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let held: Vec<_> = (0..SQLITE_LIMITS.readers)
        .map(|_| {
            let (readers, wait) = (database.readers.clone(), Arc::clone(&wait));
            tokio::spawn(
                async move { readers.read(move |_| wait.lock().unwrap().recv().map_err(StoreError::failed)).await },
            )
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let ask = async |many: usize| {
        let asked = (0..many).map(|_| {
            let readers = database.readers.clone();
            tokio::spawn(async move { readers.look_up(|_| Ok(())).await })
        });
        let asked: Vec<_> = asked.collect();
        tokio::time::sleep(Duration::from_millis(500)).await;
        asked
    };
    for _ in 0..3 {
        let abandoned = ask(6_000).await;
        for asker in &abandoned {
            assert!(!asker.is_finished(), "refused although nobody waits for the others");
            asker.abort();
        }
        for asker in abandoned {
            assert!(asker.await.unwrap_err().is_cancelled());
        }
    }
    let wanted = ask(12_000).await;
    super::eventually("all have asked", async || wanted.iter().filter(|asker| asker.is_finished()).count() >= 2_000)
        .await;
    held.iter().for_each(|_| go.send(()).unwrap());
    for reader in held {
        reader.await.unwrap().unwrap();
    }
    let (mut done, mut refused) = (0, 0);
    for asker in wanted {
        match asker.await.unwrap() {
            Ok(()) => done += 1,
            Err(error) => {
                assert_eq!(error, StoreError::Busy);
                refused += 1;
            }
        }
    }
    assert_eq!((done, refused), (10_000, 2_000));
}
