-- +goose Up
-- how the signing of an image with a signing profile has ended; one that is under way
-- is a job
CREATE TABLE image_signature (
    repository_id BIGINT  NOT NULL,
    digest        TEXT    NOT NULL,
    profile       TEXT    NOT NULL,
    -- digest of the signature's manifest; empty where signing has failed
    signature     TEXT    NOT NULL,
    failure       TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    updated_at    BIGINT  NOT NULL,
    PRIMARY KEY (repository_id, digest, profile)
);
