//! A deployment's SQLite database filled directly and quickly: bodies that are really sealed, records that are really
//! hashed, a head that is their tree. Nothing of it was ever sent anywhere.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use lienthong::audit::{Draft, Frontier, Kind, Outcome, Recorder, SealedRecord};
use lienthong::dossiers::{ROUTE, STEP, SYNC};
use lienthong::storage::bodies::Bodies;
use lienthong::storage::keys::Keys;
use lienthong_domain::time::{SystemClock, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction};
use uuid::Uuid;

use crate::load;

const DOSSIERS_IN_A_TRANSACTION: usize = 20_000;
/// One in so many has a step, and so a stored reply.
const STEP_EVERY: usize = 5;
const AGENCY: &str = "H15.50";
const CLIENT: &str = "province";
const PROBLEM: &str = r#"{"kind":"rejected","reason":{"en":"Refused.","vi":"Bị từ chối."}}"#;

/// Where an item stands, and what else its row says then.
struct Standing {
    status: &'static str,
    is_open: bool,
    is_held: bool,
    problem: Option<&'static str>,
}

const DELIVERED: Standing = Standing { status: "delivered", is_open: false, is_held: false, problem: None };
/// Of every hundred dossiers the first few.
const OTHERS: [Standing; 4] = [
    Standing { status: "dead", is_open: true, is_held: false, problem: Some(PROBLEM) },
    Standing { status: "unknown", is_open: true, is_held: false, problem: None },
    Standing { status: "sending", is_open: true, is_held: true, problem: None },
    Standing { status: "accepted", is_open: true, is_held: false, problem: None },
];

pub fn code(number: usize) -> String {
    format!("H15.50-261128-{number:07}")
}

/// Writes `dossiers` into a database that the gateway has made, with the deployment's own keys.
pub fn fill(file: &Path, keys: &Path, deployment: &str, dossiers: usize) -> Result<()> {
    let keys = Arc::new(Keys::open(keys, false, &[])?);
    let recorder = Recorder::new(deployment.to_owned(), Arc::clone(&keys), Arc::new(SystemClock));
    let mut connection = Connection::open(file)?;
    // Whoever is interrupted here begins anew.
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")?;
    let (shard, tree) = head(&connection)?;
    let mut filler = Filler { bodies: Bodies::new(keys), recorder, tree, shard };
    let numbers: Vec<usize> = (0..dossiers).collect();
    for numbers in numbers.chunks(DOSSIERS_IN_A_TRANSACTION) {
        let transaction = connection.transaction()?;
        for number in numbers {
            filler.dossier(&transaction, *number).with_context(|| format!("dossier {number}"))?;
        }
        transaction.commit()?;
    }
    connection.execute(
        "INSERT OR REPLACE INTO audit_head (shard, size, frontier, epoch) VALUES (?1, ?2, ?3, 0)",
        (&filler.shard, filler.tree.size().cast_signed(), filler.tree.to_bytes()),
    )?;
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// The log as the gateway has left it.
fn head(connection: &Connection) -> Result<(String, Frontier)> {
    let found = connection
        .query_row("SELECT shard, size, frontier FROM audit_head", [], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()?;
    let Some((shard, size, bytes)) = found else { return Ok(Default::default()) };
    Ok((shard, Frontier::from_bytes(size.cast_unsigned(), &bytes).context("a damaged head")?))
}

struct Filler {
    bodies: Bodies,
    recorder: Recorder,
    tree: Frontier,
    shard: String,
}

/// What a dossier and its items have in common.
struct Lane<'a> {
    code: &'a str,
    operation: Uuid,
    at: i64,
}

impl Filler {
    fn dossier(&mut self, to: &Transaction<'_>, number: usize) -> Result<()> {
        let code = code(number);
        let standing = OTHERS.get(number % 100).unwrap_or(&DELIVERED);
        let has_step = number.is_multiple_of(STEP_EVERY);
        let lane = Lane { code: &code, operation: Uuid::now_v7(), at: 1_790_000_000_000_000 + number as i64 };
        let body = self.body(to, load::dossier("processing", &"ghi chú của hồ sơ ".repeat(24)))?;
        to.prepare_cached(
            "INSERT INTO dossier VALUES (?1, ?2, ?3, '1.001612', 1, ?4, 'processing', ?5, ?6, ?7, ?8, ?9, ?9)",
        )?
        .execute((
            &code,
            CLIENT,
            AGENCY,
            [number.to_be_bytes(); 4].concat(),
            has_step.then_some("processing"),
            i64::from(has_step),
            body.as_bytes(),
            lane.operation.as_bytes(),
            lane.at,
        ))?;
        self.item(to, &lane, SYNC, 1, body, standing)?;
        if has_step {
            self.step(to, &lane, standing)?;
        }
        let acknowledged = (!standing.is_open).then_some(1);
        to.prepare_cached("INSERT INTO lane VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
            ROUTE,
            &code,
            1 + i64::from(has_step),
            acknowledged.map(|_| "present"),
            acknowledged,
            acknowledged.map(|_| lane.at),
        ))?;
        Ok(())
    }

    fn step(&mut self, to: &Transaction<'_>, lane: &Lane<'_>, of_dossier: &Standing) -> Result<()> {
        let body = self.body(to, load::step("processing", "Thẩm định hồ sơ"))?;
        to.prepare_cached("INSERT INTO dossier_step VALUES (?1, 1, ?2, ?3, ?4, ?5)")?.execute((
            lane.code,
            CLIENT,
            AGENCY,
            body.as_bytes(),
            lane.at,
        ))?;
        to.prepare_cached("INSERT INTO idempotency VALUES (?1, ?2, ?3, 202, ?4, ?5)")?.execute((
            CLIENT,
            Uuid::now_v7().to_string(),
            [7_u8; 32],
            [b' '; 300],
            lane.at,
        ))?;
        let waits = Standing { status: "accepted", ..OTHERS[3] };
        self.item(to, lane, STEP, 2, body, if of_dossier.is_open { &waits } else { &DELIVERED })
    }

    fn body(&self, to: &Transaction<'_>, content: serde_json::Value) -> Result<Uuid> {
        let body = self.bodies.seal(&serde_json::to_vec(&content)?)?;
        to.prepare_cached("INSERT INTO body VALUES (?1, ?2, ?3, ?4)")?.execute((
            body.id.as_bytes(),
            body.key_id,
            &body.wrapped_key,
            &body.sealed,
        ))?;
        Ok(body.id)
    }

    fn item(
        &mut self,
        to: &Transaction<'_>,
        lane: &Lane<'_>,
        kind: &str,
        position: i64,
        body: Uuid,
        standing: &Standing,
    ) -> Result<()> {
        let is_tried = standing.status != "accepted";
        let is_head = standing.is_open && position == 1;
        // What waits is not due before this is over.
        let due_at = is_head.then_some(Timestamp::from_micros(i64::MAX / 2).micros());
        let holder = standing.is_held.then(Uuid::now_v7);
        to.prepare_cached(
            "INSERT INTO outbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9, ?10, ?11, ?12, ?13, 0, ?13, ?14, ?15, ?16, \
             ?17, ?18, ?18, ?19)",
        )?
        .execute(rusqlite::params![
            Uuid::now_v7().as_bytes(),
            lane.operation.as_bytes(),
            CLIENT,
            AGENCY,
            ROUTE,
            lane.code,
            position,
            kind,
            body.as_bytes(),
            standing.status,
            standing.is_open,
            is_head,
            i64::from(is_tried),
            holder.map(|id| id.as_bytes().to_vec()),
            due_at,
            is_tried.then_some(lane.at),
            standing.problem,
            lane.at,
            // Some before there were traces, some since.
            is_tried.then_some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
        ])?;
        let accept = if kind == SYNC { "dossier.sync" } else { "dossier.step" };
        self.record(to, Kind::Accept, accept, "accepted", lane.code)?;
        if is_tried {
            self.record(to, Kind::Send, "outbox.send", "sending", lane.code)?;
            let came_of_it = if standing.status == "sending" { "unknown" } else { standing.status };
            self.record(to, Kind::Outcome, "dossier.insert", came_of_it, lane.code)?;
        }
        Ok(())
    }

    fn record(
        &mut self,
        to: &Transaction<'_>,
        kind: Kind,
        op: &'static str,
        decision: &'static str,
        subject: &str,
    ) -> Result<()> {
        let draft = Draft::new(kind, op, Outcome::decided(decision)).client(CLIENT, AGENCY).subject(subject);
        let SealedRecord { id, shard, at, bytes, leaf_hash } = self.recorder.seal(&draft)?;
        let index = self.tree.append(leaf_hash).cast_signed();
        to.prepare_cached("INSERT INTO audit_record VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
            &shard,
            index,
            id.as_bytes(),
            at.micros(),
            leaf_hash,
            &bytes,
        ))?;
        self.shard = shard;
        Ok(())
    }
}
