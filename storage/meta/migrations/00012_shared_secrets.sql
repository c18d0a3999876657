-- +goose Up
-- what all servers on the database have in common and nobody else may know
CREATE TABLE shared_secret (
    name   TEXT  PRIMARY KEY,
    -- sealed
    secret BYTEA NOT NULL
);
