-- Logs of half-years that are over: what was signed last of them, which a record of a later log names. dropped_at: when their
-- records were dropped, because they had been kept for as long as they are to be; drop_record: the id of the record that says so.
CREATE TABLE audit_closed (
    shard text COLLATE "C" NOT NULL PRIMARY KEY,
    size bigint NOT NULL,
    root bytea NOT NULL,
    closed_at bigint NOT NULL,
    dropped_at bigint,
    drop_record bytea
);
