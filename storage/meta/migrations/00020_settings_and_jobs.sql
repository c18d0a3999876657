-- +goose Up
-- a document that configures something of a registry or, where repository is not
-- empty, of a repository; key tells several of a kind apart
CREATE TABLE setting (
    account    TEXT   NOT NULL,
    region     TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    repository TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    document   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (account, region, kind, repository, key)
);
-- serves those who go through all of a kind, and through all of a repository
CREATE INDEX setting_by_kind ON setting (kind, account, region, repository, key);
CREATE INDEX setting_by_repository ON setting (account, region, repository);

-- work that a transaction has ordered, to be done after it
CREATE TABLE job (
    queue      TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    document   TEXT   NOT NULL,
    -- grows when the same is ordered again, so that doing it once does not end both
    version    BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (queue, key)
);
CREATE INDEX job_by_time ON job (queue, due_at, key);
