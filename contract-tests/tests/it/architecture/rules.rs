//! Each rule is a function of sources that tells what breaks it, and why that matters.

use std::collections::BTreeSet;

use lienthong::adapters::CARDS;
use syn::visit::{self, Visit};

use super::sources::Source;

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
pub(super) fn crates(sources: &[Source]) -> Vec<String> {
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

pub(super) fn adapters_are_named_once(sources: &[Source]) -> Vec<String> {
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

pub(super) fn topics_are_strangers(sources: &[Source], topics: &[&str]) -> Vec<String> {
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

pub(super) fn sql_stands_in_the_source(sources: &[Source]) -> Vec<String> {
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
pub(super) fn stores_have_both_engines(sources: &[Source]) -> Vec<String> {
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
pub(super) fn wire_names(sources: &[Source]) -> BTreeSet<String> {
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

pub(super) fn wire_names_stay_in_wire(sources: &[Source], names: &BTreeSet<String>) -> Vec<String> {
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

pub(super) fn files_are_short(sources: &[Source]) -> Vec<String> {
    let of_product = sources.iter().filter(|source| source.is_under("src/") || source.path.contains("/src/"));
    let long = of_product.filter(|source| !source.is_under("sandbox/") && source.text.lines().count() > 500);
    long.map(|source| {
        let lines = source.text.lines().count();
        format!("{} has {lines} lines; 500 are the most, because beyond 400 a file wants to be two things", source.path)
    })
    .collect()
}

pub(super) fn files_say_what_they_are_for(sources: &[Source]) -> Vec<String> {
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

pub(super) fn nothing_is_unfinished(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .flat_map(|source| {
            let mut unfinished = Unfinished(source, Vec::new());
            unfinished.visit_file(&source.parsed());
            unfinished.1
        })
        .collect()
}
