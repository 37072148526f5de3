-- Times are UTC microseconds. Ids are UUIDv7 (16 bytes). Closed lists are checked by the program that writes them.

-- Bodies, each under its own wrapped key: one place to erase.
CREATE TABLE body (
    id BLOB NOT NULL PRIMARY KEY,
    key_id INTEGER NOT NULL,
    wrapped_key BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

-- The audit log: records as exact bytes, and the head of each shard's tree.
CREATE TABLE audit_record (
    shard TEXT NOT NULL,
    idx INTEGER NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (shard, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_head (
    shard TEXT NOT NULL PRIMARY KEY,
    size INTEGER NOT NULL,
    frontier BLOB NOT NULL,
    epoch INTEGER NOT NULL
) STRICT;

-- The outbox. A row is open until it is delivered, skipped or cancelled; of the open rows of a lane the one with the
-- lowest position is the head. due_at is when something must be done with a head: send, look up, or take back an expired
-- lease; without it the row waits for an operator. holder is the replica that has the lease, while there is one.
CREATE TABLE outbox (
    id BLOB NOT NULL PRIMARY KEY,
    operation_id BLOB NOT NULL,
    client_id TEXT NOT NULL,
    agency_id TEXT NOT NULL,
    route TEXT NOT NULL,
    lane TEXT NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    body_id BLOB NOT NULL,
    status TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    is_head INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    lost_leases INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    holder BLOB,
    due_at INTEGER,
    first_tried_at INTEGER,
    problem TEXT,
    accepted_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at) WHERE is_head = 1 AND due_at IS NOT NULL;
CREATE INDEX outbox_lane ON outbox (route, lane, position) WHERE is_open = 1;
CREATE INDEX outbox_operation ON outbox (operation_id, position);
CREATE INDEX outbox_open ON outbox (status, id) WHERE is_open = 1;

-- A lane: the last position given in it, and what the other side is known to hold of it.
CREATE TABLE lane (
    route TEXT NOT NULL,
    lane TEXT NOT NULL,
    tail INTEGER NOT NULL,
    presence TEXT,
    acknowledged_revision INTEGER,
    acknowledged_at INTEGER,
    PRIMARY KEY (route, lane)
) STRICT, WITHOUT ROWID;

-- The replicas that serve this database, each alive until its time is over unless it renews it; and what only one
-- replica at a time may do: a lease is held as long as its holder lives, and its epoch grows with each new holder.
CREATE TABLE replica (
    id BLOB NOT NULL PRIMARY KEY,
    schema INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE lease (
    name TEXT NOT NULL PRIMARY KEY,
    holder BLOB NOT NULL,
    epoch INTEGER NOT NULL
) STRICT;

-- A value by which each key of the key folder is recognised: replicas must all have the same keys.
CREATE TABLE key_check (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- The session with a system that allows only one at a time, for all replicas; sealed. number grows with each login.
CREATE TABLE upstream_session (
    name TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    since INTEGER NOT NULL
) STRICT;

-- Stored answers of requests with an Idempotency-Key.
CREATE TABLE idempotency (
    client_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    reply BLOB NOT NULL,
    stored_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (stored_at);

-- Dossiers as the local systems last said them.
CREATE TABLE dossier (
    code TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    agency_id TEXT NOT NULL,
    procedure_code TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest BLOB NOT NULL,
    state TEXT NOT NULL,
    step_state TEXT,
    steps INTEGER NOT NULL,
    body_id BLOB NOT NULL,
    operation_id BLOB NOT NULL,
    accepted_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX dossier_by_update ON dossier (updated_at, code);
CREATE TABLE dossier_step (
    code TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    agency_id TEXT NOT NULL,
    body_id BLOB NOT NULL,
    accepted_at INTEGER NOT NULL,
    PRIMARY KEY (code, ordinal)
) STRICT, WITHOUT ROWID;
