-- Kept the same in meaning as ../postgres/0005_identities.sql.

-- How the gateway was initialised; no row before.
CREATE TABLE initialization (
    id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    -- `development` or `enterprise`.
    mode TEXT   NOT NULL,
    at   BIGINT NOT NULL
);

-- Clients and users.
CREATE TABLE identities (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- `client` or `user`.
    kind        TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    -- A user's: `admin` or `user`. Empty for a client.
    role        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    -- A client's: a JSON array of patterns. Empty for a user.
    allow_list  TEXT   NOT NULL,
    -- The value of `revision` when it, or a token of it, last changed.
    revision    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE (kind, name)
);
CREATE INDEX identities_revision ON identities (revision);

-- One of an identity's is its current token; others live on until they expire.
CREATE TABLE access_tokens (
    -- SHA-256 of the token, in hexadecimal: one token is one identity's.
    digest      TEXT   NOT NULL PRIMARY KEY,
    identity_id BIGINT NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    -- NULL for the current one.
    expires_at  BIGINT
);
CREATE INDEX access_tokens_identity ON access_tokens (identity_id);

-- What was deleted when, so that a gateway need not read all identities to notice.
-- One row for each name that no identity has any more.
CREATE TABLE removed_identities (
    kind     TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE INDEX removed_identities_revision ON removed_identities (revision);
