-- What others have said of heads of the audit log, byte for byte: time stamps, and signatures of the agency's key. note: the
-- signed head that it is about.
CREATE TABLE audit_anchor (
    shard text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    note bytea NOT NULL,
    token bytea NOT NULL,
    PRIMARY KEY (shard, size, kind, name)
);
CREATE INDEX audit_anchor_name ON audit_anchor (shard, kind, name, size);
-- The last head of a day.
CREATE INDEX audit_checkpoint_time ON audit_checkpoint (shard, signed_at);
