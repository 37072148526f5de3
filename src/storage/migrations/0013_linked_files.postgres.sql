-- Files of messages that are at an address of the portal. status: 'waiting' (to be fetched from next_at on; one that is being fetched
-- waits, too), 'kept', 'refused'. The address and what the file's key is made of are in the message's body.
CREATE TABLE linked_file (
    item_id UUID NOT NULL,
    n BIGINT NOT NULL,
    body_id UUID NOT NULL,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    since_at BIGINT NOT NULL,
    reason TEXT,
    file_id UUID,
    media_type TEXT,
    bytes BIGINT,
    sha256 BYTEA,
    PRIMARY KEY (item_id, n)
);
CREATE INDEX linked_file_body ON linked_file (body_id);
CREATE INDEX linked_file_waiting ON linked_file (next_at) WHERE status = 'waiting';
CREATE INDEX linked_file_refused ON linked_file (item_id, n) WHERE status = 'refused';
