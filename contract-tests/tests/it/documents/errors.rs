//! The table of errors: one row a code, and every reason explained.

use std::collections::BTreeSet;

use lienthong::http::problem::Code;

use super::{read, root};

/// Rows of the table whose header has this cell second: the first cell's code, and the second cell.
fn rows(text: &str, second: &str) -> Vec<(String, String)> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let lines: Vec<&str> = text.lines().collect();
    let header =
        lines.iter().position(|line| line.starts_with('|') && cells(line).get(1).is_some_and(|cell| cell == second));
    let start = header.unwrap_or_else(|| panic!("there is no table with the column {second}")) + 2;
    let table = lines[start..].iter().take_while(|line| line.starts_with('|'));
    table.map(|line| (cells(line)[0].trim_matches('`').to_owned(), cells(line)[1].clone())).collect()
}

#[test]
fn the_table_of_errors_has_exactly_one_row_a_code() {
    let rows = rows(&read("docs/errors.md"), "HTTP");
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let found: Vec<&String> =
            rows.iter().filter(|(name, _)| name == code.as_str()).map(|(_, status)| status).collect();
        let status = code.status().as_u16().to_string();
        match found.as_slice() {
            [one] if **one == status => {}
            [other] => wrong.push(format!("`{}` is {status}, the table says {other}", code.as_str())),
            others => wrong.push(format!("`{}` has {} rows", code.as_str(), others.len())),
        }
    }
    for (name, _) in rows.iter().filter(|(name, _)| Code::ALL.iter().all(|code| code.as_str() != name)) {
        wrong.push(format!("`{name}` is in the table and is no code"));
    }
    assert!(wrong.is_empty(), "docs/errors.md: {}", wrong.join("; "));
}

#[test]
fn every_code_of_a_field_and_every_reason_of_an_item_is_explained() {
    let text = read("docs/errors.md");
    let mut codes = BTreeSet::new();
    for folder in ["domain/src", "src/dossiers", "src/http", "src/access"] {
        let mut waiting = vec![root().join(folder)];
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let calls = source.split("Refusal::new(").skip(1).map(str::trim_start);
            codes.extend(calls.filter_map(|rest| rest.strip_prefix('"')?.split('"').next().map(str::to_owned)));
        }
    }
    assert!(codes.len() > 20, "{codes:?}");
    use lienthong_domain::port::PortErrorKind;
    let kinds = [
        PortErrorKind::Unavailable,
        PortErrorKind::RateLimited { retry_after: None },
        PortErrorKind::QuotaSpent { retry_after: std::time::Duration::ZERO },
        PortErrorKind::Rejected { reason: lienthong_domain::invalid::Message::new("", "") },
        PortErrorKind::AlreadyExists,
        PortErrorKind::NotFound,
        PortErrorKind::OurCredentialRefused,
        PortErrorKind::Unreadable,
        PortErrorKind::OutcomeUnknown,
    ];
    codes.extend(kinds.iter().map(|kind| kind.name().to_owned()));
    let missing: Vec<&String> = codes.iter().filter(|code| !text.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/errors.md does not explain {missing:?}");
}
