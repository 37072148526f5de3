//! Numbered migrations, each in the words of both engines. A program runs on the schema of a newer one as long as all that
//! it does not know is additive: new tables, new columns that may be absent. A released migration is never edited.

use aws_lc_rs::digest::{SHA256, digest};

use super::StoreError;

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    pub number: i64,
    pub name: &'static str,
    /// Whether the program before it still works on its result.
    pub is_additive: bool,
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

/// Every migration, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "first",
        is_additive: false,
        sqlite: include_str!("0001_first.sqlite.sql"),
        postgres: include_str!("0001_first.postgres.sql"),
    },
    Migration {
        number: 2,
        name: "clients",
        is_additive: true,
        sqlite: include_str!("0002_clients.sqlite.sql"),
        postgres: include_str!("0002_clients.postgres.sql"),
    },
    Migration {
        number: 3,
        name: "trace",
        is_additive: true,
        sqlite: include_str!("0003_trace.sqlite.sql"),
        postgres: include_str!("0003_trace.postgres.sql"),
    },
    Migration {
        number: 4,
        name: "publication",
        is_additive: true,
        sqlite: include_str!("0004_publication.sqlite.sql"),
        postgres: include_str!("0004_publication.postgres.sql"),
    },
    Migration {
        number: 5,
        name: "continuation",
        is_additive: true,
        sqlite: include_str!("0005_continuation.sqlite.sql"),
        postgres: include_str!("0005_continuation.postgres.sql"),
    },
    Migration {
        number: 6,
        name: "witnessed",
        is_additive: true,
        sqlite: include_str!("0006_witnessed.sqlite.sql"),
        postgres: include_str!("0006_witnessed.postgres.sql"),
    },
    Migration {
        number: 7,
        name: "anchors",
        is_additive: true,
        sqlite: include_str!("0007_anchors.sqlite.sql"),
        postgres: include_str!("0007_anchors.postgres.sql"),
    },
    Migration {
        number: 8,
        name: "keys",
        is_additive: true,
        sqlite: include_str!("0008_keys.sqlite.sql"),
        postgres: include_str!("0008_keys.postgres.sql"),
    },
    Migration {
        number: 9,
        name: "closed",
        is_additive: true,
        sqlite: include_str!("0009_closed.sqlite.sql"),
        postgres: include_str!("0009_closed.postgres.sql"),
    },
    Migration {
        number: 10,
        name: "inbox",
        is_additive: true,
        sqlite: include_str!("0010_inbox.sqlite.sql"),
        postgres: include_str!("0010_inbox.postgres.sql"),
    },
    Migration {
        number: 11,
        name: "catalogue",
        is_additive: true,
        sqlite: include_str!("0011_catalogue.sqlite.sql"),
        postgres: include_str!("0011_catalogue.postgres.sql"),
    },
    Migration {
        number: 12,
        name: "agreement",
        is_additive: true,
        sqlite: include_str!("0012_agreement.sqlite.sql"),
        postgres: include_str!("0012_agreement.postgres.sql"),
    },
    Migration {
        number: 13,
        name: "linked_files",
        is_additive: true,
        sqlite: include_str!("0013_linked_files.sqlite.sql"),
        postgres: include_str!("0013_linked_files.postgres.sql"),
    },
    Migration {
        number: 14,
        name: "webhooks",
        is_additive: true,
        sqlite: include_str!("0014_webhooks.sqlite.sql"),
        postgres: include_str!("0014_webhooks.postgres.sql"),
    },
];

/// The schema that this program was written for.
pub const NEWEST_SCHEMA: i64 = MIGRATIONS[MIGRATIONS.len() - 1].number;

/// A migration that a database has run.
#[derive(Debug, Clone)]
pub struct Ran {
    pub number: i64,
    pub name: String,
    pub digest: Vec<u8>,
    pub is_additive: bool,
}

/// By what a migration is recognised.
pub fn digest_of(sql: &str) -> Vec<u8> {
    digest(&SHA256, sql.as_bytes()).as_ref().to_vec()
}

/// Which of the `known` migrations are still to be run, or why this program cannot use this database.
pub fn to_run<'a>(
    known: &'a [Migration],
    ran: &[Ran],
    sql: impl Fn(&Migration) -> &'static str,
) -> Result<Vec<&'a Migration>, StoreError> {
    for ran in ran {
        match known.iter().find(|migration| migration.number == ran.number) {
            Some(migration) if digest_of(sql(migration)) == ran.digest => {}
            Some(Migration { number, name, .. }) => {
                return Err(StoreError::Failed(format!(
                    "migration {number} ({name}) is not the one that this database ran: this program and the one that \
                     made the database are of different origin"
                )));
            }
            None if ran.is_additive => {}
            None => {
                let newest = known.last().map_or(0, |migration| migration.number);
                return Err(StoreError::Failed(format!(
                    "this database has migration {} ({}), which this program does not know (its newest is {newest}) and \
                     cannot work with: run the newer program",
                    ran.number, ran.name
                )));
            }
        }
    }
    Ok(known.iter().filter(|migration| !ran.iter().any(|ran| ran.number == migration.number)).collect())
}

/// What a database that lacks migrations is told to.
pub fn must_migrate(missing: &[&Migration]) -> StoreError {
    let names: Vec<String> =
        missing.iter().map(|migration| format!("{} ({})", migration.number, migration.name)).collect();
    StoreError::Failed(format!("the database lacks migrations {}: run `lienthong migrate`", names.join(", ")))
}
