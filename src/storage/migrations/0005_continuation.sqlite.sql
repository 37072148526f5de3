-- A log that goes on under another name after a restore: its number (2 is the first), and how many records the last
-- checkpoint under the name before has here.
CREATE TABLE audit_continuation (
    shard TEXT NOT NULL,
    number INTEGER NOT NULL,
    signed_before INTEGER NOT NULL,
    PRIMARY KEY (shard, number)
) STRICT, WITHOUT ROWID;
