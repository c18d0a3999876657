-- +goose Up
-- who may use a repository, beside what the callers' own policies say
CREATE TABLE repository_policy (
    repository_id BIGINT PRIMARY KEY,
    document      TEXT   NOT NULL
);
CREATE TABLE registry_policy (
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (account, region)
);
