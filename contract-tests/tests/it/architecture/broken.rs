//! Breaks every rule in made-up sources: a rule that cannot fail is none.

use std::collections::BTreeSet;

use super::rules::*;
use super::sources::Source;

#[test]
fn each_rule_notices_what_breaks_it() {
    let source = |path: &str, text: &str| [Source { path: path.into(), text: text.into() }];
    let broken = |path: &str, text: &str, rule: &dyn Fn(&[Source]) -> Vec<String>| {
        let found = rule(&source(path, text));
        assert!(!found.is_empty(), "unnoticed in {path}: {text}");
        assert!(found.iter().all(|line| line.contains("because") && line.contains(path)), "{found:?}");
    };
    let kept = |path: &str, text: &str, rule: &dyn Fn(&[Source]) -> Vec<String>| {
        assert_eq!(rule(&source(path, text)), [""; 0], "{path}: {text}");
    };
    for text in [
        "use lienthong::config;",
        "use {std::fmt, lienthong_adapter_kit as kit};",
        "fn f() { tokio::spawn(x) }",
        "use axum::Router;",
        "fn f() -> rusqlite::Result<()> { todo() }",
        "m!(lienthong_sandbox::Sandbox);",
        "use reqwest as r;",
    ] {
        broken("domain/src/x.rs", text, &crates);
    }
    kept("domain/src/x.rs", "use std::fmt; use crate::scalar; lienthong_domain::scalar!(X);", &crates);
    broken("adapters/kit/src/x.rs", "use lienthong_portal_dvcqg::CARD;", &crates);
    kept("adapters/kit/src/x.rs", "use lienthong_domain::x; use tokio::sync;", &crates);
    broken("adapters/other/src/x.rs", "use lienthong_portal_dvcqg::CARD;", &crates);
    broken("adapters/other/src/x.rs", "fn f() { lienthong::config::load() }", &crates);
    kept("adapters/portal-dvcqg/tests/it/x.rs", "use lienthong_portal_dvcqg::CARD;", &crates);
    broken("sandbox/src/x.rs", "use lienthong_domain::dossier::Dossier;", &crates);

    broken("src/wiring/mod.rs", "use lienthong_portal_dvcqg::CARD;", &adapters_are_named_once);
    broken("src/dossiers/x.rs", "fn f() { lienthong_sandbox::plain(x) }", &adapters_are_named_once);
    kept("src/cli/x.rs", "use lienthong_sandbox::Sandbox;", &adapters_are_named_once);
    let topics = |sources: &[Source]| topics_are_strangers(sources, &["dossiers", "payments"]);
    broken("src/payments/x.rs", "use crate::dossiers::Dossiers;", &topics);
    broken("src/dossiers/store/x.rs", "use crate::{audit, payments::Attempt};", &topics);
    broken("src/outbox/x.rs", "use crate::dossiers::ROUTE;", &topics);
    kept("src/dossiers/x.rs", "use crate::dossiers::ROUTE; use crate::outbox::Item;", &topics);

    for text in [
        "c.prepare(&format!(\"SELECT {x}\"))",
        "c.execute(&format!(\"a {x}\"), [])",
        "c.execute_batch(&(a + b))",
        "c.prepare_cached(text.as_str())",
        "{ let sql = format!(\"a\"); c.query_row(sql, [], f) }",
        "{ let sql = String::new(); c.prepare(&sql) }",
        "format!(\"UPDATE x SET {y}\")",
    ] {
        broken("src/x.rs", &format!("fn f() {{ {text}; }}"), &sql_stands_in_the_source);
    }
    kept(
        "src/x.rs",
        "fn f() { c.prepare_cached(\"SELECT 1\").execute((a.b(), format!(\"{x}\"))); c.prepare(SQL); c.execute_batch(sql); c.prepare(items!(\"x\")); }",
        &sql_stands_in_the_source,
    );

    broken("src/x/store/mod.rs", "//! a store of no engine", &stores_have_both_engines);

    let names = BTreeSet::from(["MaHoSo".to_owned()]);
    let wire = |sources: &[Source]| wire_names_stay_in_wire(sources, &names);
    broken("src/dossiers/x.rs", "// tells MaHoSo", &wire);
    broken("adapters/portal-dvcqg/src/mapping.rs", "const X: &str = \"MaHoSo\";", &wire);
    kept("adapters/portal-dvcqg/src/wire.rs", "const X: &str = \"MaHoSo\";", &wire);
    kept("src/dossiers/x.rs", "// MaHoSoMoi is another word", &wire);

    broken("src/x.rs", &"\n".repeat(501), &files_are_short);
    kept("src/x.rs", &"\n".repeat(500), &files_are_short);
    broken("sandbox/tests/it/x.rs", "use std::fmt;", &files_say_what_they_are_for);
    broken("src/x.rs", "//!\nuse std::fmt;", &files_say_what_they_are_for);
    for text in ["todo!()", "dbg!(x)", "std::unimplemented!()"] {
        broken("xtask/src/x.rs", &format!("fn f() {{ {text} }}"), &nothing_is_unfinished);
    }
    kept("src/x.rs", "//! no todo! in words\nfn f() { g(\"dbg!(x)\") }", &nothing_is_unfinished);
}
