-- Kept the same in meaning as ../postgres/0001_registry.sql.
-- Times are milliseconds since 1970, flags 0 or 1, documents JSON text.

-- One row, bumped in the transaction of every change.
CREATE TABLE revision (
    id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL
);
INSERT INTO revision (id, revision) VALUES (1, 1);

CREATE TABLE servers (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT   NOT NULL UNIQUE,
    -- The value of `revision` when the server, a secret or an item of it last changed.
    revision     BIGINT NOT NULL,
    description  TEXT   NOT NULL,
    transport    TEXT   NOT NULL,
    -- What the transport needs, without secrets.
    config       TEXT   NOT NULL,
    session_mode TEXT   NOT NULL,
    enabled      BIGINT NOT NULL,
    -- The result of `initialize`.
    initialize   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);

CREATE TABLE server_secrets (
    server_id  BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    name       TEXT   NOT NULL,
    -- Nonce and ciphertext, bound to the server's name and the secret's.
    ciphertext BLOB   NOT NULL,
    PRIMARY KEY (server_id, name)
);

CREATE TABLE items (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id  BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    kind       TEXT   NOT NULL,
    -- The name of a tool or prompt, the URI of a resource, the URI template of a template.
    item_key   TEXT   NOT NULL,
    -- The order in which the upstream lists items of this kind.
    position   BIGINT NOT NULL,
    -- As the upstream sent it.
    definition TEXT   NOT NULL,
    enabled    BIGINT NOT NULL,
    UNIQUE (server_id, kind, item_key)
);

CREATE TABLE tool_groups (
    name       TEXT   NOT NULL PRIMARY KEY,
    definition TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
