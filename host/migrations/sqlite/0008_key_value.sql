-- Kept the same in meaning as ../postgres/0008_key_value.sql.

-- What plugins keep from call to call. It is none of what gateways serve, so it has no revision.
CREATE TABLE plugin_values (
    plugin     TEXT   NOT NULL,
    -- UTF-8, as bytes: a text may hold what a database does not take in one.
    key        BLOB   NOT NULL,
    -- One of the two: a number is what can be added to.
    value      BLOB,
    number     BIGINT,
    -- In milliseconds since 1970; NULL for never.
    expires_at BIGINT,
    -- What it counts as: the bytes of its key and its value.
    size       BIGINT NOT NULL,
    PRIMARY KEY (plugin, key)
);
CREATE INDEX plugin_values_quota ON plugin_values (plugin, expires_at, size);
CREATE INDEX plugin_values_expires_at ON plugin_values (expires_at);
