-- +goose Up
-- images that are in the archive, or have been; one without a row never was
CREATE TABLE image_archive (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    -- ARCHIVED, ACTIVATING while its layers are brought back, or ACTIVE
    status        TEXT   NOT NULL,
    -- when it came into the archive last, and out of it; 0 for never
    archived_at   BIGINT NOT NULL,
    activated_at  BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX image_archive_by_status ON image_archive (repository_id, status, digest);
