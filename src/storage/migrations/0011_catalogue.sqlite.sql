-- The copy of the national catalogue: every version of every entry, in the order in which they were found. The newest one of a
-- (list, code) is the entry as it stands. A row is never changed and never goes.
CREATE TABLE catalogue_version (
    number INTEGER NOT NULL PRIMARY KEY,
    list TEXT NOT NULL,
    code TEXT NOT NULL,
    name TEXT,
    standing TEXT NOT NULL,
    change TEXT NOT NULL,
    since INTEGER NOT NULL,
    summary TEXT NOT NULL,
    digest BLOB NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX catalogue_entry ON catalogue_version (list, code, number);

-- The last time that the catalogue was asked for, or is being asked for now. One row.
CREATE TABLE catalogue_run (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    began_at INTEGER,
    ended_at INTEGER,
    completed_at INTEGER,
    next_at INTEGER NOT NULL,
    remaining TEXT NOT NULL,
    report TEXT NOT NULL,
    asked_at INTEGER,
    may_shrink INTEGER NOT NULL
) STRICT;
