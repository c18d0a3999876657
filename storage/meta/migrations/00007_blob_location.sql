-- +goose Up
-- where the file of a blob is, below the folder of blobs; empty for the path that
-- follows from the digest
ALTER TABLE blob ADD COLUMN location TEXT NOT NULL DEFAULT '';
-- what the blob store goes on from where the file of an upload stands
ALTER TABLE upload ADD COLUMN mark TEXT NOT NULL DEFAULT '';
