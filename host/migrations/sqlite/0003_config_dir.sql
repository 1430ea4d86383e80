-- Kept the same in meaning as ../postgres/0003_config_dir.sql.

-- What a watched folder of configuration files brought here, and may take away again.
CREATE TABLE config_dir_entries (
    -- `server` or `group`.
    kind   TEXT NOT NULL,
    name   TEXT NOT NULL,
    -- The folder, as an absolute path.
    folder TEXT NOT NULL,
    PRIMARY KEY (kind, name)
);
