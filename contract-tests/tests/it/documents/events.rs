//! The events of the audit log: the document and the code name the same ones, and each is made somewhere.

use std::collections::BTreeSet;

use lienthong::audit::event::EVENTS;

use super::{read, root};

type Row = (String, String, Vec<String>, Vec<String>);

/// Words in backticks, sorted.
fn words(cell: &str) -> Vec<String> {
    let mut words: Vec<String> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    words.sort();
    words
}

/// One row an event: its kind, its operation, what may be decided, its members.
fn rows_of_the_document() -> BTreeSet<Row> {
    let text = read("docs/audit-log.md");
    let lines = text.lines().skip_while(|line| !line.starts_with("| `kind` | `op` |")).skip(2);
    let mut rows = BTreeSet::new();
    for line in lines.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [kinds, ops, decisions, members, when] = cells[..] else { panic!("{line}") };
        assert!(when.trim().len() > 10, "when is it written? {line}");
        for kind in words(kinds) {
            for op in words(ops) {
                let is_new = rows.insert((kind.clone(), op, words(decisions), words(members)));
                assert!(is_new, "twice: {line}");
            }
        }
    }
    rows
}

#[test]
fn the_document_and_the_code_have_the_same_events_decisions_and_members() {
    let of_code: BTreeSet<Row> = EVENTS
        .iter()
        .map(|event| {
            let owned = |list: &[&str]| {
                let mut list: Vec<String> = list.iter().map(|&word| word.to_owned()).collect();
                list.sort();
                list
            };
            let kind = serde_json::to_value(event.kind).unwrap().as_str().unwrap().to_owned();
            (kind, event.op.to_owned(), owned(event.decisions), owned(event.members))
        })
        .collect();
    assert_eq!(of_code.len(), EVENTS.len(), "an event stands twice in src/audit/event.rs");
    let of_document = rows_of_the_document();
    let only = |these: &BTreeSet<Row>, those: &BTreeSet<Row>| {
        these.difference(those).map(|row| format!("{row:?}")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        of_document,
        of_code,
        "\nonly in the document:\n{}\nonly in the code:\n{}",
        only(&of_document, &of_code),
        only(&of_code, &of_document)
    );
}

#[test]
fn every_event_is_made_somewhere() {
    let mut sources = String::new();
    let mut waiting = vec![root().join("src")];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !path.ends_with("audit/event.rs") {
            sources += &std::fs::read_to_string(&path).unwrap_or_default();
        }
    }
    for event in EVENTS {
        assert!(sources.contains(&format!("\"{}\"", event.op)), "nothing in src/ makes {}", event.op);
    }
}

#[test]
fn every_member_is_explained() {
    let text = read("docs/audit-log.md");
    let table = text.split("| Member | Content | When |").nth(1).unwrap().split("\n\n").next().unwrap();
    let explained: BTreeSet<String> = table.lines().flat_map(|line| words(line.split(" | ").next().unwrap())).collect();
    let members: BTreeSet<String> = EVENTS
        .iter()
        .flat_map(|event| event.members)
        .chain(lienthong::audit::event::ALWAYS)
        .map(|&name| name.to_owned())
        .collect();
    assert_eq!(explained, members, "the table of members and the members of events");
}
