-- +goose Up
-- what is known of the packages of an image
CREATE TABLE image_scan (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    status        TEXT   NOT NULL,
    description   TEXT   NOT NULL,
    requested_at  BIGINT NOT NULL,
    completed_at  BIGINT NOT NULL,
    -- the import of vulnerabilities that it was last compared with and how new its
    -- records were; 0 for none
    import_id     BIGINT NOT NULL,
    source_at     BIGINT NOT NULL,
    -- the number of findings of each severity
    counts        TEXT   NOT NULL,
    -- the packages, compressed; NULL while they are not known
    inventory     BYTEA,
    PRIMARY KEY (repository_id, digest)
);
-- serves those who compare all images with a new import
CREATE INDEX image_scan_by_import ON image_scan (import_id, repository_id, digest);

-- the vulnerabilities known, of which one import holds at a time
CREATE TABLE vulnerability_import (
    id          BIGINT NOT NULL PRIMARY KEY,
    state       TEXT   NOT NULL,
    -- when it last got records: an import that has got none for long was given up
    touched_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    source_at   BIGINT NOT NULL,
    records     BIGINT NOT NULL,
    ecosystems  TEXT   NOT NULL
);

CREATE TABLE vulnerability (
    import_id BIGINT NOT NULL,
    id        TEXT   NOT NULL,
    document  TEXT   NOT NULL,
    PRIMARY KEY (import_id, id)
);

-- which versions of a package have a vulnerability
CREATE TABLE vulnerable_package (
    import_id BIGINT NOT NULL,
    ecosystem TEXT   NOT NULL,
    package   TEXT   NOT NULL,
    id        TEXT   NOT NULL,
    affected  TEXT   NOT NULL,
    PRIMARY KEY (import_id, ecosystem, package, id)
);
