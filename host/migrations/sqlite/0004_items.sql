-- Kept the same in meaning as ../postgres/0004_items.sql.

-- 0 for a disabled item that its server no longer lists: it is disabled still if it comes back.
ALTER TABLE items ADD COLUMN offered BIGINT NOT NULL DEFAULT 1;
