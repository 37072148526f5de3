//! The probe: the same rows, inserted by nothing but statements in batches.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use lienthong::dossiers::store::PutDossier;
use lienthong::storage::migrations::MIGRATIONS;
use rusqlite::{Connection, params};
use tokio_postgres::NoTls;

use super::stores::Maker;
use super::{POSTGRES_BATCH, SQLITE_BATCH};

/// Rows that are made before the clock runs.
const READY: usize = 200_000;

fn ready() -> Result<Vec<PutDossier>> {
    let folder = tempfile::tempdir()?;
    let maker = Maker::new(folder.path())?;
    Ok((0..READY).map(|_| maker.put()).collect::<Result<_, _>>()?)
}

/// Dossiers a second on SQLite, with the pragmas of the gateway.
pub(crate) async fn sqlite(file: &Path, length: Duration) -> Result<f64> {
    let (values, file) = (ready()?, file.to_owned());
    tokio::task::spawn_blocking(move || {
        let connection = Connection::open(file)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")?;
        MIGRATIONS.iter().try_for_each(|migration| connection.execute_batch(migration.sqlite))?;
        let (started, mut written) = (Instant::now(), 0);
        for batch in values.chunks(SQLITE_BATCH) {
            if started.elapsed() > length {
                break;
            }
            connection.execute_batch("BEGIN IMMEDIATE")?;
            for (n, value) in batch.iter().enumerate() {
                insert(&connection, value, i64::try_from(written + n)?)?;
            }
            connection.execute_batch("COMMIT")?;
            written += batch.len();
        }
        Ok(written as f64 / started.elapsed().as_secs_f64())
    })
    .await?
}

fn insert(connection: &Connection, value: &PutDossier, index: i64) -> Result<()> {
    let (row, body, item, record) = (&value.row, &value.body, &value.item, &value.record);
    let now = row.accepted_at.micros();
    connection
        .prepare_cached(
            "INSERT INTO dossier (code, client_id, agency_id, procedure_code, revision, digest, state, steps, body_id, \
             operation_id, accepted_at, updated_at) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, 0, ?7, ?8, ?9, ?9)",
        )?
        .execute(params![
            row.code,
            row.client_id,
            row.agency_id,
            row.procedure_code,
            row.digest,
            row.state.as_str(),
            row.body_id.as_bytes(),
            row.operation_id.as_bytes(),
            now + index
        ])?;
    connection
        .prepare_cached("INSERT INTO body (id, key_id, wrapped_key, sealed) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![body.id.as_bytes(), body.key_id, body.wrapped_key, body.sealed])?;
    connection
        .prepare_cached("INSERT INTO lane (route, lane, tail) VALUES (?1, ?2, 1)")?
        .execute(params![item.route, item.lane])?;
    connection
        .prepare_cached(
            "INSERT INTO outbox (id, operation_id, client_id, agency_id, route, lane, position, kind, ordinal, body_id, \
             status, is_open, is_head, due_at, accepted_at, updated_at, traceparent) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, 1, ?8, 'accepted', 1, 1, ?9, ?9, ?9, ?10)",
        )?
        .execute(params![
            item.id.as_bytes(),
            item.operation_id.as_bytes(),
            item.client_id,
            item.agency_id,
            item.route,
            item.lane,
            item.kind,
            item.body_id.as_bytes(),
            now,
            item.traceparent
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO audit_record (shard, idx, id, at, leaf_hash, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            record.shard,
            index,
            record.id.as_bytes(),
            record.at.micros(),
            record.leaf_hash,
            record.bytes
        ])?;
    Ok(())
}

/// Dossiers a second on PostgreSQL: a transaction of one `unnest` statement a table, on one connection.
pub(crate) async fn postgres(url: &str, length: Duration) -> Result<f64> {
    let values = ready()?;
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    for migration in MIGRATIONS {
        client.batch_execute(migration.postgres).await?;
    }
    let dossier = client
        .prepare(
            "INSERT INTO dossier (code, client_id, agency_id, procedure_code, revision, digest, state, steps, body_id, \
             operation_id, accepted_at, updated_at) SELECT c, 'bench', a, p, 1, d, s, 0, b, o, t, t FROM \
             unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::uuid[], $7::uuid[], $8::bigint[]) \
             AS new (c, a, p, d, s, b, o, t)",
        )
        .await?;
    let body = client
        .prepare("INSERT INTO body SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[])")
        .await?;
    let lane = client
        .prepare(
            "INSERT INTO lane (route, lane, tail) SELECT 'dossier-portal', l, 1 FROM unnest($1::text[]) AS new (l)",
        )
        .await?;
    let outbox = client
        .prepare(
            "INSERT INTO outbox (id, operation_id, client_id, agency_id, route, lane, position, kind, ordinal, body_id, \
             status, is_open, is_head, due_at, accepted_at, updated_at, traceparent) SELECT i, o, 'bench', a, \
             'dossier-portal', l, 1, 'dossier.sync', 1, b, 'accepted', true, true, t, t, t, p FROM \
             unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::text[]) \
             AS new (i, o, a, l, b, t, p)",
        )
        .await?;
    let audit = client
        .prepare(
            "INSERT INTO audit_pending (shard, id, at, leaf_hash, record) \
             SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bytea[], $5::bytea[])",
        )
        .await?;
    let (started, mut written) = (Instant::now(), 0);
    for batch in values.chunks(POSTGRES_BATCH) {
        if started.elapsed() > length {
            break;
        }
        let codes: Vec<&str> = batch.iter().map(|v| v.row.code.as_str()).collect();
        let agencies: Vec<&str> = batch.iter().map(|v| v.row.agency_id.as_str()).collect();
        let procedures: Vec<&str> = batch.iter().map(|v| v.row.procedure_code.as_str()).collect();
        let digests: Vec<&[u8]> = batch.iter().map(|v| v.row.digest.as_slice()).collect();
        let states: Vec<&str> = batch.iter().map(|v| v.row.state.as_str()).collect();
        let bodies: Vec<_> = batch.iter().map(|v| v.body.id).collect();
        let operations: Vec<_> = batch.iter().map(|v| v.row.operation_id).collect();
        let times: Vec<i64> = batch.iter().map(|v| v.row.accepted_at.micros()).collect();
        let key_ids: Vec<i64> = batch.iter().map(|v| v.body.key_id).collect();
        let wrapped: Vec<&[u8]> = batch.iter().map(|v| v.body.wrapped_key.as_slice()).collect();
        let sealed: Vec<&[u8]> = batch.iter().map(|v| v.body.sealed.as_slice()).collect();
        let items: Vec<_> = batch.iter().map(|v| v.item.id).collect();
        let traces: Vec<_> = batch.iter().map(|v| v.item.traceparent.as_deref()).collect();
        let shards: Vec<&str> = batch.iter().map(|v| v.record.shard.as_str()).collect();
        let records: Vec<_> = batch.iter().map(|v| v.record.id).collect();
        let hashes: Vec<&[u8]> = batch.iter().map(|v| v.record.leaf_hash.as_slice()).collect();
        let bytes: Vec<&[u8]> = batch.iter().map(|v| v.record.bytes.as_slice()).collect();
        let transaction = client.transaction().await?;
        transaction
            .execute(&dossier, &[&codes, &agencies, &procedures, &digests, &states, &bodies, &operations, &times])
            .await?;
        transaction.execute(&body, &[&bodies, &key_ids, &wrapped, &sealed]).await?;
        transaction.execute(&lane, &[&codes]).await?;
        transaction.execute(&outbox, &[&items, &operations, &agencies, &codes, &bodies, &times, &traces]).await?;
        transaction.execute(&audit, &[&shards, &records, &times, &hashes, &bytes]).await?;
        transaction.commit().await?;
        written += batch.len();
    }
    Ok(written as f64 / started.elapsed().as_secs_f64())
}
