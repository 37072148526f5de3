//! The rules of the house, read from its sources. A broken rule is printed with its reason.

mod broken;
mod rules;
mod sources;

use lienthong::adapters::CARDS;

use rules::*;
use sources::{files, root, rust};

/// Folders of `src/` that are topics. A new one is a new line here.
const TOPICS: &[&str] = &["catalogue", "dossiers", "erasure", "inbox"];

#[track_caller]
fn holds(broken: &[String]) {
    assert!(broken.is_empty(), "{} broken:\n  {}", broken.len(), broken.join("\n  "));
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
