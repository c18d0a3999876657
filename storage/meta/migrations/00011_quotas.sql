-- +goose Up
-- The most that an account or a repository may hold, by its scope: ACCOUNT, or
-- ACCOUNT/REGION/NAME. It is there or not whether that exists or not. 0 stands
-- for no limit.
CREATE TABLE quota (
    scope  TEXT   PRIMARY KEY,
    bytes  BIGINT NOT NULL,
    images BIGINT NOT NULL
);

-- What a scope holds is the sum of its rows here, so that several transactions can
-- add to it at a time. Each row has a share of the quota, and what would go beyond
-- the share has the room that is left shared out anew.
CREATE TABLE quota_usage (
    scope        TEXT   NOT NULL,
    shard        BIGINT NOT NULL,
    bytes        BIGINT NOT NULL,
    images       BIGINT NOT NULL,
    bytes_share  BIGINT NOT NULL,
    images_share BIGINT NOT NULL,
    -- the quota of which the shares are parts; -1 when they are of none
    bytes_limit  BIGINT NOT NULL,
    images_limit BIGINT NOT NULL,
    PRIMARY KEY (scope, shard)
);

-- how much a repository has been charged for a blob, in bytes
ALTER TABLE blob_link ADD COLUMN size BIGINT NOT NULL DEFAULT 0;
UPDATE blob_link SET size = COALESCE((SELECT b.size FROM blob b WHERE b.digest = blob_link.digest), 0);

INSERT INTO quota_usage (scope, shard, bytes, images, bytes_share, images_share, bytes_limit, images_limit)
    SELECT r.account || '/' || r.region || '/' || r.name, 0,
        (SELECT COALESCE(SUM(l.size), 0) FROM blob_link l WHERE l.repository_id = r.id)
            + (SELECT COALESCE(SUM(LENGTH(m.content)), 0) FROM manifest m WHERE m.repository_id = r.id),
        (SELECT COUNT(*) FROM manifest m WHERE m.repository_id = r.id), 0, 0, -1, -1
    FROM repository r;
INSERT INTO quota_usage (scope, shard, bytes, images, bytes_share, images_share, bytes_limit, images_limit)
    SELECT r.account, 0, SUM(u.bytes), SUM(u.images), 0, 0, -1, -1
    FROM repository r JOIN quota_usage u ON u.scope = r.account || '/' || r.region || '/' || r.name
    GROUP BY r.account;
