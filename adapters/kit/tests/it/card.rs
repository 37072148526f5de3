//! Overrides are laid over the defaults member by member; lists are replaced whole.

use lienthong_adapter_kit::{Card, Ports, Words, merge};
use serde_json::json;

const CARD: Card = Card {
    name: "example",
    summary: Words { vi: "Ví dụ", en: "Example" },
    defaults: "url = \"\"\nretries = [1, 5]\n[http]\ntimeout_ms = 10\npool = 2\n",
    secrets: &[],
    check: |_| Ok(()),
    build: |_, _| Ok(Ports::default()),
};

#[test]
fn overrides_win_and_the_rest_stays() {
    let mut settings = CARD.default_settings().unwrap();
    merge(&mut settings, json!({ "url": "http://a", "retries": [9], "http": { "pool": 7 }, "unknown": 1 }));
    assert_eq!(
        settings,
        json!({ "url": "http://a", "retries": [9], "http": { "timeout_ms": 10, "pool": 7 }, "unknown": 1 })
    );
}

#[test]
fn a_broken_defaults_file_names_its_adapter() {
    let mistake = Card { defaults: "a = ", ..CARD }.default_settings().unwrap_err();
    assert!(mistake.starts_with("example: "), "{mistake}");
}
