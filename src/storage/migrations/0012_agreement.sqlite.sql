-- Checks whether province and nation agree: each as it stands, and the codes that an operator gave it.
CREATE TABLE agreement_run (
    id BLOB NOT NULL PRIMARY KEY,
    origin TEXT NOT NULL,
    until_at INTEGER NOT NULL,
    ended_at INTEGER,
    pages INTEGER NOT NULL,
    run TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX agreement_schedule ON agreement_run (until_at) WHERE origin = 'schedule';
CREATE INDEX agreement_under_way ON agreement_run (id) WHERE ended_at IS NULL;
CREATE TABLE agreement_listed (
    run_id BLOB NOT NULL,
    code TEXT NOT NULL,
    side TEXT NOT NULL,
    PRIMARY KEY (run_id, code, side)
) STRICT, WITHOUT ROWID;

-- What differs, one row a dossier and class until it is settled.
CREATE TABLE agreement_case (
    id BLOB NOT NULL PRIMARY KEY,
    run_id BLOB NOT NULL,
    code TEXT NOT NULL,
    agency_id TEXT NOT NULL,
    class TEXT NOT NULL,
    expected TEXT NOT NULL,
    observed TEXT NOT NULL,
    repair TEXT NOT NULL,
    status TEXT NOT NULL,
    found_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    returns INTEGER NOT NULL,
    decided_at INTEGER,
    decided_by TEXT,
    words TEXT,
    operation_id BLOB
) STRICT;
CREATE UNIQUE INDEX agreement_living ON agreement_case (code, class) WHERE status <> 'settled';
CREATE INDEX agreement_status ON agreement_case (status, id);
