//! Copying: rows in the order of their keys, in chunks, each one transaction together with how far it came. Never more than
//! a chunk is lost by being killed, and none is copied twice.

use std::pin::pin;

use deadpool_postgres::Object;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::source::Source;
use super::stream::{Rows, size_of};
use super::tables::{TABLES, Table};
use super::target::{self, Position};
use super::value::{Row, Value};
use super::{Phase, Progress, Watch};
use crate::storage::StoreError;

/// A chunk ends with the row that reaches this.
const CHUNK_BYTES: usize = 16 << 20;

pub(super) async fn run(
    session: &mut Object,
    source: &Source,
    positions: Vec<Position>,
    chunk_rows: usize,
    watch: Watch<'_>,
) -> Result<(), StoreError> {
    let mut progress = Progress {
        phase: Phase::Copy,
        table: "",
        rows: 0,
        of: 0,
        all: positions.iter().map(|p| p.rows).sum(),
        all_of: source.rows(),
    };
    for ((table, mut position), of) in TABLES.iter().zip(positions).zip(&source.counts) {
        (progress.table, progress.rows, progress.of) = (table.name, position.rows, *of);
        if position.rows < *of {
            watch(&progress);
        }
        let mut rows = source.read(table, position.last_key.clone());
        while let Some(first) = rows.next().await? {
            let before = position.rows;
            chunk(session, table, first, &mut rows, &mut position, chunk_rows).await?;
            progress.rows = position.rows;
            progress.all += position.rows - before;
            watch(&progress);
        }
    }
    Ok(())
}

async fn chunk(
    session: &mut Object,
    table: &Table,
    first: Row,
    rows: &mut Rows,
    position: &mut Position,
    chunk_rows: usize,
) -> Result<(), StoreError> {
    let transaction = session.transaction().await?;
    let types: Vec<Type> = table.columns.iter().map(|column| column.kind.postgres()).collect();
    let mut writer = pin!(BinaryCopyInWriter::new(transaction.copy_in(table.copy_in).await?, &types));
    let (from, mut written, mut bytes, mut row) = (position.rows, 0, 0, first);
    loop {
        writer.as_mut().write_raw(row.iter().map(Value::as_parameter)).await?;
        written += 1;
        bytes += size_of(&row);
        if written >= chunk_rows || bytes >= CHUNK_BYTES {
            break;
        }
        match rows.next().await? {
            Some(next) => row = next,
            None => break,
        }
    }
    writer.finish().await?;
    *position = Position { rows: from + written as u64, last_key: Some(table.key_of(&row)) };
    target::advance(&transaction, table, from, position).await?;
    Ok(transaction.commit().await?)
}
