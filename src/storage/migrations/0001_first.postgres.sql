-- Times are UTC microseconds. Ids are UUIDv7 (16 bytes). Closed lists are checked by the program that writes them.

-- The server's clock, in the midst of a transaction too.
CREATE FUNCTION now_micros() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- Bodies, each under its own wrapped key: one place to erase.
CREATE TABLE body (
    id uuid NOT NULL PRIMARY KEY,
    key_id bigint NOT NULL,
    wrapped_key bytea NOT NULL,
    sealed bytea NOT NULL
);

-- The audit log: records as exact bytes, and the head of each shard's tree.
CREATE TABLE audit_record (
    shard text COLLATE "C" NOT NULL,
    idx bigint NOT NULL,
    id uuid NOT NULL,
    at bigint NOT NULL,
    leaf_hash bytea NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (shard, idx)
);
-- Durable with what they record, and not yet given their places in the tree: the leader does that, in the order of seq.
CREATE TABLE audit_pending (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    at bigint NOT NULL,
    leaf_hash bytea NOT NULL,
    record bytea NOT NULL
);
CREATE TABLE audit_head (
    shard text COLLATE "C" NOT NULL PRIMARY KEY,
    size bigint NOT NULL,
    frontier bytea NOT NULL,
    epoch bigint NOT NULL
);

-- The outbox. A row is open until it is delivered, skipped or cancelled; of the open rows of a lane the one with the
-- lowest position is the head. due_at is when something must be done with a head: send, look up, or take back an expired
-- lease; without it the row waits for an operator. holder is the replica that has the lease, while there is one.
CREATE TABLE outbox (
    id uuid NOT NULL PRIMARY KEY,
    operation_id uuid NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    agency_id text COLLATE "C" NOT NULL,
    route text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    ordinal bigint NOT NULL,
    body_id uuid NOT NULL,
    status text COLLATE "C" NOT NULL,
    is_open boolean NOT NULL,
    is_head boolean NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    lost_leases bigint NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,
    holder uuid,
    due_at bigint,
    first_tried_at bigint,
    problem text COLLATE "C",
    accepted_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE is_head AND due_at IS NOT NULL;
CREATE INDEX outbox_lane ON outbox (route, lane, position) WHERE is_open;
CREATE INDEX outbox_operation ON outbox (operation_id, position);
CREATE INDEX outbox_open ON outbox (status, id) WHERE is_open;

-- A lane: the last position given in it, and what the other side is known to hold of it.
CREATE TABLE lane (
    route text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    tail bigint NOT NULL,
    presence text COLLATE "C",
    acknowledged_revision bigint,
    acknowledged_at bigint,
    PRIMARY KEY (route, lane)
);

-- The replicas that serve this database, each alive until its time is over unless it renews it; and what only one
-- replica at a time may do: a lease is held as long as its holder lives, and its epoch grows with each new holder.
CREATE TABLE replica (
    id uuid NOT NULL PRIMARY KEY,
    schema bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE lease (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    holder uuid NOT NULL,
    epoch bigint NOT NULL
);

-- Rows that come and go: clean up by number, not by share, or the dead rows in front slow every look down.
ALTER TABLE audit_pending SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 20000);
-- What is sealed cannot be compressed.
ALTER TABLE body ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- A value by which each key of the key folder is recognised: replicas must all have the same keys.
CREATE TABLE key_check (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    value bytea NOT NULL
);

-- The session with a system that allows only one at a time, for all replicas; sealed. number grows with each login.
CREATE TABLE upstream_session (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    sealed bytea NOT NULL,
    since bigint NOT NULL
);

-- Stored answers of requests with an Idempotency-Key.
CREATE TABLE idempotency (
    client_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    status bigint NOT NULL,
    reply bytea NOT NULL,
    stored_at bigint NOT NULL,
    PRIMARY KEY (client_id, key)
);
CREATE INDEX idempotency_age ON idempotency (stored_at);

-- Dossiers as the local systems last said them.
CREATE TABLE dossier (
    code text COLLATE "C" NOT NULL PRIMARY KEY,
    client_id text COLLATE "C" NOT NULL,
    agency_id text COLLATE "C" NOT NULL,
    procedure_code text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    digest bytea NOT NULL,
    state text COLLATE "C" NOT NULL,
    step_state text COLLATE "C",
    steps bigint NOT NULL,
    body_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    accepted_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE INDEX dossier_by_update ON dossier (updated_at, code);
CREATE TABLE dossier_step (
    code text COLLATE "C" NOT NULL,
    ordinal bigint NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    agency_id text COLLATE "C" NOT NULL,
    body_id uuid NOT NULL,
    accepted_at bigint NOT NULL,
    PRIMARY KEY (code, ordinal)
);
