//! `lienthong migrate`: brings the database to this program's schema, or says that it is there.

use super::Failure;
use crate::config::Loaded;
use crate::storage::NEWEST_SCHEMA;
use crate::wiring;

pub(super) async fn run(loaded: &Loaded) -> Result<(), Failure> {
    let ran = wiring::migrate(&loaded.settings).await?;
    for migration in &ran {
        let kind = if migration.is_additive { "additive" } else { "the program before it no longer runs on it" };
        println!("{:04} {} ({kind})", migration.number, migration.name);
    }
    println!("{} migrations were run; the schema is now {NEWEST_SCHEMA} or later", ran.len());
    Ok(())
}
