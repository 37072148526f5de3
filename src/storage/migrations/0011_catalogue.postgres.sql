-- The copy of the national catalogue: every version of every entry, in the order in which they were found. The newest one of a
-- (list, code) is the entry as it stands. A row is never changed and never goes.
CREATE TABLE catalogue_version (
    number BIGINT NOT NULL PRIMARY KEY,
    list TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    name TEXT,
    standing TEXT NOT NULL,
    change TEXT NOT NULL,
    since BIGINT NOT NULL,
    summary TEXT NOT NULL,
    digest BYTEA NOT NULL,
    content TEXT NOT NULL
);
CREATE UNIQUE INDEX catalogue_entry ON catalogue_version (list, code, number);

-- The last time that the catalogue was asked for, or is being asked for now. One row.
CREATE TABLE catalogue_run (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    began_at BIGINT,
    ended_at BIGINT,
    completed_at BIGINT,
    next_at BIGINT NOT NULL,
    remaining TEXT NOT NULL,
    report TEXT NOT NULL,
    asked_at BIGINT,
    may_shrink BOOLEAN NOT NULL
);
