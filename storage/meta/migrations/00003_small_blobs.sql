-- +goose Up
-- the bytes of a small blob, which then has no file; NULL for all others
ALTER TABLE blob ADD COLUMN content BYTEA;
-- what an upload has received while that is little; NULL once it has a file
ALTER TABLE upload ADD COLUMN content BYTEA;
