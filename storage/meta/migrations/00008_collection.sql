-- +goose Up
-- What may have become unneeded: a blob that a repository holds or, with
-- repository_id 0, one that perhaps nobody holds any more. It is looked at again
-- when it is due.
CREATE TABLE review (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    due_at        BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX review_by_due ON review (due_at);
-- what repositories hold from before and no image needs
INSERT INTO review (repository_id, digest, due_at)
    SELECT l.repository_id, l.digest, 1 FROM blob_link l
    WHERE NOT EXISTS (SELECT 1 FROM manifest_reference r WHERE r.repository_id = l.repository_id AND r.child = l.digest);
INSERT INTO review (repository_id, digest, due_at)
    SELECT 0, b.digest, 1 FROM blob b WHERE NOT EXISTS (SELECT 1 FROM blob_link l WHERE l.digest = b.digest);

-- Blobs that nobody holds. Their bytes are where they were until they are purged.
CREATE TABLE trash (
    digest     TEXT   NOT NULL,
    location   TEXT   NOT NULL,
    size       BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    purge_at   BIGINT NOT NULL,
    content    BYTEA,
    PRIMARY KEY (digest, location)
);
CREATE INDEX trash_by_purge ON trash (purge_at);

-- files whose record has gone and that are to be deleted
CREATE TABLE doomed (
    digest   TEXT NOT NULL,
    location TEXT NOT NULL,
    PRIMARY KEY (digest, location)
);

-- images that were deleted, with the tags that they had as a JSON list
CREATE TABLE manifest_trash (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    media_type    TEXT   NOT NULL,
    tags          TEXT   NOT NULL,
    purge_at      BIGINT NOT NULL,
    content       BYTEA  NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX manifest_trash_by_purge ON manifest_trash (purge_at);
CREATE INDEX manifest_trash_by_digest ON manifest_trash (digest);
