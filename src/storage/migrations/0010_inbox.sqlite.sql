-- What the portal has sent: one row a message, in order within its dossier. status: 'waiting' and 'conflict' are undecided,
-- 'acknowledged' and 'rejected' are not. Of the waiting rows of a dossier one is the head: the message with which the dossier
-- begins, else the first that came; it may be seen from ready_at on. An agency is a guess until the message with which the
-- dossier begins says it.
CREATE TABLE inbox_item (
    id BLOB NOT NULL PRIMARY KEY,
    portal TEXT NOT NULL,
    kind TEXT NOT NULL,
    national_code TEXT NOT NULL,
    reference TEXT NOT NULL,
    digest BLOB NOT NULL,
    begins INTEGER NOT NULL,
    agency_id TEXT NOT NULL,
    agency_is_guess INTEGER NOT NULL,
    procedure_code TEXT,
    body_id BLOB NOT NULL,
    has_content INTEGER NOT NULL,
    files INTEGER NOT NULL,
    status TEXT NOT NULL,
    is_head INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    ready_at INTEGER NOT NULL,
    local_code TEXT,
    decided_at INTEGER,
    decided_by TEXT,
    operation_id BLOB
) STRICT;
CREATE UNIQUE INDEX inbox_repeat ON inbox_item (portal, kind, national_code, reference, digest);
CREATE INDEX inbox_lane ON inbox_item (national_code, status);
CREATE INDEX inbox_undecided ON inbox_item (status, ready_at, id) WHERE is_head = 1 OR status = 'conflict';
CREATE INDEX inbox_local ON inbox_item (local_code) WHERE local_code IS NOT NULL;
CREATE INDEX inbox_settled ON inbox_item (id) WHERE has_content = 1 AND status IN ('acknowledged', 'rejected');

-- Files beside the database, each with the body that holds its key: one whose body is gone can be read by nobody, and goes.
CREATE TABLE kept_file (id BLOB NOT NULL PRIMARY KEY, body_id BLOB NOT NULL, is_gone INTEGER NOT NULL) STRICT;
CREATE INDEX kept_file_body ON kept_file (body_id);
CREATE INDEX kept_file_gone ON kept_file (id) WHERE is_gone = 1;
