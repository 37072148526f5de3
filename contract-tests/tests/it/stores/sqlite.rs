//! SQLite alone: the one writer and its queue.

use std::sync::mpsc;
use std::time::Duration;

use lienthong::storage::{Database, StoreError};

use super::Stores;

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_queue_the_writer_refuses_at_once_and_what_it_took_it_writes() {
    let stores = Stores::on_sqlite().await;
    let Database::Sqlite(database) = &stores.database else { panic!("not SQLite") };
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
