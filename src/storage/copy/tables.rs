//! What is copied: every table with its key and its columns, as data, and the statements over them. Whoever adds a table or
//! a column adds it here; a test compares this list with both engines' schemas.

use super::value::{Kind, Row, Value};
use crate::storage::StoreError;

/// A table, and the statements over it in words that both engines know.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// In the order of the primary key.
    pub key: &'static [&'static str],
    pub columns: &'static [Column],
    /// The first rows in the order of the key, [`PAGE`] at most.
    pub first: &'static str,
    /// The rows that follow a key.
    pub after: &'static str,
    pub(super) count: &'static str,
    pub(super) has_rows: &'static str,
    pub(super) copy_in: &'static str,
}

#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub is_nullable: bool,
}

macro_rules! page {
    () => {
        10000
    };
}

/// Rows that one statement reads at most.
pub(super) const PAGE: usize = page!();

macro_rules! list {
    ($first:ident $(, $more:ident)*) => { concat!(stringify!($first) $(, ", ", stringify!($more))*) };
}

macro_rules! numbers {
    ($one:ident) => {
        "$1"
    };
    ($one:ident, $two:ident) => {
        "$1, $2"
    };
    ($one:ident, $two:ident, $three:ident) => {
        "$1, $2, $3"
    };
    ($one:ident, $two:ident, $three:ident, $four:ident) => {
        "$1, $2, $3, $4"
    };
}

macro_rules! tables {
    ($($name:ident ($($key:ident),+) { $($column:ident: $kind:ident $($null:ident)?),+ $(,)? })+) => {
        /// Everything that makes a gateway what it is, in the order in which it is copied.
        pub const TABLES: &[Table] = &[$(Table {
            name: stringify!($name),
            key: &[$(stringify!($key)),+],
            columns: &[$(Column {
                name: stringify!($column),
                kind: Kind::$kind,
                is_nullable: !stringify!($($null)?).is_empty(),
            }),+],
            first: concat!(
                "SELECT ", list!($($column),+), " FROM ", stringify!($name),
                " ORDER BY ", list!($($key),+), " LIMIT ", page!()
            ),
            after: concat!(
                "SELECT ", list!($($column),+), " FROM ", stringify!($name),
                " WHERE (", list!($($key),+), ") > (", numbers!($($key),+), ")",
                " ORDER BY ", list!($($key),+), " LIMIT ", page!()
            ),
            count: concat!("SELECT count(*) FROM ", stringify!($name)),
            has_rows: concat!("SELECT EXISTS (SELECT 1 FROM ", stringify!($name), ")"),
            copy_in: concat!("COPY ", stringify!($name), " (", list!($($column),+), ") FROM STDIN BINARY"),
        }),+];
    };
}

tables! {
    // The keys themselves are files and no part of the copy; what they are recognised by is, so that the target refuses
    // any other keys.
    key_check (name) { name: Text, value: Bytes }
    client (id) {
        id: Text, name: Text, agencies: Text, procedures: Text, scopes: Text, created_at: Integer, revoked_at: Integer null,
    }
    client_credential (id) {
        id: Uuid, client_id: Text, kind: Text, value: Text, created_at: Integer, ends_at: Integer null,
    }
    token_key (kid) { kid: Text, sealed: Bytes, signs_from: Integer }
    used_assertion (client_id, jti) { client_id: Text, jti: Text, ends_at: Integer }
    access_change (name) { name: Text, number: Integer }
    dossier (code) {
        code: Text, client_id: Text, agency_id: Text, procedure_code: Text, revision: Integer, digest: Bytes, state: Text,
        step_state: Text null, steps: Integer, body_id: Uuid, operation_id: Uuid, accepted_at: Integer,
        updated_at: Integer,
    }
    dossier_step (code, ordinal) {
        code: Text, ordinal: Integer, client_id: Text, agency_id: Text, body_id: Uuid, accepted_at: Integer,
    }
    lane (route, lane) {
        route: Text, lane: Text, tail: Integer, presence: Text null, acknowledged_revision: Integer null,
        acknowledged_at: Integer null,
    }
    // An item that was `sending` when its gateway was killed stays `sending`, with its holder. The holder is no living
    // replica of the target, so the first leader there takes the item back as `unknown`, as after any crash: whether the
    // request had left is not known, and copying has taught nothing about it.
    outbox (id) {
        id: Uuid, operation_id: Uuid, client_id: Text, agency_id: Text, route: Text, lane: Text, position: Integer,
        kind: Text, ordinal: Integer, body_id: Uuid, status: Text, is_open: Boolean, is_head: Boolean, attempts: Integer,
        lost_leases: Integer, fence: Integer, holder: Uuid null, due_at: Integer null, first_tried_at: Integer null,
        problem: Text null, accepted_at: Integer, updated_at: Integer, traceparent: Text null,
    }
    idempotency (client_id, key) {
        client_id: Text, key: Text, fingerprint: Bytes, status: Integer, reply: Bytes, stored_at: Integer,
    }
    body (id) { id: Uuid, key_id: Integer, wrapped_key: Bytes, sealed: Bytes }
    // The epoch of a head is that of the leader who moved it. SQLite has no leaders and writes 0, which every leader of the
    // target is beyond.
    audit_head (shard) { shard: Text, size: Integer, frontier: Bytes, epoch: Integer }
    audit_record (shard, idx) {
        shard: Text, idx: Integer, id: Uuid, at: Integer, leaf_hash: Bytes, record: Bytes,
    }
    audit_checkpoint (shard, size) { shard: Text, size: Integer, signed_at: Integer, note: Bytes, witnessed: Integer null }
    inbox_item (id) {
        id: Uuid, portal: Text, kind: Text, national_code: Text, reference: Text, digest: Bytes, begins: Boolean, agency_id: Text,
        agency_is_guess: Boolean, procedure_code: Text null, body_id: Uuid, has_content: Boolean, files: Integer, status: Text, is_head: Boolean, received_at: Integer,
        ready_at: Integer, local_code: Text null, decided_at: Integer null, decided_by: Text null, operation_id: Uuid null,
    }
    catalogue_version (number) {
        number: Integer, list: Text, code: Text, name: Text null, standing: Text, change: Text, since: Integer, summary: Text,
        digest: Bytes, content: Text,
    }
    catalogue_run (one) {
        one: Integer, began_at: Integer null, ended_at: Integer null, completed_at: Integer null, next_at: Integer, remaining: Text,
        report: Text, asked_at: Integer null, may_shrink: Boolean,
    }
    agreement_run (id) {
        id: Uuid, origin: Text, until_at: Integer, ended_at: Integer null, pages: Integer, run: Text,
    }
    agreement_listed (run_id, code, side) { run_id: Uuid, code: Text, side: Text }
    agreement_case (id) {
        id: Uuid, run_id: Uuid, code: Text, agency_id: Text, class: Text, expected: Text, observed: Text, repair: Text, status: Text,
        found_at: Integer, seen_at: Integer, returns: Integer, decided_at: Integer null, decided_by: Text null, words: Text null,
        operation_id: Uuid null,
    }
    kept_file (id) { id: Uuid, body_id: Uuid, is_gone: Boolean }
    linked_file (item_id, n) {
        item_id: Uuid, n: Integer, body_id: Uuid, status: Text, attempts: Integer, next_at: Integer, since_at: Integer, reason: Text null,
        file_id: Uuid null, media_type: Text null, bytes: Integer null, sha256: Bytes null,
    }
    event (id) { id: Uuid, kind: Text, agency_id: Text, lane: Text, subject: Uuid, data: Text, at: Integer }
    webhook_notice (endpoint, event_id) {
        endpoint: Text, event_id: Uuid, position: Integer, client_id: Text, agency_id: Text, lane: Text, kind: Text, payload: Text,
        status: Text, attempts: Integer, next_at: Integer null, since_at: Integer, reason: Text null, http_status: Integer null,
        updated_at: Integer,
    }
    webhook_disabled (endpoint) { endpoint: Text, at: Integer }
    audit_closed (shard) {
        shard: Text, size: Integer, root: Bytes, closed_at: Integer, dropped_at: Integer null, drop_record: Bytes null,
    }
    key_generation (name) { name: Text, used_from: Integer, retired_at: Integer null, public_key: Bytes null }
    audit_anchor (shard, size, kind, name) {
        shard: Text, size: Integer, kind: Text, name: Text, at: Integer, note: Bytes, token: Bytes,
    }
    audit_continuation (shard, number) { shard: Text, number: Integer, signed_before: Integer }
    audit_tile (shard, level, number) { shard: Text, level: Integer, number: Integer, hashes: Bytes }
    audit_zone (shard, number) { shard: Text, number: Integer, first_at: Integer, last_at: Integer, terms: Bytes }
}

/// What stays behind, and why.
pub const NOT_COPIED: &[(&str, &str)] = &[
    ("migration", "each engine has run its own"),
    ("replica", "who serves the source does not serve the target"),
    ("lease", "held by replicas, and given up with them"),
    (
        "audit_pending",
        "only PostgreSQL has it, between a write and its place in the tree: on SQLite every record has one",
    ),
    ("upstream_session", "a session is got again by a login; two gateways must not share one"),
    ("storage_copy", "tells how far an unfinished copy is, in the target and only while it lasts"),
];

impl Table {
    fn values<E>(&self, read: impl Fn(Kind, usize) -> Result<Value, E>) -> Result<Row, E> {
        self.columns.iter().enumerate().map(|(at, column)| read(column.kind, at)).collect()
    }

    pub(super) fn of_sqlite(&self, row: &rusqlite::Row<'_>) -> Result<Row, StoreError> {
        Ok(self.values(|kind, at| kind.of_sqlite(row, at))?)
    }

    pub(super) fn of_postgres(&self, row: &tokio_postgres::Row) -> Result<Row, StoreError> {
        Ok(self.values(|kind, at| kind.of_postgres(row, at))?)
    }

    fn key_columns(&self) -> impl Iterator<Item = (usize, &'static Column)> {
        self.key.iter().filter_map(|key| self.columns.iter().enumerate().find(|(_, column)| column.name == *key))
    }

    pub(super) fn key_of(&self, row: &[Value]) -> Row {
        self.key_columns().map(|(at, _)| row[at].clone()).collect()
    }

    /// The key that was written as texts; `None` if these cannot be one.
    pub(super) fn read_key(&self, texts: &[String]) -> Option<Row> {
        let key: Row =
            self.key_columns().zip(texts).map(|((_, column), text)| column.kind.read(text)).collect::<Option<_>>()?;
        (key.len() == self.key.len()).then_some(key)
    }

    /// The row by its key, for people: `outbox (id = …)`.
    pub(super) fn name_of(&self, row: &[Value]) -> String {
        let pairs = self.key_columns().map(|(at, column)| format!("{} = {}", column.name, row[at].to_text()));
        format!("{} ({})", self.name, pairs.collect::<Vec<_>>().join(", "))
    }
}
