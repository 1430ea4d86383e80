-- Kept the same in meaning as ../postgres/0006_audit.sql.

-- What the audit log keeps of a server's calls besides that they happened: JSON text, or empty.
ALTER TABLE servers ADD COLUMN audit TEXT NOT NULL DEFAULT '';

-- One row, from the first start with an audit log on.
CREATE TABLE audit_log (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    -- The key of all codes, encrypted under the secret key.
    sealed_key  BLOB   NOT NULL,
    -- The number of the last record that arrived.
    arrival     BIGINT NOT NULL,
    -- How many writers there are, and the code of the last one's entry.
    writers     BIGINT NOT NULL,
    writers_mac BLOB   NOT NULL,
    -- How often these two did not verify when they were renewed.
    unverified  BIGINT NOT NULL,
    signature   BLOB   NOT NULL
);

-- One row for each run of a gateway that recorded anything.
CREATE TABLE audit_writers (
    ordinal        BIGINT NOT NULL PRIMARY KEY,
    name           TEXT   NOT NULL UNIQUE,
    registered_at  BIGINT NOT NULL,
    -- Over this entry and the code of the one before it.
    mac            BLOB   NOT NULL,
    -- A checkpoint: up to here its records were removed because they were old.
    cut_seq        BIGINT NOT NULL,
    cut_mac        BLOB   NOT NULL,
    cut_unverified BIGINT NOT NULL,
    cut_signature  BLOB   NOT NULL,
    -- The last record of it that arrived.
    head_seq       BIGINT NOT NULL,
    head_mac       BLOB   NOT NULL,
    head_signature BLOB   NOT NULL
);

CREATE TABLE audit_records (
    -- The order in which records of all writers arrived.
    arrival        BIGINT NOT NULL PRIMARY KEY,
    -- The ordinal of its writer, and its number among that one's.
    writer         BIGINT NOT NULL,
    seq            BIGINT NOT NULL,
    -- What it is found by; the text says the same.
    at             BIGINT NOT NULL,
    kind           TEXT   NOT NULL,
    principal_kind TEXT   NOT NULL,
    principal      TEXT   NOT NULL,
    server         TEXT   NOT NULL,
    denied         BIGINT NOT NULL,
    -- JSON text, byte for byte what the code is over.
    record         TEXT   NOT NULL,
    mac            BLOB   NOT NULL,
    UNIQUE (writer, seq)
);
CREATE INDEX audit_records_at ON audit_records (at);
CREATE INDEX audit_records_principal ON audit_records (principal, arrival);
CREATE INDEX audit_records_server ON audit_records (server, arrival);
CREATE INDEX audit_records_denied ON audit_records (arrival) WHERE denied = 1;
