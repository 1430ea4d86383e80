-- Kept the same in meaning as ../sqlite/0004_items.sql.

-- 0 for a disabled item that its server no longer lists: it is disabled still if it comes back.
ALTER TABLE items ADD COLUMN offered BIGINT NOT NULL DEFAULT 1;

-- Over a digest, because an index row holds less than 3 KB and a URI may be longer. The
-- backslashes are doubled for the cast, which would take them for escapes.
ALTER TABLE items DROP CONSTRAINT items_server_id_kind_item_key_key;
CREATE UNIQUE INDEX items_of_server ON items (server_id, kind, sha256(replace(item_key, '\', '\\')::bytea));
