//! Which settings a running gateway takes over from a changed configuration, and which only a restart brings into force.
//! `config/gateway.toml` shows the same as marks; a test compares the two, and knows every setting.

use std::collections::BTreeSet;

use super::{Loaded, Mistake, SourcedValue};

/// The settings of one section: those that a running gateway takes over, and those that need a restart.
struct Section {
    name: &'static str,
    live: &'static [&'static str],
    restart: &'static [&'static str],
}

const fn section(name: &'static str, live: &'static [&'static str], restart: &'static [&'static str]) -> Section {
    Section { name, live, restart }
}

/// Every setting of the core. A list of tables is one setting.
const SECTIONS: &[Section] = &[
    section("", &["agencies", "procedures", "status_maps"], &[]),
    section("deployment", &[], &["name"]),
    section("configuration", &["reload_ms"], &[]),
    section(
        "server",
        &[],
        &["listen", "public_url", "unready_ms", "drain_ms", "most_connections", "most_connections_of_one_address"],
    ),
    section(
        "server.tls",
        &[],
        &[
            "certificate_file",
            "private_key_file",
            "client_authorities_file",
            "client_revocations_file",
            "handshake_timeout_ms",
            "reload_ms",
        ],
    ),
    section(
        "access",
        &[
            "token_lifetime_s",
            "token_key_days",
            "token_key_lead_s",
            "clock_skew_s",
            "remember_token_ms",
            "remembered_tokens",
            "issuers",
        ],
        &["refresh_ms"],
    ),
    section(
        "access.issuer_keys",
        &["fresh_ms", "keep_ms", "least_interval_ms", "timeout_ms", "most_bytes", "most_keys"],
        &[],
    ),
    section("quotas", &["operations", "clients", "upstreams"], &[]),
    section("quotas.all", &["requests", "window_s"], &[]),
    section("quotas.client", &["requests", "window_s"], &[]),
    section("quotas.token", &["requests", "window_s"], &[]),
    section("quotas.shared", &["url", "timeout_ms", "pause_ms", "share_while_away_percent"], &[]),
    section(
        "http",
        &["body_bytes", "body_read_timeout_ms", "request_timeout_ms", "concurrent_requests", "place_wait_ms"],
        // Connections get it as they are accepted.
        &["header_read_timeout_ms", "write_timeout_ms"],
    ),
    section(
        "storage",
        &[],
        &[
            "engine",
            "keys_folder",
            "files_folder",
            "least_free_bytes",
            "least_free_percent",
            "migrate_at_start",
            "write_queue",
            "batch_items",
        ],
    ),
    section("storage.sqlite", &[], &["data_folder", "readers", "busy_timeout_ms", "wal_bytes", "cache_bytes"]),
    section(
        "storage.postgres",
        &[],
        &["url", "password", "ca_file", "most_connections", "writers", "connect_timeout_ms", "statement_timeout_ms"],
    ),
    section("replicas", &[], &["lease_ms"]),
    section("audit", &[], &["checkpoint_ms", "witness_ms", "witnesses", "timestamp_ms", "timestamp_authorities"]),
    section("audit.agency_signature", &[], &["module", "token", "key", "pin", "certificate_file", "roots_file"]),
    section(
        "outbox",
        &["retry_delays_ms", "retry_jitter_percent", "give_up_after_hours"],
        &[
            "most_open",
            "most_in_flight",
            "claim_batch",
            "lease_ms",
            "attempt_timeout_ms",
            "poll_ms",
            "look_up_delay_ms",
            "credential_pause_ms",
            "most_lost_leases",
        ],
    ),
    section(
        "outbox.breaker",
        &[
            "window_ms",
            "least_calls",
            "failure_percent",
            "failures_in_a_row",
            "first_pause_ms",
            "longest_pause_ms",
            "probe_timeout_ms",
        ],
        &[],
    ),
    section("idempotency", &["keep_hours"], &["memory_minutes", "memory_bytes"]),
    section("retention", &["dossier_contents_days", "audit_months"], &[]),
    section("dossiers", &["batch_items", "steps_per_request", "page_items"], &[]),
    section(
        "inbox",
        &[
            "enabled",
            "sender_addresses",
            "sender_certificates",
            "agency",
            "routes",
            "file_types",
            "message_bytes",
            "text_bytes",
            "file_bytes",
            "files",
            "concurrent_messages",
            "message_timeout_ms",
            "hold_ms",
            "page_items",
            "poll_ms",
            "longest_wait_s",
            "waiting_requests",
        ],
        &[],
    ),
    section("inbox.links", &["hosts", "networks", "rewrite", "parallel_fetches", "fetch_timeout_ms", "pause_ms"], &[]),
    section("catalogue", &["every_hours", "retry_s", "parallel_calls", "most_shrink_percent", "page_items"], &[]),
    section(
        "agreement",
        &[
            "nightly",
            "hour",
            "calls_per_second",
            "parallel_calls",
            "sample_percent",
            "retry_s",
            "repair",
            "most_repairs_percent",
            "page_items",
        ],
        &[],
    ),
    section("reports", &["holidays_file", "population_databases"], &[]),
    section(
        "webhooks",
        &[
            "networks",
            "timeout_ms",
            "parallel_calls",
            "retry_delays_ms",
            "retry_jitter_percent",
            "give_up_after_hours",
            "most_waiting",
            "keep_days",
            "endpoints",
        ],
        &[],
    ),
    section("portal", &[], &["adapter"]),
    section("trace", &[], &["otlp_url", "timeout_ms", "sample_percent"]),
    section("log", &["filter"], &["format"]),
];

/// Whether a running gateway takes this setting over; `None` if nobody has said so.
pub fn is_live(name: &str) -> Option<bool> {
    if name.starts_with("adapters.") {
        // An adapter is made anew, whatever it is that has changed.
        return Some(true);
    }
    let (section, last) = name.rsplit_once('.').unwrap_or(("", name));
    let section = SECTIONS.iter().find(|known| known.name == section)?;
    let is_live = section.live.contains(&last);
    (is_live || section.restart.contains(&last)).then_some(is_live)
}

/// The setting that a key belongs to: the entries of a list are one.
fn setting_of(key: &str) -> String {
    let is_number = |part: &&str| part.bytes().all(|c| c.is_ascii_digit());
    key.split('.').take_while(|part| !is_number(part)).collect::<Vec<_>>().join(".")
}

impl Loaded {
    /// Names of the settings that are not what they were.
    pub fn changed_from(&self, before: &Self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.digests.keys().chain(before.digests.keys()).collect();
        let changed = keys.into_iter().filter(|key| self.digests.get(*key) != before.digests.get(*key));
        let names: BTreeSet<String> = changed.map(|key| setting_of(key)).collect();
        names.into_iter().collect()
    }

    /// Those of the changed settings that only a restart brings into force, told like mistakes.
    pub fn needs_restart(&self, changed: &[String]) -> Vec<Mistake> {
        let needs_it = changed.iter().filter(|name| is_live(name) != Some(true));
        let mistake = |name: &String| {
            let is_of_it = |value: &&SourcedValue| setting_of(&value.key) == *name;
            let source = self.values.iter().find(is_of_it).map(|value| value.source.to_string());
            Mistake {
                key: name.clone(),
                source: source.unwrap_or_else(|| "default".to_owned()),
                vi: format!("{name} chỉ đổi được khi khởi động lại cổng; chưa thiết lập nào được đổi."),
                en: format!("{name} needs a restart; no setting was changed."),
            }
        };
        needs_it.map(mistake).collect()
    }

    /// Names and contents of all settings, as one text to be digested. It tells nothing by itself, but what it is made of can
    /// be guessed: it is only digested with a key.
    pub fn fingerprint(&self) -> Vec<u8> {
        let settings = self.digests.iter();
        settings.flat_map(|(key, digest)| [key.as_bytes(), &[0], digest].concat()).collect()
    }
}
