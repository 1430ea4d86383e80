-- Kept the same in meaning as ../sqlite/0007_secret_key.sql.

-- Which key secrets are encrypted under; no row before the first secret.
CREATE TABLE secret_key (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    -- A digest of the key, in hexadecimal: tells keys apart, and nothing of them.
    fingerprint TEXT   NOT NULL
);

-- The value of `revision` when the server, and so its secrets, was last registered.
ALTER TABLE servers ADD COLUMN secrets_revision BIGINT NOT NULL DEFAULT 0;
