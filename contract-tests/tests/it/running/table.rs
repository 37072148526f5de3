//! The table of what a running gateway takes over: it knows every setting, and the marks beside the settings say the same.

use std::collections::BTreeMap;
use std::path::Path;

use lienthong::config::is_live;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// Dotted names of the settings: a list is one.
fn names(prefix: &str, table: &toml::Table, found: &mut Vec<String>) {
    for (name, value) in table {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => names(&name, inner, found),
            _ => found.push(name),
        }
    }
}

/// Marks by the name of the section or setting that they stand behind.
fn marks(text: &str) -> BTreeMap<String, bool> {
    let (mut marks, mut section) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        let (code, comment) = line.split_once('#').unwrap_or((line, ""));
        let is_header = code.starts_with('[');
        if is_header {
            section = code.trim().trim_matches(['[', ']']).to_owned();
        }
        let name = match code.split_once('=') {
            Some((name, _)) if !is_header => format!("{section}.{}", name.trim()),
            _ => section.clone(),
        };
        match (code.trim().is_empty(), comment.trim()) {
            (false, "live") => marks.insert(name, true),
            (false, "restart") => marks.insert(name, false),
            _ => None,
        };
    }
    marks
}

#[test]
fn every_setting_is_marked_live_or_restart_and_the_program_does_what_the_mark_says() {
    let text = read("config/gateway.toml");
    let (mut all, marks) = (Vec::new(), marks(&text));
    names("", &text.parse().unwrap(), &mut all);
    assert!(all.len() > 80, "{all:?}");
    for name in &all {
        let above = std::iter::successors(Some(name.as_str()), |name| name.rsplit_once('.').map(|(above, _)| above));
        let mark = above.filter_map(|name| marks.get(name)).next();
        assert!(mark.is_some(), "config/gateway.toml: {name} has no mark");
        assert_eq!(is_live(name).as_ref(), mark, "{name}: src/config/live.rs, and the mark in config/gateway.toml");
    }
    for name in marks.keys() {
        let is_there = all.iter().any(|known| known == name || known.starts_with(&format!("{name}.")));
        assert!(is_there, "a mark for {name}, which there is not");
    }
}

#[test]
fn what_has_no_default_is_in_the_table_too() {
    let mut all = Vec::new();
    for file in ["config/dev.toml", "config/production.example.toml"] {
        names("", &read(file).parse().unwrap(), &mut all);
    }
    assert!(all.iter().any(|name| name == "status_maps") && all.iter().any(|name| name == "agencies"), "{all:?}");
    for name in all {
        let name = name.strip_suffix("password_file").map_or(name.clone(), |above| format!("{above}password"));
        assert!(is_live(&name).is_some(), "src/config/live.rs does not know {name}");
    }
    assert_eq!(is_live("http.made_up"), None, "what nobody knows is not live");
}

#[test]
fn the_service_is_given_the_time_that_a_stop_may_take_and_is_told_to_read_again() {
    let unit = read("deploy/lienthong.service");
    let value = |name: &str| unit.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap_or_default();
    assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID");
    let defaults: toml::Table = read("config/gateway.toml").parse().unwrap();
    let of_server = |name: &str| defaults["server"][name].as_integer().unwrap();
    let needed_ms = of_server("unready_ms") + of_server("drain_ms");
    let given_s: i64 = value("TimeoutStopSec").parse().unwrap();
    assert!(given_s * 1000 >= 2 * needed_ms, "TimeoutStopSec={given_s} is short for {needed_ms} ms");
}
