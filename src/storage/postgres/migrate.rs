//! Migrations on PostgreSQL: one replica at a time, each migration in a transaction of its own.

use deadpool_postgres::{GenericClient, Object, Transaction};

use crate::storage::StoreError;
use crate::storage::migrations::{self, Migration, Ran};

/// Two replicas that start together must not both migrate.
const LOCK: i64 = 0x6c69_656e_7468_6f6e;

/// Runs what is missing, or says what is if `may_run` is false. Returns what was run.
pub(super) async fn run(
    connection: &mut Object,
    known: &'static [Migration],
    may_run: bool,
) -> Result<Vec<&'static Migration>, StoreError> {
    let transaction = connection.transaction().await?;
    wait_for_others(&transaction).await?;
    let is_there: bool = transaction.query_one("SELECT to_regclass('migration') IS NOT NULL", &[]).await?.get(0);
    if !is_there && !may_run {
        return Err(migrations::must_migrate(&known.iter().collect::<Vec<_>>()));
    }
    if !is_there {
        let sql = "CREATE TABLE migration (number bigint PRIMARY KEY, name text NOT NULL, digest bytea NOT NULL, \
                   is_additive boolean NOT NULL)";
        transaction.batch_execute(sql).await?;
    }
    let missing = migrations::to_run(known, &ran(&transaction).await?, |migration| migration.postgres)?;
    transaction.commit().await?;
    if !missing.is_empty() && !may_run {
        return Err(migrations::must_migrate(&missing));
    }
    for migration in &missing {
        run_one(connection, migration).await?;
    }
    Ok(missing)
}

async fn run_one(connection: &mut Object, migration: &Migration) -> Result<(), StoreError> {
    let transaction = connection.transaction().await?;
    wait_for_others(&transaction).await?;
    if ran(&transaction).await?.iter().any(|ran| ran.number == migration.number) {
        return Ok(());
    }
    if !migration.is_additive && migration.number > 1 {
        // Whoever joins meanwhile does so after this, and is told.
        transaction.batch_execute("LOCK TABLE replica IN SHARE ROW EXCLUSIVE MODE").await?;
        let sql = "SELECT count(*) FROM replica WHERE expires_at > now_micros() AND schema < $1";
        let older: i64 = transaction.query_one(sql, &[&migration.number]).await?.get(0);
        if older > 0 {
            return Err(StoreError::Failed(format!(
                "{older} replicas of an older program are running, which cannot work with migration {} ({}): stop them \
                 first",
                migration.number, migration.name
            )));
        }
    }
    transaction.batch_execute(migration.postgres).await?;
    let sql = "INSERT INTO migration (number, name, digest, is_additive) VALUES ($1, $2, $3, $4)";
    let digest = migrations::digest_of(migration.postgres);
    transaction.execute(sql, &[&migration.number, &migration.name, &digest, &migration.is_additive]).await?;
    transaction.commit().await?;
    Ok(())
}

/// Migrations may take longer than requests may, and so may waiting for the replica that runs them.
async fn wait_for_others(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    // What a migration changes is in use: requests must not queue up behind a lock that it does not get.
    Ok(transaction.batch_execute("SET LOCAL lock_timeout TO DEFAULT").await?)
}

async fn ran(client: &impl GenericClient) -> Result<Vec<Ran>, StoreError> {
    let sql = "SELECT number, name, digest, is_additive FROM migration ORDER BY number";
    let rows = client.query(sql, &[]).await?;
    let of = |row: &tokio_postgres::Row| Ran {
        number: row.get(0),
        name: row.get(1),
        digest: row.get(2),
        is_additive: row.get(3),
    };
    Ok(rows.iter().map(of).collect())
}
