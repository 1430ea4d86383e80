-- Kept the same in meaning as ../sqlite/0012_component_parts.sql.

-- The bytes of components, in parts: while one is written, other changes come in between.
CREATE TABLE plugin_component_parts (
    digest TEXT   NOT NULL REFERENCES plugin_components (digest) ON DELETE CASCADE,
    -- Their order, from 0.
    number BIGINT NOT NULL,
    bytes  BYTEA  NOT NULL,
    PRIMARY KEY (digest, number)
);
INSERT INTO plugin_component_parts (digest, number, bytes) SELECT digest, 0, bytes FROM plugin_components;

-- In bytes: a component is there when its parts are that long together.
ALTER TABLE plugin_components ADD COLUMN size BIGINT NOT NULL DEFAULT 0;
UPDATE plugin_components SET size = LENGTH(bytes);
ALTER TABLE plugin_components DROP COLUMN bytes;
