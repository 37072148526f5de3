-- Clients: the local systems that may call. agencies, procedures and scopes are lists with one space between. A client is
-- never deleted: records name it.
CREATE TABLE client (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    agencies TEXT NOT NULL,
    procedures TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- What they prove themselves by. Of a secret only a digest under the deployment's key is here.
CREATE TABLE client_credential (
    id BLOB NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ends_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX client_credential_client ON client_credential (client_id);

-- Keys that sign tokens, sealed; each signs from its time until the next one's.
CREATE TABLE token_key (
    kid TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL,
    signs_from INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Assertions by which clients have proved themselves: each counts once.
CREATE TABLE used_assertion (
    client_id TEXT NOT NULL,
    jti TEXT NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, jti)
) STRICT, WITHOUT ROWID;
CREATE INDEX used_assertion_end ON used_assertion (ends_at);

-- Grows with every change of clients, credentials or keys: replicas hold them in memory and look at it.
CREATE TABLE access_change (
    name TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
