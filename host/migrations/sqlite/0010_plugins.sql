-- Kept the same in meaning as ../postgres/0010_plugins.sql.

-- Components that were uploaded, by the SHA-256 of their bytes in hexadecimal.
CREATE TABLE plugin_components (
    digest   TEXT   NOT NULL PRIMARY KEY,
    bytes    BLOB   NOT NULL,
    added_at BIGINT NOT NULL
);

-- One row for each change of the installed plugins; the last one is what is installed.
-- Without any row the stock plugins are.
CREATE TABLE installations (
    id         BIGINT NOT NULL PRIMARY KEY,
    -- The row that undoing this one goes back to: 0 for the stock plugins, -1 if there is nothing to undo.
    undone_to  BIGINT NOT NULL,
    -- JSON text: the plugins in their order.
    plugins    TEXT   NOT NULL,
    -- What was done, and by whom; for people.
    summary    TEXT   NOT NULL,
    author     TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
