-- What others have said of heads of the audit log, byte for byte: time stamps, and signatures of the agency's key. note: the
-- signed head that it is about.
CREATE TABLE audit_anchor (
    shard TEXT NOT NULL,
    size INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    note BLOB NOT NULL,
    token BLOB NOT NULL,
    PRIMARY KEY (shard, size, kind, name)
) STRICT;
CREATE INDEX audit_anchor_name ON audit_anchor (shard, kind, name, size);
-- The last head of a day.
CREATE INDEX audit_checkpoint_time ON audit_checkpoint (shard, signed_at);
