-- Kept the same in meaning as ../sqlite/0002_tool_sync_interval.sql.

-- How often the server is asked what it offers; 0 for the default.
ALTER TABLE servers ADD COLUMN tool_sync_interval_seconds BIGINT NOT NULL DEFAULT 0;
