//! Rows on their way from a reader to whoever takes them: in batches that are bounded in number and in bytes, so that a
//! table of any size needs a few MiB.

use tokio::sync::mpsc;

use super::value::{Row, Value};
use crate::storage::StoreError;

const BATCH_ROWS: usize = 1000;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait to be taken.
const BATCHES: usize = 2;

/// A batch, and whether it is the last one: a reader that ends without it has failed.
type Batch = Result<(Vec<Row>, bool), StoreError>;

/// The reader's end.
pub(super) struct Sender {
    channel: mpsc::Sender<Batch>,
    rows: Vec<Row>,
    bytes: usize,
}

/// The taker's end. Dropped, it ends the reader.
pub(super) struct Rows {
    channel: mpsc::Receiver<Batch>,
    batch: std::vec::IntoIter<Row>,
    is_last: bool,
}

/// Nobody takes rows any more.
pub(super) struct Gone;

pub(super) fn channel() -> (Sender, Rows) {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let sender = Sender { channel: sender, rows: Vec::new(), bytes: 0 };
    (sender, Rows { channel: receiver, batch: Vec::new().into_iter(), is_last: false })
}

pub(super) fn size_of(row: &[Value]) -> usize {
    row.iter().map(Value::bytes).sum()
}

impl Sender {
    /// Adds a row; gives a batch that is full.
    fn add(&mut self, row: Row) -> Option<Vec<Row>> {
        self.bytes += size_of(&row);
        self.rows.push(row);
        let is_full = self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES;
        is_full.then(|| self.take())
    }

    fn take(&mut self) -> Vec<Row> {
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }

    pub(super) async fn send(&mut self, row: Row) -> Result<(), Gone> {
        match self.add(row) {
            Some(batch) => self.channel.send(Ok((batch, false))).await.map_err(|_| Gone),
            None => Ok(()),
        }
    }

    /// The same on a thread that may block.
    pub(super) fn blocking_send(&mut self, row: Row) -> Result<(), Gone> {
        match self.add(row) {
            Some(batch) => self.channel.blocking_send(Ok((batch, false))).map_err(|_| Gone),
            None => Ok(()),
        }
    }

    /// What is left, or why there is no more. Whoever does not wait for it is not told.
    pub(super) async fn end(mut self, result: Result<(), StoreError>) {
        let last = result.map(|()| (self.take(), true));
        let _ = self.channel.send(last).await;
    }

    pub(super) fn blocking_end(mut self, result: Result<(), StoreError>) {
        let last = result.map(|()| (self.take(), true));
        let _ = self.channel.blocking_send(last);
    }
}

impl Rows {
    pub(super) async fn next(&mut self) -> Result<Option<Row>, StoreError> {
        loop {
            if let Some(row) = self.batch.next() {
                return Ok(Some(row));
            }
            if self.is_last {
                return Ok(None);
            }
            let next = self.channel.recv().await;
            let (batch, is_last) = next.unwrap_or_else(|| Err(StoreError::Failed("reading has broken off".into())))?;
            (self.batch, self.is_last) = (batch.into_iter(), is_last);
        }
    }
}
