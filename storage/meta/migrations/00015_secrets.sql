-- +goose Up
-- what task definitions have by reference: values, and files of environment variables
CREATE TABLE ecs_secret (
    account    TEXT   NOT NULL,
    region     TEXT   NOT NULL,
    -- value or file
    kind       TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    -- the end of its ARN
    suffix     TEXT   NOT NULL,
    -- the current and the previous version, sealed
    sealed     BYTEA  NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (account, region, kind, name)
);
