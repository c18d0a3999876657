-- +goose Up
-- An account has one alias at most, and no two accounts the same.
CREATE TABLE account_alias (
    alias   TEXT PRIMARY KEY,
    account TEXT NOT NULL
);
CREATE UNIQUE INDEX account_alias_by_account ON account_alias (account);
