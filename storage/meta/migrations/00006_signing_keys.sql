-- +goose Up
-- what registry passwords and the tokens of layers are signed with
CREATE TABLE signing_key (
    -- stands in each token that the key signed
    id             TEXT   PRIMARY KEY,
    -- sealed
    secret         BYTEA  NOT NULL,
    -- of the keys whose time has come the one of the latest signs
    signs_from     BIGINT NOT NULL,
    -- until when tokens that it signed may be good; 0 while no key is to follow it
    verifies_until BIGINT NOT NULL
);
