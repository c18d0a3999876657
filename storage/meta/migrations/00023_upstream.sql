-- +goose Up
-- images that came from an upstream registry: what of them is not here can be had there
CREATE TABLE cached_image (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    PRIMARY KEY (repository_id, digest)
);

-- when a tag that came from an upstream registry was last compared with it
CREATE TABLE cached_tag (
    repository_id BIGINT NOT NULL,
    name          TEXT   NOT NULL,
    checked_at    BIGINT NOT NULL,
    PRIMARY KEY (repository_id, name)
);
