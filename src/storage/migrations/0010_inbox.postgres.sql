-- What the portal has sent: one row a message, in order within its dossier. status: 'waiting' and 'conflict' are undecided,
-- 'acknowledged' and 'rejected' are not. Of the waiting rows of a dossier one is the head: the message with which the dossier
-- begins, else the first that came; it may be seen from ready_at on.
CREATE TABLE inbox_item (
    id UUID NOT NULL PRIMARY KEY,
    portal TEXT NOT NULL,
    kind TEXT NOT NULL,
    national_code TEXT NOT NULL,
    reference TEXT NOT NULL,
    digest BYTEA NOT NULL,
    begins BOOLEAN NOT NULL,
    agency_id TEXT NOT NULL,
    procedure_code TEXT,
    body_id UUID NOT NULL,
    files BIGINT NOT NULL,
    status TEXT NOT NULL,
    is_head BOOLEAN NOT NULL,
    received_at BIGINT NOT NULL,
    ready_at BIGINT NOT NULL,
    local_code TEXT,
    decided_at BIGINT,
    decided_by TEXT,
    operation_id UUID
);
CREATE UNIQUE INDEX inbox_repeat ON inbox_item (portal, kind, national_code, reference, digest);
CREATE INDEX inbox_lane ON inbox_item (national_code, status);
CREATE INDEX inbox_undecided ON inbox_item (status, ready_at, id) WHERE is_head OR status = 'conflict';

-- Files beside the database, each with the body that holds its key: one whose body is gone can be read by nobody, and goes.
CREATE TABLE kept_file (id UUID NOT NULL PRIMARY KEY, body_id UUID NOT NULL);
