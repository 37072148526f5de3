-- What the portal has sent: one row a message, in order within its dossier. status: 'waiting' and 'conflict' are undecided,
-- 'acknowledged' and 'rejected' are not. Of the waiting rows of a dossier one is the head: the message with which the dossier
-- begins, else the first that came; it may be seen from ready_at on. An agency is a guess until the message with which the
-- dossier begins says it.
CREATE TABLE inbox_item (
    id UUID NOT NULL PRIMARY KEY,
    portal TEXT NOT NULL,
    kind TEXT NOT NULL,
    national_code TEXT NOT NULL,
    reference TEXT NOT NULL,
    digest BYTEA NOT NULL,
    begins BOOLEAN NOT NULL,
    agency_id TEXT NOT NULL,
    agency_is_guess BOOLEAN NOT NULL,
    procedure_code TEXT,
    body_id UUID NOT NULL,
    has_content BOOLEAN NOT NULL,
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
CREATE INDEX inbox_local ON inbox_item (local_code) WHERE local_code IS NOT NULL;
CREATE INDEX inbox_settled ON inbox_item (id) WHERE has_content AND status IN ('acknowledged', 'rejected');

-- Files beside the database, each with the body that holds its key: one whose body is gone can be read by nobody, and goes.
CREATE TABLE kept_file (id UUID NOT NULL PRIMARY KEY, body_id UUID NOT NULL, is_gone BOOLEAN NOT NULL);
CREATE INDEX kept_file_body ON kept_file (body_id);
CREATE INDEX kept_file_gone ON kept_file (id) WHERE is_gone;
