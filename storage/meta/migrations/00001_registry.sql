-- +goose Up
CREATE TABLE repository (
    id                BIGINT PRIMARY KEY,
    account           TEXT    NOT NULL,
    region            TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    created_at        BIGINT  NOT NULL,
    immutable         BOOLEAN NOT NULL,
    -- JSON list of the tag patterns to which the opposite of immutable applies
    mutability_except TEXT    NOT NULL
);
-- serves look-ups by name and the lists in name order
CREATE UNIQUE INDEX repository_by_name ON repository (account, region, name);

CREATE TABLE resource_tag (
    resource TEXT NOT NULL,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (resource, key)
);

CREATE TABLE blob (
    digest     TEXT   PRIMARY KEY,
    size       BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- a repository holds a blob; without a row here the repository does not show it
CREATE TABLE blob_link (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX blob_link_by_digest ON blob_link (digest);

-- content is the last column, so that lists need not read past it
CREATE TABLE manifest (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    media_type    TEXT   NOT NULL,
    artifact_type TEXT   NOT NULL,
    subject       TEXT   NOT NULL,
    image_size    BIGINT NOT NULL,
    pushed_at     BIGINT NOT NULL,
    content       BYTEA  NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX manifest_by_subject ON manifest (repository_id, subject, digest);

-- what a manifest needs to be there: blobs, and for an index its manifests
CREATE TABLE manifest_reference (
    repository_id BIGINT  NOT NULL,
    parent        TEXT    NOT NULL,
    child         TEXT    NOT NULL,
    is_manifest   BOOLEAN NOT NULL,
    PRIMARY KEY (repository_id, parent, child)
);
CREATE INDEX manifest_reference_by_child ON manifest_reference (repository_id, child);

CREATE TABLE tag (
    repository_id BIGINT NOT NULL,
    name          TEXT   NOT NULL,
    digest        TEXT   NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (repository_id, name)
);
CREATE INDEX tag_by_digest ON tag (repository_id, digest, name);

CREATE TABLE upload (
    id            TEXT   PRIMARY KEY,
    repository_id BIGINT NOT NULL,
    started_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    -- bytes received, and the running hash over them as it stood in the server
    -- process named by writer
    received      BIGINT NOT NULL,
    hash_state    BYTEA  NOT NULL,
    writer        TEXT   NOT NULL
);
CREATE INDEX upload_by_age ON upload (updated_at);
CREATE INDEX upload_by_repository ON upload (repository_id);
