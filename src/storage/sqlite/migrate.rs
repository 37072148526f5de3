//! Migrations on SQLite: each in a transaction of its own, so that an interrupted run goes on where it stopped.

use rusqlite::{Connection, TransactionBehavior};

use crate::storage::StoreError;
use crate::storage::migrations::{self, Migration, Ran};

/// Runs what is missing, or says what is if `may_run` is false. Returns what was run.
pub(super) fn run(
    connection: &mut Connection,
    known: &'static [Migration],
    may_run: bool,
) -> Result<Vec<&'static Migration>, StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL, \
         is_additive INTEGER NOT NULL) STRICT",
    )?;
    let missing = migrations::to_run(known, &ran(connection)?, |migration| migration.sqlite)?;
    if !missing.is_empty() && !may_run {
        return Err(migrations::must_migrate(&missing));
    }
    for migration in &missing {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_done = ran(&transaction)?.iter().any(|ran| ran.number == migration.number);
        if is_done {
            continue;
        }
        transaction.execute_batch(migration.sqlite)?;
        transaction.execute(
            "INSERT INTO migration (number, name, digest, is_additive) VALUES (?1, ?2, ?3, ?4)",
            (migration.number, migration.name, migrations::digest_of(migration.sqlite), migration.is_additive),
        )?;
        transaction.commit()?;
    }
    Ok(missing)
}

/// Whether all of it was run. Writes nothing.
pub(super) fn check(connection: &Connection, known: &[Migration]) -> Result<(), StoreError> {
    let has_any = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration')";
    let has_any: bool = connection.query_row(has_any, [], |row| row.get(0))?;
    let ran = if has_any { ran(connection)? } else { Vec::new() };
    let missing = migrations::to_run(known, &ran, |migration| migration.sqlite)?;
    if missing.is_empty() { Ok(()) } else { Err(migrations::must_migrate(&missing)) }
}

fn ran(connection: &Connection) -> Result<Vec<Ran>, StoreError> {
    let mut statement =
        connection.prepare("SELECT number, name, digest, is_additive FROM migration ORDER BY number")?;
    let rows = statement.query_map([], |row| {
        Ok(Ran { number: row.get(0)?, name: row.get(1)?, digest: row.get(2)?, is_additive: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
