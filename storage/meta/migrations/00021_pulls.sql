-- +goose Up
-- when a manifest was last asked for by who pulls; not a column of the manifest's own
-- row, which would be written again with its content
CREATE TABLE image_pull (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    pulled_at     BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
