-- A log that goes on under another name after a restore: its number (2 is the first), and how many records the last
-- checkpoint under the name before has here.
CREATE TABLE audit_continuation (
    shard text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    signed_before bigint NOT NULL,
    PRIMARY KEY (shard, number)
);
