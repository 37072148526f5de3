-- Files of messages that are at an address of the portal. status: 'waiting' (to be fetched from next_at on; one that is being fetched
-- waits, too), 'kept', 'refused'. The address and what the file's key is made of are in the message's body.
CREATE TABLE linked_file (
    item_id BLOB NOT NULL,
    n INTEGER NOT NULL,
    body_id BLOB NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    since_at INTEGER NOT NULL,
    reason TEXT,
    file_id BLOB,
    media_type TEXT,
    bytes INTEGER,
    sha256 BLOB,
    PRIMARY KEY (item_id, n)
) STRICT;
CREATE INDEX linked_file_body ON linked_file (body_id);
CREATE INDEX linked_file_waiting ON linked_file (next_at) WHERE status = 'waiting';
CREATE INDEX linked_file_refused ON linked_file (item_id, n) WHERE status = 'refused';
