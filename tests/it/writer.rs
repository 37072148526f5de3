//! The writer's queue.

use std::sync::Arc;
use std::sync::mpsc;

use lienthong::storage::StoreError;

use crate::stores::Stores;

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_queue_the_writer_refuses_at_once_and_what_it_took_it_writes() {
    let stores = Arc::new(Stores::open());
    let (go, wait) = mpsc::channel::<()>();
    let writer = stores.database.writer.clone();
    // The first request holds the writer until it is told to go.
    let first = tokio::spawn(async move { writer.accept(move |_| wait.recv().map_err(StoreError::failed)).await });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let waiting: Vec<_> = (0..1100)
        .map(|_| {
            let writer = stores.database.writer.clone();
            tokio::spawn(async move { writer.accept(|_| Ok(())).await })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
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
