-- +goose Up
-- How far a verification has come: that of drydock verify, and the scrub.
CREATE TABLE verification (
    name       TEXT    PRIMARY KEY,
    -- of the run that may go on; a later one takes the row over
    turn       TEXT    NOT NULL,
    deep       BOOLEAN NOT NULL,
    repair     BOOLEAN NOT NULL,
    -- what is gone through, and the last of it that was looked at; empty at the end
    stage      TEXT    NOT NULL,
    reached    TEXT    NOT NULL,
    begun_at   BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    -- when a run came to its end last, 0 before the first has
    ended_at   BIGINT  NOT NULL,
    -- JSON: what was looked at and found
    counts     TEXT    NOT NULL
);

-- what a verification has found, each thing once
CREATE TABLE finding (
    verification TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    found_at     BIGINT NOT NULL,
    -- JSON
    problem      TEXT   NOT NULL,
    PRIMARY KEY (verification, subject)
);

-- Images of which something was lost. Whether it still is has to be asked: a push
-- of the same bytes, to any repository, makes them whole.
CREATE TABLE incomplete (
    repository_id BIGINT NOT NULL,
    digest        TEXT   NOT NULL,
    PRIMARY KEY (repository_id, digest)
);

-- whose a file is that does not lie where its digest says
CREATE INDEX blob_by_location ON blob (location) WHERE location <> '';
CREATE INDEX trash_by_location ON trash (location) WHERE location <> '';
