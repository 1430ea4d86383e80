-- Kept the same in meaning as ../sqlite/0011_installation_mentions.sql.

-- What changes of the installed plugins speak of, each with the last change that does: it goes when none
-- that is kept speaks of it any more.
CREATE TABLE installation_mentions (
    -- `component`, by its digest; `values`, by what a plugin keeps them under.
    kind            TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    installation_id BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);
INSERT INTO installation_mentions (kind, name, installation_id)
    SELECT 'component', digest, MAX(id) FROM plugin_components, installations
    WHERE plugins LIKE '%sha256:' || digest || '%' GROUP BY digest;

-- Which components are old is found without reading them.
CREATE INDEX plugin_components_added_at ON plugin_components (added_at, digest);
