-- Kept the same in meaning as ../sqlite/0009_plugin_secrets.sql.

-- Secrets that administrators keep for plugins.
CREATE TABLE plugin_secrets (
    name       TEXT   NOT NULL PRIMARY KEY,
    -- Encrypted under the secret key.
    ciphertext BYTEA  NOT NULL,
    -- The value of `revision` when it was last set.
    revision   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
