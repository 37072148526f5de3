-- What others have said of heads of the audit log, byte for byte: time stamps, and signatures of the agency's key. note: the
-- signed head that it is about.
CREATE TABLE audit_anchor (
    shard text NOT NULL,
    size bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    at bigint NOT NULL,
    note bytea NOT NULL,
    token bytea NOT NULL,
    PRIMARY KEY (shard, size, kind, name)
);
CREATE INDEX audit_anchor_name ON audit_anchor (shard, kind, name, size);
