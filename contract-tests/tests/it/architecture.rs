//! The rules of the house, read from its sources. A broken rule is printed with its reason. Each rule is a function of
//! sources, and the last test breaks every one of them in made-up sources: a rule that cannot fail is none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lienthong::adapters::CARDS;
use syn::visit::{self, Visit};

/// Folders of `src/` that are topics. A new one is a new line here.
const TOPICS: &[&str] = &["dossiers"];

/// A file of the workspace, by its path from the root.
#[derive(Clone)]
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    fn is_adapter(&self) -> bool {
        self.is_under("adapters/") && !self.is_under("adapters/kit/")
    }

    fn parsed(&self) -> syn::File {
        syn::parse_file(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.path))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every file with one of these endings under these folders.
fn files(folders: &[&str], endings: &[&str]) -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let (root, mut found) = (root(), Vec::new());
    folders.iter().for_each(|folder| walk(&root.join(folder), &mut found));
    found.sort();
    let wanted = found.into_iter().filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)));
    let read = wanted.map(|path| Source {
        path: path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    });
    read.collect()
}

/// All Rust of the product, its tests included.
fn rust() -> Vec<Source> {
    let sources = files(&["src", "domain", "adapters", "sandbox"], &[".rs"]);
    assert!(sources.len() > 100, "only {} files were found: the rules would see nothing", sources.len());
    sources
}

#[track_caller]
fn holds(broken: &[String]) {
    assert!(broken.is_empty(), "{} broken:\n  {}", broken.len(), broken.join("\n  "));
}

/// The first two names of every path: `use a::b::c`, `a::b()`, and what macros are given.
#[derive(Default)]
struct Paths(BTreeSet<(String, String)>);

impl Paths {
    fn of(source: &Source) -> BTreeSet<(String, String)> {
        let mut paths = Self::default();
        paths.visit_file(&source.parsed());
        paths.0
    }

    fn add_use(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.add(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(before, tree)),
        }
    }

    fn add(&mut self, names: &[String]) {
        let name = |at: usize| names.get(at).cloned().unwrap_or_default();
        self.0.insert((name(0), name(1)));
    }
}

impl<'a> Visit<'a> for Paths {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.add_use(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.segments.len() > 1 {
            let names: Vec<String> = path.segments.iter().take(2).map(|segment| segment.ident.to_string()).collect();
            self.add(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, made: &'a syn::Macro) {
        let tokens = made.tokens.to_string().replace(" :: ", "::");
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
        for path in tokens.split(|c| !is_name(c)).filter(|text| text.contains("::")) {
            let names: Vec<String> = path.trim_start_matches(':').split("::").take(2).map(str::to_owned).collect();
            self.add(&names);
        }
        visit::visit_macro(self, made);
    }
}

/// Crates of the workspace and what each folder may import of them, and why.
fn crates(sources: &[Source]) -> Vec<String> {
    const RUNTIMES: &[&str] = &["tokio", "axum", "reqwest", "rusqlite", "hyper", "tower", "axum_server"];
    let mut broken = Vec::new();
    for source in sources {
        let (may, reason): (&[&str], &str) = match source.path.as_str() {
            path if path.starts_with("domain/") => {
                (&["lienthong_domain"], "the domain is the words and the ports: everyone imports it, it imports nobody")
            }
            path if path.starts_with("adapters/kit/") => (
                &["lienthong_domain", "lienthong_adapter_kit"],
                "the kit is what adapters share: it knows the domain and no system",
            ),
            path if path.starts_with("adapters/") => (
                &["lienthong_domain", "lienthong_adapter_kit", "lienthong_portal_dvcqg"],
                "an adapter is one outside system: it knows the domain and the kit, neither the gateway nor another adapter",
            ),
            path if path.starts_with("sandbox/") => (
                &["lienthong_sandbox"],
                "the sandbox writes the other side's fields down a second time: a shared type would repeat a mistake",
            ),
            _ => continue,
        };
        // An adapter's own name stands only in its own tests.
        let own = source.path.split('/').nth(1).map(|folder| format!("lienthong_{}", folder.replace('-', "_")));
        for (name, _) in Paths::of(source) {
            let is_own = own.as_ref() == Some(&name);
            let is_allowed =
                may.contains(&name.as_str()) && (!source.is_adapter() || is_own || !is_adapter_crate(&name));
            if name.starts_with("lienthong") && !is_allowed && !is_own {
                broken.push(format!("{} imports {name}; it must not, because {reason}", source.path));
            }
            if source.is_under("domain/") && RUNTIMES.contains(&name.as_str()) {
                let reason = "the domain has no I/O, no runtime, no HTTP, no SQL";
                broken.push(format!("{} uses {name}; it must not, because {reason}", source.path));
            }
        }
    }
    broken
}

fn is_adapter_crate(name: &str) -> bool {
    CARDS.iter().any(|card| format!("lienthong_{}", card.name.replace('-', "_")) == name)
}

fn adapters_are_named_once(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| source.is_under("src/")) {
        for (name, _) in Paths::of(source) {
            if is_adapter_crate(&name) && source.path != "src/adapters.rs" {
                broken.push(format!(
                    "{} names {name}; only src/adapters.rs may, because adding an adapter is one line in one list",
                    source.path
                ));
            }
            if name == "lienthong_sandbox" && !source.is_under("src/cli/") {
                broken.push(format!(
                    "{} names the sandbox; only commands may, because production and sandbox run the same code",
                    source.path
                ));
            }
        }
    }
    broken
}

fn topics_are_strangers(sources: &[Source], topics: &[&str]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let Some(topic) = topics.iter().find(|topic| source.is_under(&format!("src/{topic}/"))) else { continue };
        for (first, second) in Paths::of(source) {
            let is_other = topics.contains(&second.as_str()) && second != *topic;
            if matches!(first.as_str(), "crate" | "lienthong") && is_other {
                broken.push(format!(
                    "{} imports the topic {second}; it must not, because topics meet through the domain and the outbox",
                    source.path
                ));
            }
        }
    }
    // What a topic stands on must not stand on a topic.
    for source in sources.iter().filter(|source| {
        ["src/access/", "src/audit/", "src/outbox/", "src/storage/", "src/telemetry/"]
            .iter()
            .any(|f| source.is_under(f))
    }) {
        for (first, second) in Paths::of(source) {
            if first == "crate" && topics.contains(&second.as_str()) {
                broken.push(format!(
                    "{} imports the topic {second}; it must not, because it is what every topic stands on",
                    source.path
                ));
            }
        }
    }
    broken
}

/// Calls that take SQL, and what they are given.
struct Statements<'a> {
    source: &'a Source,
    /// Names that hold a text put together at run time.
    built: BTreeSet<String>,
    broken: Vec<String>,
}

impl Statements<'_> {
    fn is_built(&self, expression: &syn::Expr) -> bool {
        match expression {
            syn::Expr::Lit(_) => false,
            syn::Expr::Reference(reference) => self.is_built(&reference.expr),
            syn::Expr::Path(path) => path.path.get_ident().is_some_and(|name| self.built.contains(&name.to_string())),
            syn::Expr::Macro(made) => made.mac.path.is_ident("format"),
            // A migration's text is `&'static str`, from a file of the source.
            syn::Expr::Field(field) => {
                !matches!(&*field.base, syn::Expr::Path(path) if path.path.is_ident("migration"))
            }
            // A method call, a sum, a block: not a text that stands in the source.
            _ => true,
        }
    }
}

impl<'a> Visit<'a> for Statements<'_> {
    fn visit_local(&mut self, local: &'a syn::Local) {
        let starts_built = local.init.as_ref().is_some_and(|init| match &*init.expr {
            syn::Expr::Macro(made) => made.mac.path.is_ident("format"),
            syn::Expr::Call(call) => matches!(&*call.func, syn::Expr::Path(path)
                if path.path.segments.first().is_some_and(|first| first.ident == "String")),
            syn::Expr::MethodCall(call) => {
                ["to_owned", "to_string", "concat", "join", "replace"].iter().any(|m| call.method == m)
            }
            _ => false,
        });
        if let (true, syn::Pat::Ident(name)) = (starts_built, &local.pat) {
            self.built.insert(name.ident.to_string());
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        const TAKE_SQL: &[&str] = &["prepare", "prepare_cached", "execute_batch", "batch_execute"];
        // These take SQL first on a connection, and parameters on a statement.
        const MAY_TAKE_SQL: &[&str] = &["execute", "query_row", "query", "query_one", "query_opt"];
        let method = call.method.to_string();
        if let Some(first) = call.args.first() {
            let is_text = matches!(first, syn::Expr::Macro(made) if made.mac.path.is_ident("format"))
                || matches!(first, syn::Expr::Reference(inner) if matches!(&*inner.expr, syn::Expr::Macro(made) if made.mac.path.is_ident("format")))
                || matches!(first, syn::Expr::Path(path) if path.path.get_ident().is_some_and(|name| self.built.contains(&name.to_string())));
            let is_broken = (TAKE_SQL.contains(&method.as_str()) && self.is_built(first))
                || (MAY_TAKE_SQL.contains(&method.as_str()) && is_text);
            if is_broken {
                self.broken.push(format!(
                    "{}: {method} is given a text made at run time; it must not, because SQL is only what stands in the source",
                    self.source.path
                ));
            }
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, made: &'a syn::Macro) {
        if made.path.is_ident("format") {
            let literal = made.tokens.to_string();
            let begins = literal.trim_start_matches(['r', '#', '"', ' ']).to_ascii_uppercase();
            let words = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "PRAGMA ", "ALTER ", "DROP "];
            if words.iter().any(|word| begins.starts_with(word)) {
                self.broken.push(format!(
                    "{}: format! makes SQL; it must not, because SQL is only what stands in the source",
                    self.source.path
                ));
            }
        }
        visit::visit_macro(self, made);
    }
}

fn sql_stands_in_the_source(sources: &[Source]) -> Vec<String> {
    let of_gateway = sources.iter().filter(|source| source.is_under("src/"));
    of_gateway
        .flat_map(|source| {
            let mut statements = Statements { source, built: BTreeSet::new(), broken: Vec::new() };
            statements.visit_file(&source.parsed());
            statements.broken
        })
        .collect()
}

/// Every `store` folder has both engines, and a suite that runs on both.
fn stores_have_both_engines(sources: &[Source]) -> Vec<String> {
    let has = |path: &str| sources.iter().any(|source| source.path == path && source.text.contains("on_both_engines!"));
    let is_there = |path: &str| sources.iter().any(|source| source.path == path);
    let mut broken = Vec::new();
    for source in sources {
        let Some(folder) = source.path.strip_suffix("/mod.rs").filter(|folder| folder.ends_with("/store")) else {
            continue;
        };
        let topic = folder.split('/').rev().nth(1).unwrap_or_default();
        for engine in ["sqlite", "postgres"] {
            if !is_there(&format!("{folder}/{engine}.rs")) && !is_there(&format!("{folder}/{engine}/mod.rs")) {
                broken.push(format!(
                    "{} stands beside no {engine}.rs; it must, because a deployment may run on either",
                    source.path
                ));
            }
        }
        if !has(&format!("contract-tests/tests/it/stores/{topic}.rs")) {
            broken.push(format!(
                "{} has no suite stores/{topic}.rs with on_both_engines!; it must, because what is not run on both will differ",
                source.path
            ));
        }
    }
    broken
}

/// Names that no English text has by chance: two capitals at least, and long.
fn wire_names(sources: &[Source]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["MaHoSo", "NguoiXuLy", "TrangThaiHoSo", "MATTHC", "MaTTHC", "GhiChu"]
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    for wire in sources.iter().filter(|source| source.is_adapter() && source.path.ends_with("/src/wire.rs")) {
        let texts = wire.text.split('"').skip(1).step_by(2);
        let is_telling = |text: &&str| {
            text.len() >= 7
                && text.bytes().all(|c| c.is_ascii_alphanumeric())
                && text.bytes().filter(u8::is_ascii_uppercase).count() >= 2
                && text.as_bytes()[0].is_ascii_uppercase()
        };
        names.extend(texts.filter(is_telling).map(str::to_owned));
    }
    names
}

fn wire_names_stay_in_wire(sources: &[Source], names: &BTreeSet<String>) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let is_allowed = source.is_under("sandbox/")
            || (source.is_adapter()
                && (source.path.ends_with("/src/wire.rs")
                    || source.path.ends_with("/src/codes.rs")
                    || source.path.contains("/tests/")
                    || source.path.contains("/fixtures/")
                    || source.path.ends_with("/config.toml")));
        if is_allowed {
            continue;
        }
        let words: BTreeSet<&str> = source.text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        for name in names.iter().filter(|name| words.contains(name.as_str())) {
            broken.push(format!(
                "{} holds the wire name {name}; it must not, because only an adapter's wire.rs knows the other side's words",
                source.path
            ));
        }
    }
    broken
}

fn files_are_short(sources: &[Source]) -> Vec<String> {
    let of_product = sources.iter().filter(|source| source.is_under("src/") || source.path.contains("/src/"));
    let long = of_product.filter(|source| !source.is_under("sandbox/") && source.text.lines().count() > 500);
    long.map(|source| {
        let lines = source.text.lines().count();
        format!("{} has {lines} lines; 500 are the most, because beyond 400 a file wants to be two things", source.path)
    })
    .collect()
}

fn files_say_what_they_are_for(sources: &[Source]) -> Vec<String> {
    let silent = sources.iter().filter(|source| {
        !source.text.starts_with("//! ") && !source.text.starts_with("#![doc = include_str!(\"../README.md\")]")
    });
    silent
        .map(|source| format!("{} must begin with //!, because a reader asks first what a file is for", source.path))
        .collect()
}

struct Unfinished<'a>(&'a Source, Vec<String>);

impl<'a> Visit<'a> for Unfinished<'_> {
    fn visit_macro(&mut self, made: &'a syn::Macro) {
        let name = made.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if matches!(name.as_str(), "todo" | "unimplemented" | "dbg") {
            self.1.push(format!("{} has {name}!; it must not, because what is here is finished", self.0.path));
        }
        visit::visit_macro(self, made);
    }
}

fn nothing_is_unfinished(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .flat_map(|source| {
            let mut unfinished = Unfinished(source, Vec::new());
            unfinished.visit_file(&source.parsed());
            unfinished.1
        })
        .collect()
}

#[test]
fn each_crate_imports_only_what_it_may() {
    holds(&crates(&rust()));
}

#[test]
fn each_manifest_depends_only_on_what_it_may() {
    let mut broken = Vec::new();
    for manifest in files(&["domain", "adapters", "sandbox"], &["Cargo.toml"]) {
        let table: toml::Table = manifest.text.parse().unwrap();
        let dependencies = table.get("dependencies").and_then(toml::Value::as_table).unwrap();
        let may: &[&str] = match manifest.path.as_str() {
            "domain/Cargo.toml" | "sandbox/Cargo.toml" => &[],
            "adapters/kit/Cargo.toml" => &["lienthong-domain"],
            _ => &["lienthong-domain", "lienthong-adapter-kit"],
        };
        for name in dependencies.keys() {
            let is_runtime = ["tokio", "axum", "reqwest", "rusqlite"].contains(&name.as_str());
            if (name.starts_with("lienthong") && !may.contains(&name.as_str()))
                || (manifest.is_under("domain/") && is_runtime)
            {
                broken
                    .push(format!("{} depends on {name}; it must not, because of who may import whom", manifest.path));
            }
        }
    }
    holds(&broken);
}

#[test]
fn only_the_list_names_adapters() {
    holds(&adapters_are_named_once(&rust()));
}

#[test]
fn no_topic_imports_another() {
    for topic in TOPICS {
        assert!(root().join("src").join(topic).is_dir(), "there is no topic {topic}: the rule would see nothing");
    }
    holds(&topics_are_strangers(&rust(), TOPICS));
}

#[test]
fn sql_is_only_what_stands_in_the_source() {
    holds(&sql_stands_in_the_source(&rust()));
}

#[test]
fn every_store_has_both_engines_and_one_suite() {
    let sources = [rust(), files(&["contract-tests/tests/it/stores"], &[".rs"])].concat();
    assert!(sources.iter().filter(|source| source.path.ends_with("/store/mod.rs")).count() >= 6);
    holds(&stores_have_both_engines(&sources));
}

#[test]
fn the_other_sides_names_stay_in_wire_rs() {
    let mut sources = rust();
    let names = wire_names(&sources);
    assert!(names.len() > 50, "only {} wire names were found: {names:?}", names.len());
    sources.extend(files(&["config", "xtask"], &[".toml", ".rs"]));
    sources.extend(files(&["adapters"], &[".toml"]));
    holds(&wire_names_stay_in_wire(&sources, &names));
}

#[test]
fn every_adapter_is_complete_and_runs_the_suite_of_its_port() {
    let root = root();
    let mut broken = Vec::new();
    let tests = files(&["contract-tests/tests"], &[".rs"]);
    for card in CARDS {
        let folder = root.join("adapters").join(card.name);
        for needed in ["README.md", "config.toml", "fixtures"] {
            let there = folder.join(needed);
            let is_there =
                there.is_file() || std::fs::read_dir(&there).is_ok_and(|mut entries| entries.next().is_some());
            if !is_there {
                broken.push(format!("adapters/{} has no {needed}, because every adapter looks alike", card.name));
            }
        }
        let file = format!("/{}.rs", card.name.replace('-', "_"));
        let runs = tests.iter().any(|test| test.path.ends_with(&file) && test.text.contains("suite(&"));
        if !runs {
            broken.push(format!("{} runs no port suite, because no test {file} calls one: nobody opts out", card.name));
        }
    }
    for entry in std::fs::read_dir(root.join("adapters")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name != "kit" && CARDS.iter().all(|card| card.name != name) {
            broken.push(format!("adapters/{name} is in no list, because src/adapters.rs does not name it"));
        }
    }
    holds(&broken);
}

#[test]
fn no_file_is_too_long() {
    holds(&files_are_short(&rust()));
}

#[test]
fn every_file_says_what_it_is_for() {
    holds(&files_say_what_they_are_for(&rust()));
}

#[test]
fn nothing_is_left_unfinished() {
    let mut sources = rust();
    sources.extend(files(&["contract-tests", "xtask"], &[".rs"]));
    holds(&nothing_is_unfinished(&sources));
}

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
