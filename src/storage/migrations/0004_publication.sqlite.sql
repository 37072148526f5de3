-- Checkpoints of the audit log as they were signed, byte for byte. Of one shard there are no two of one size.
CREATE TABLE audit_checkpoint (
    shard TEXT NOT NULL,
    size INTEGER NOT NULL,
    signed_at INTEGER NOT NULL,
    note BLOB NOT NULL,
    PRIMARY KEY (shard, size)
) STRICT, WITHOUT ROWID;
-- The tree's hashes above the leaves, in tiles; the last one of each level grows. Made from the records.
CREATE TABLE audit_tile (
    shard TEXT NOT NULL,
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (shard, level, number)
) STRICT;
-- What may be found in each 256 records. Made from the records.
CREATE TABLE audit_zone (
    shard TEXT NOT NULL,
    number INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    terms BLOB NOT NULL,
    PRIMARY KEY (shard, number)
) STRICT;
