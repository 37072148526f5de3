//! PostgreSQL's errors as decisions. Texts of the server may hold values of a row: only code and names of things are kept.

use deadpool_postgres::PoolError;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::storage::StoreError;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error.as_db_error() {
            Some(refusal) => of_server(refusal),
            // Whatever ends a connection: the socket, TLS, a server that is starting.
            None => Self::Unavailable(causes(&error)),
        }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => match Self::from(error) {
                // A refused password or database is no reason to think that a write was taken.
                Self::Failed(reason) => Self::Unavailable(reason),
                other => other,
            },
            other => Self::Unavailable(other.to_string()),
        }
    }
}

fn of_server(refusal: &DbError) -> StoreError {
    let code = refusal.code();
    let named = [refusal.table(), refusal.constraint()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let text = format!("PostgreSQL {} {named}", code.code());
    let again = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    if again.contains(code) {
        // The transaction had no effect.
        return StoreError::Busy;
    }
    if *code == SqlState::DISK_FULL {
        return StoreError::DiskFull;
    }
    // Connection, resources, operator intervention, a server that became a standby, transactions that were cut off.
    let class = &code.code()[..2.min(code.code().len())];
    let is_passing = matches!(class, "08" | "53" | "57" | "58")
        || [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(code);
    if is_passing { StoreError::Unavailable(text) } else { StoreError::Failed(text) }
}

fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text.chars().take(300).collect()
}
