-- +goose Up
-- CloudWatch Logs: what containers write. Times are in milliseconds since 1970,
-- ids are made by the program.
CREATE TABLE log_group (
    id             BIGINT NOT NULL PRIMARY KEY,
    account        TEXT   NOT NULL,
    region         TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    class          TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    -- 0 keeps events for ever
    retention_days BIGINT NOT NULL,
    -- bytes that its events took, compressed, when they were last added up
    stored         BIGINT NOT NULL
);
CREATE UNIQUE INDEX log_group_by_name ON log_group (account, region, name);

CREATE TABLE log_stream (
    id             BIGINT NOT NULL PRIMARY KEY,
    group_id       BIGINT NOT NULL,
    name           TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    -- of the events that were ever put; all are 0 until the first
    first_event    BIGINT NOT NULL,
    last_event     BIGINT NOT NULL,
    last_ingestion BIGINT NOT NULL,
    -- the number of the next event
    next_seq       BIGINT NOT NULL,
    stored         BIGINT NOT NULL
);
CREATE UNIQUE INDEX log_stream_by_name ON log_stream (group_id, name);
CREATE INDEX log_stream_by_event ON log_stream (group_id, last_event, name);

-- Events of one stream, compressed: in content, or in a file of log_file.
CREATE TABLE log_chunk (
    id         BIGINT NOT NULL PRIMARY KEY,
    group_id   BIGINT NOT NULL,
    stream_id  BIGINT NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    -- what the numbers of its events are counted from
    base_seq   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- bytes before and after compression
    raw        BIGINT NOT NULL,
    stored     BIGINT NOT NULL,
    -- 0 while the content is here
    file_id    BIGINT NOT NULL,
    place      BIGINT NOT NULL,
    content    BYTEA
);
CREATE INDEX log_chunk_of_stream_first ON log_chunk (stream_id, first_at, last_at);
CREATE INDEX log_chunk_of_stream_last ON log_chunk (stream_id, last_at, first_at);
CREATE INDEX log_chunk_of_group_first ON log_chunk (group_id, first_at, last_at);
CREATE INDEX log_chunk_of_group_last ON log_chunk (group_id, last_at, first_at);
CREATE INDEX log_chunk_by_file ON log_chunk (file_id, stream_id, created_at, raw, stored);

CREATE TABLE log_file (
    id         BIGINT NOT NULL PRIMARY KEY,
    -- writing, kept or doomed
    state      TEXT   NOT NULL,
    size       BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX log_file_by_state ON log_file (state, created_at);

-- groups and streams that were deleted and whose chunks still have to be
CREATE TABLE log_gone (
    id BIGINT NOT NULL PRIMARY KEY
);
