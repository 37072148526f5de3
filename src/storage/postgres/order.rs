//! Times of change that a reader may rely on. Rows become visible when they commit, not in the order of the times that
//! they carry: whoever follows a list by time must not read past a transaction that is still under way.

use super::Postgres;
use crate::storage::StoreError;
use lienthong_domain::time::Timestamp;

/// Everything that was or will be written with an earlier time is visible to a statement that begins after this call.
/// Times of change are the server's, taken inside their transactions: none is earlier than its transaction's beginning.
pub async fn settled_before(database: &Postgres) -> Result<Timestamp, StoreError> {
    // The statement's own time is taken before the look at the others, so that one that begins meanwhile is later. Of a
    // session that this role may not see, not even its beginning is shown.
    let sql = "SELECT (extract(epoch FROM least(statement_timestamp(), min(xact_start))) * 1000000)::bigint, \
               count(*) FILTER (WHERE backend_start IS NULL) \
               FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lienthong' \
               AND pid <> pg_backend_pid()";
    let rows = database.query(sql, &[]).await?;
    let row = rows.first().ok_or(StoreError::NotApplicable)?;
    let hidden: i64 = row.get(1);
    if hidden > 0 {
        // What they are writing cannot be seen: better no list than one with holes.
        return Err(StoreError::Failed(format!(
            "{hidden} sessions of the gateway belong to a role whose activity this one may not see: let all replicas use \
             one role, or GRANT pg_read_all_stats"
        )));
    }
    Ok(Timestamp::from_micros(row.get(0)))
}
