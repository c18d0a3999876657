-- +goose Up
-- Who does a piece of work that only one server may do at a time. Times of one
-- server mean nothing to another, so there is none here: whoever waits looks
-- whether the beat goes on.
CREATE TABLE lease (
    name   TEXT   PRIMARY KEY,
    -- empty while nobody has it
    holder TEXT   NOT NULL,
    -- grows with everything that happens to the lease
    beat   BIGINT NOT NULL,
    -- for how long a beat is good, in milliseconds, as its holder keeps to it
    ttl    BIGINT NOT NULL
);
