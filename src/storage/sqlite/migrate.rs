//! Numbered migrations, each with a digest: a file that was changed after it ran is noticed.

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::storage::StoreError;

/// Every migration, in order. A migration that has been released is never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[(1, "first", include_str!("migrations/0001_first.sql"))];

pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (
            number INTEGER PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL) STRICT",
    )?;
    for (number, name, sql) in MIGRATIONS {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let wanted = digest(&SHA256, sql.as_bytes());
        let found: Option<Vec<u8>> = transaction
            .query_row("SELECT digest FROM migration WHERE number = ?1", [number], |row| row.get(0))
            .optional()?;
        match found {
            Some(found) if found == wanted.as_ref() => {}
            Some(_) => {
                return Err(StoreError::Failed(format!(
                    "migration {number} ({name}) is not the one this database ran"
                )));
            }
            None => {
                transaction.execute_batch(sql)?;
                transaction.execute(
                    "INSERT INTO migration (number, name, digest) VALUES (?1, ?2, ?3)",
                    (number, name, wanted.as_ref()),
                )?;
                transaction.commit()?;
            }
        }
    }
    let newest: i64 = connection.query_row("SELECT max(number) FROM migration", [], |row| row.get(0))?;
    let known = MIGRATIONS.last().map_or(0, |(number, _, _)| *number);
    if newest > known {
        return Err(StoreError::Failed(format!(
            "this database has schema {newest}, this program knows {known}: run the newer program"
        )));
    }
    Ok(())
}
