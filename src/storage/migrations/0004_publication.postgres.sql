-- Checkpoints of the audit log as they were signed, byte for byte. Of one shard there are no two of one size.
CREATE TABLE audit_checkpoint (
    shard text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    signed_at bigint NOT NULL,
    note bytea NOT NULL,
    PRIMARY KEY (shard, size)
);
-- The tree's hashes above the leaves, in tiles; the last one of each level grows. Made from the records.
CREATE TABLE audit_tile (
    shard text COLLATE "C" NOT NULL,
    level bigint NOT NULL,
    number bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (shard, level, number)
);
-- What may be found in each 256 records. Made from the records.
CREATE TABLE audit_zone (
    shard text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    first_at bigint NOT NULL,
    last_at bigint NOT NULL,
    terms bytea NOT NULL,
    PRIMARY KEY (shard, number)
);
-- Hashes cannot be compressed.
ALTER TABLE audit_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
ALTER TABLE audit_zone ALTER COLUMN terms SET STORAGE EXTERNAL;
