//! The table of what is copied says what both engines' schemas say.

use std::collections::BTreeMap;

use lienthong::storage::copy::{NOT_COPIED, TABLES, Table};
use lienthong::storage::migrations::MIGRATIONS;
use lienthong::storage::sqlite::Sqlite;
use rusqlite::Connection;

use super::migrated_target;
use crate::stores::SQLITE_LIMITS;

/// Columns of a table as an engine has them: name, kind, whether it may be absent.
type Columns = BTreeMap<String, (String, bool)>;

#[track_caller]
fn are_told(table: &Table, columns: &Columns, key: &[String], kind: impl Fn(&Table, usize) -> String) {
    let told = table.columns.iter().enumerate();
    let told: Columns = told.map(|(at, c)| (c.name.to_owned(), (kind(table, at), c.is_nullable))).collect();
    assert_eq!(told, *columns, "{}: src/storage/copy/tables.rs does not say what the schema says", table.name);
    assert_eq!(table.key, key, "{}: another key", table.name);
}

/// Every table is copied or stays behind for a reason, and is called once.
#[track_caller]
fn are_all_known(tables: &[String]) {
    for table in tables {
        let is_copied = TABLES.iter().any(|known| known.name == table);
        let stays = NOT_COPIED.iter().any(|(known, _)| known == table);
        assert!(is_copied != stays, "{table}: add it to TABLES or to NOT_COPIED in src/storage/copy/tables.rs");
    }
    for table in TABLES {
        assert!(tables.iter().any(|known| known == table.name), "{} is copied and not there", table.name);
    }
}

#[test]
fn what_is_copied_is_every_column_of_every_table_that_sqlite_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lienthong.sqlite");
    Sqlite::migrate(&file, &SQLITE_LIMITS, MIGRATIONS).unwrap();
    let database = Connection::open(file).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    are_all_known(&texts("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"));
    for table in TABLES {
        let name = table.name;
        let sql = format!("SELECT name, type, NOT \"notnull\" FROM pragma_table_info('{name}')");
        let mut statement = database.prepare(&sql).unwrap();
        let columns = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
        let key = texts(&format!("SELECT name FROM pragma_table_info('{name}') WHERE pk > 0 ORDER BY pk"));
        let columns = columns.map(Result::unwrap).collect();
        are_told(table, &columns, &key, |table, at| table.columns[at].kind.sqlite().to_owned());
        // Rows come in the order of an index: a table that is sorted first needs room for all of it.
        for sql in [table.first, table.after] {
            let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let key = rusqlite::params_from_iter(vec![""; statement.parameter_count()]);
            let plan: Vec<String> = statement.query_map(key, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            assert!(!plan.concat().contains("TEMP"), "{sql}: {plan:?}");
        }
    }
}

#[tokio::test]
async fn what_is_copied_is_every_column_of_every_table_that_postgresql_has() {
    let (_, client) = migrated_target().await;
    let tables = client.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'", &[]).await.unwrap();
    are_all_known(&tables.iter().map(|row| row.get(0)).collect::<Vec<_>>());
    for table in TABLES {
        let sql = "SELECT column_name::text, udt_name::text, is_nullable = 'YES', collation_name::text, \
                   is_identity = 'YES' OR column_default LIKE 'nextval%' \
                   FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1";
        let found = client.query(sql, &[&table.name]).await.unwrap();
        let columns = found.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let sql = "SELECT column_name::text FROM information_schema.key_column_usage \
                   WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position";
        let key: Vec<String> = client.query(sql, &[&table.name]).await.unwrap().iter().map(|row| row.get(0)).collect();
        are_told(table, &columns, &key, |table, at| table.columns[at].kind.postgres().name().to_owned());
        for row in found {
            let (name, collation): (String, Option<String>) = (row.get(0), row.get(3));
            // The order of the other engine.
            assert!(collation.is_none_or(|collation| collation == "C"), "{}.{name} is not COLLATE \"C\"", table.name);
            let is_counted = row.get::<_, Option<bool>>(4) == Some(true);
            assert!(!is_counted, "{}.{name}: a copied counter must be set to go on behind the rows", table.name);
        }
    }
}
