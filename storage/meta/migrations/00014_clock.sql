-- +goose Up
-- What a piece of background work that goes by the time knows of the clock. All are
-- in milliseconds.
CREATE TABLE clock (
    name     TEXT   PRIMARY KEY,
    -- the time, since 1970, when the work was last looked after
    seen_at  BIGINT NOT NULL,
    -- how far the clock has jumped ahead, 0 once the work need not wait for that
    ahead    BIGINT NOT NULL,
    -- how long the work has waited for it
    held_for BIGINT NOT NULL
);
