//! Every replica must have the same keys, and none may be lost: the database remembers by what each is recognised.

use std::collections::HashMap;

use rusqlite::Connection;

use super::keys::{Keys, check_value};
use super::{Database, StoreError};

impl Database {
    /// Names of the keys that this database was written with.
    pub async fn known_keys(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM key_check ORDER BY name";
        match self {
            Self::Sqlite(database) => {
                let read = move |connection: &Connection| {
                    let mut statement = connection.prepare_cached(sql)?;
                    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
                };
                database.readers.read(read).await
            }
            Self::Postgres(database) => Ok(database.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect()),
        }
    }

    /// By what each key that this database was written with is recognised.
    pub async fn key_values(&self) -> Result<HashMap<String, Vec<u8>>, StoreError> {
        let sql = "SELECT name, value FROM key_check";
        match self {
            Self::Sqlite(database) => {
                let read = move |connection: &Connection| {
                    let mut statement = connection.prepare_cached(sql)?;
                    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    Ok(rows.collect::<Result<_, _>>()?)
                };
                database.readers.read(read).await
            }
            Self::Postgres(database) => {
                Ok(database.query(sql, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
            }
        }
    }

    /// Checks that the named keys are those that the database was written with; makes known those that it does not know.
    pub async fn check_keys(&self, keys: &Keys, names: &[String]) -> Result<(), StoreError> {
        for name in names {
            let value = check_value(keys.folder(), name)?;
            if self.known_value(name, &value).await? != value {
                return Err(StoreError::Failed(format!(
                    "{name} in storage.keys_folder is not the key that this database was written with. All replicas must \
                     have the same keys: copy the key folder of a replica that works, or restore it from its own backup"
                )));
            }
        }
        Ok(())
    }

    /// The value that the database knows of this key; the given one if it knew none.
    async fn known_value(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Sqlite(database) => {
                let (name, value) = (name.to_owned(), value.to_owned());
                let sql = "INSERT INTO key_check (name, value) VALUES (?1, ?2) \
                           ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value";
                database
                    .writer
                    .write(move |transaction| {
                        Ok(transaction.connection.prepare_cached(sql)?.query_row((&name, &value), |row| row.get(0))?)
                    })
                    .await
            }
            Self::Postgres(database) => {
                let sql = "INSERT INTO key_check (name, value) VALUES ($1, $2) \
                           ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value";
                let known = database.query(sql, &[&name, &value]).await?;
                known.first().map(|row| row.get(0)).ok_or(StoreError::NotApplicable)
            }
        }
    }
}
