-- What has happened and local systems are yet to be told of: nobody is before `at`. data is a JSON object of codes and ids.
CREATE TABLE event (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    agency_id TEXT NOT NULL,
    lane TEXT NOT NULL,
    subject BLOB NOT NULL,
    data TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX event_at ON event (at, id);
CREATE INDEX event_subject ON event (subject);

-- One event for one endpoint. status: 'waiting', 'delivered', 'dead'. Of the waiting notices of a lane only the first has a next_at,
-- from which on it is called; one that is being called has it too, at which it would be called again.
CREATE TABLE webhook_notice (
    endpoint TEXT NOT NULL,
    event_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    agency_id TEXT NOT NULL,
    lane TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER,
    since_at INTEGER NOT NULL,
    reason TEXT,
    http_status INTEGER,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (endpoint, event_id)
) STRICT;
CREATE INDEX webhook_notice_due ON webhook_notice (endpoint, next_at, position) WHERE status = 'waiting' AND next_at IS NOT NULL;
CREATE INDEX webhook_notice_lane ON webhook_notice (endpoint, lane, position) WHERE status = 'waiting';
CREATE INDEX webhook_notice_dead ON webhook_notice (endpoint) WHERE status = 'dead';
CREATE INDEX webhook_notice_position ON webhook_notice (position);
CREATE INDEX webhook_notice_age ON webhook_notice (updated_at);

-- Endpoints that said that they are gone.
CREATE TABLE webhook_disabled (
    endpoint TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
