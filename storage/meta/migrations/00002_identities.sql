-- +goose Up
-- Names are kept as they were given and, for names that are not distinguished
-- by case, folded to lower case, by which they are found, listed and unique.
-- Ids (AIDA…, AROA…) are IAM's unique ids; the root of an account has the
-- account's id. Empty text stands for what is not there.

CREATE TABLE account (
    id         TEXT   PRIMARY KEY,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    -- raised by every transaction that changes an identity of the account
    revision   BIGINT NOT NULL
);

CREATE TABLE iam_user (
    id         TEXT   PRIMARY KEY,
    account    TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    folded     TEXT   NOT NULL,
    path       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    -- ARN of the permissions boundary
    boundary   TEXT   NOT NULL
);
CREATE UNIQUE INDEX iam_user_by_name ON iam_user (account, folded);
CREATE INDEX iam_user_by_boundary ON iam_user (account, boundary, id);

CREATE TABLE iam_group (
    id         TEXT   PRIMARY KEY,
    account    TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    folded     TEXT   NOT NULL,
    path       TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX iam_group_by_name ON iam_group (account, folded);

CREATE TABLE iam_membership (
    user_id  TEXT NOT NULL,
    group_id TEXT NOT NULL,
    PRIMARY KEY (user_id, group_id)
);
CREATE UNIQUE INDEX iam_membership_by_group ON iam_membership (group_id, user_id);

CREATE TABLE iam_role (
    id               TEXT   PRIMARY KEY,
    account          TEXT   NOT NULL,
    name             TEXT   NOT NULL,
    folded           TEXT   NOT NULL,
    path             TEXT   NOT NULL,
    created_at       BIGINT NOT NULL,
    description      TEXT   NOT NULL,
    -- the document that says who may assume the role
    trust            TEXT   NOT NULL,
    -- longest session, in seconds
    max_session      BIGINT NOT NULL,
    boundary         TEXT   NOT NULL,
    last_used_at     BIGINT NOT NULL,
    last_used_region TEXT   NOT NULL
);
CREATE UNIQUE INDEX iam_role_by_name ON iam_role (account, folded);
CREATE INDEX iam_role_by_boundary ON iam_role (account, boundary, id);

-- customer managed policies; those of AWS are part of the program
CREATE TABLE iam_policy (
    id              TEXT   PRIMARY KEY,
    account         TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    folded          TEXT   NOT NULL,
    path            TEXT   NOT NULL,
    description     TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    default_version BIGINT NOT NULL,
    -- highest version number ever given: numbers are not used again
    last_version    BIGINT NOT NULL
);
CREATE UNIQUE INDEX iam_policy_by_name ON iam_policy (account, folded);

CREATE TABLE iam_policy_version (
    policy_id  TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    document   TEXT   NOT NULL,
    PRIMARY KEY (policy_id, version)
);

-- a user, group or role has a managed policy, named by its ARN
CREATE TABLE iam_attachment (
    entity_id  TEXT NOT NULL,
    policy_arn TEXT NOT NULL,
    account    TEXT NOT NULL,
    -- user, group or role
    kind       TEXT NOT NULL,
    PRIMARY KEY (entity_id, policy_arn)
);
CREATE UNIQUE INDEX iam_attachment_by_policy ON iam_attachment (account, policy_arn, kind, entity_id);

CREATE TABLE iam_inline_policy (
    entity_id TEXT NOT NULL,
    name      TEXT NOT NULL,
    document  TEXT NOT NULL,
    PRIMARY KEY (entity_id, name)
);

-- long-term keys of users and of roots
CREATE TABLE iam_access_key (
    id               TEXT    PRIMARY KEY,
    account          TEXT    NOT NULL,
    -- user, or the account for its root
    owner_id         TEXT    NOT NULL,
    -- sealed
    secret           BYTEA   NOT NULL,
    active           BOOLEAN NOT NULL,
    created_at       BIGINT  NOT NULL,
    last_used_at     BIGINT  NOT NULL,
    last_used_region TEXT    NOT NULL,
    last_used_by     TEXT    NOT NULL
);
CREATE UNIQUE INDEX iam_access_key_by_owner ON iam_access_key (owner_id, id);

-- temporary credentials
CREATE TABLE iam_session (
    -- the access key id, ASIA…
    id         TEXT   PRIMARY KEY,
    account    TEXT   NOT NULL,
    -- what the session acts for: a role, a user, or the account for its root
    owner_id   TEXT   NOT NULL,
    -- role, user or federated
    kind       TEXT   NOT NULL,
    -- of the role's session or the federated user
    name       TEXT   NOT NULL,
    secret     BYTEA  NOT NULL,
    -- SHA-256 of the session token
    token_hash BYTEA  NOT NULL,
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- JSON: session policies, tags, source identity
    terms      TEXT   NOT NULL
);
CREATE INDEX iam_session_by_end ON iam_session (expires_at);
CREATE INDEX iam_session_by_owner ON iam_session (owner_id);

CREATE TABLE iam_instance_profile (
    id         TEXT   PRIMARY KEY,
    account    TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    folded     TEXT   NOT NULL,
    path       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    role_id    TEXT   NOT NULL
);
CREATE UNIQUE INDEX iam_instance_profile_by_name ON iam_instance_profile (account, folded);
CREATE INDEX iam_instance_profile_by_role ON iam_instance_profile (role_id, id);

-- registry passwords made before a moment are void
CREATE TABLE iam_token_revocation (
    -- user, role, or the account for its root
    owner_id   TEXT   PRIMARY KEY,
    not_before BIGINT NOT NULL
);

-- one sealed value, by which the server sees at start whether it has the key
CREATE TABLE seal_check (
    id     BIGINT PRIMARY KEY,
    sealed BYTEA  NOT NULL
);
