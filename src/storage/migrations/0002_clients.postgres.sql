-- Clients: the local systems that may call. agencies, procedures and scopes are lists with one space between. A client is
-- never deleted: records name it.
CREATE TABLE client (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    agencies text COLLATE "C" NOT NULL,
    procedures text COLLATE "C" NOT NULL,
    scopes text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    revoked_at bigint
);

-- What they prove themselves by. Of a secret only a digest under the deployment's key is here.
CREATE TABLE client_credential (
    id uuid NOT NULL PRIMARY KEY,
    client_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    ends_at bigint
);
CREATE INDEX client_credential_client ON client_credential (client_id);

-- Keys that sign tokens, sealed; each signs from its time until the next one's.
CREATE TABLE token_key (
    kid text COLLATE "C" NOT NULL PRIMARY KEY,
    sealed bytea NOT NULL,
    signs_from bigint NOT NULL
);

-- Assertions by which clients have proved themselves: each counts once.
CREATE TABLE used_assertion (
    client_id text COLLATE "C" NOT NULL,
    jti text COLLATE "C" NOT NULL,
    ends_at bigint NOT NULL,
    PRIMARY KEY (client_id, jti)
);
CREATE INDEX used_assertion_end ON used_assertion (ends_at);

-- Grows with every change of clients, credentials or keys: replicas hold them in memory and look at it.
CREATE TABLE access_change (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL
);
