-- +goose Up
-- Of each thing, doc is the whole as JSON; the other columns are what it is found
-- and listed by. version grows with each change.
CREATE TABLE ecs_cluster (
    account TEXT   NOT NULL,
    region  TEXT   NOT NULL,
    name    TEXT   NOT NULL,
    status  TEXT   NOT NULL,
    doc     TEXT   NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (account, region, name)
);

-- the last revision that a family ever had, so that none is used twice
CREATE TABLE ecs_family (
    account  TEXT   NOT NULL,
    region   TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (account, region, name)
);

CREATE TABLE ecs_task_definition (
    account  TEXT   NOT NULL,
    region   TEXT   NOT NULL,
    family   TEXT   NOT NULL,
    revision BIGINT NOT NULL,
    status   TEXT   NOT NULL,
    doc      TEXT   NOT NULL,
    version  BIGINT NOT NULL,
    PRIMARY KEY (account, region, family, revision)
);
CREATE INDEX ecs_task_definition_by_status ON ecs_task_definition (account, region, status, family, revision);

CREATE TABLE ecs_instance (
    account TEXT   NOT NULL,
    region  TEXT   NOT NULL,
    cluster TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    -- what tells the machine apart
    machine TEXT   NOT NULL,
    status  TEXT   NOT NULL,
    doc     TEXT   NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (account, region, cluster, id)
);
CREATE INDEX ecs_instance_by_machine ON ecs_instance (machine);

CREATE TABLE ecs_task (
    account     TEXT   NOT NULL,
    region      TEXT   NOT NULL,
    cluster     TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    -- empty until it is placed
    instance    TEXT   NOT NULL,
    machine     TEXT   NOT NULL,
    family      TEXT   NOT NULL,
    service     TEXT   NOT NULL,
    started_by  TEXT   NOT NULL,
    launch_type TEXT   NOT NULL,
    desired     TEXT   NOT NULL,
    status      TEXT   NOT NULL,
    -- 0 until it has stopped
    stopped_at  BIGINT NOT NULL,
    doc         TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    PRIMARY KEY (account, region, cluster, id)
);
CREATE INDEX ecs_task_by_instance ON ecs_task (account, region, cluster, instance, desired);
CREATE INDEX ecs_task_by_service ON ecs_task (account, region, cluster, service, desired);
CREATE INDEX ecs_task_by_machine ON ecs_task (machine, stopped_at);
CREATE INDEX ecs_task_by_stop ON ecs_task (stopped_at);

CREATE TABLE ecs_service (
    account TEXT   NOT NULL,
    region  TEXT   NOT NULL,
    cluster TEXT   NOT NULL,
    name    TEXT   NOT NULL,
    status      TEXT   NOT NULL,
    launch_type TEXT   NOT NULL,
    -- when the scheduler is to look at it, in milliseconds since 1970
    due_at  BIGINT NOT NULL,
    doc     TEXT   NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (account, region, cluster, name)
);
CREATE INDEX ecs_service_by_due ON ecs_service (status, due_at);

CREATE TABLE ecs_service_revision (
    account    TEXT   NOT NULL,
    region     TEXT   NOT NULL,
    cluster    TEXT   NOT NULL,
    service    TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    doc        TEXT   NOT NULL,
    PRIMARY KEY (account, region, cluster, service, id)
);

CREATE TABLE ecs_service_deployment (
    account    TEXT   NOT NULL,
    region     TEXT   NOT NULL,
    cluster    TEXT   NOT NULL,
    service    TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    status     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    doc        TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    PRIMARY KEY (account, region, cluster, service, id)
);
CREATE INDEX ecs_service_deployment_by_time ON ecs_service_deployment (account, region, cluster, service, created_at);

-- principal is empty for the default of an account
CREATE TABLE ecs_setting (
    account   TEXT NOT NULL,
    region    TEXT NOT NULL,
    principal TEXT NOT NULL,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (account, region, principal, name)
);

CREATE TABLE ecs_capacity_provider (
    account TEXT   NOT NULL,
    region  TEXT   NOT NULL,
    name    TEXT   NOT NULL,
    status  TEXT   NOT NULL,
    doc     TEXT   NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (account, region, name)
);

-- what a request with a client token has made, so that its repetition makes nothing
CREATE TABLE ecs_client_token (
    account     TEXT   NOT NULL,
    region      TEXT   NOT NULL,
    operation   TEXT   NOT NULL,
    token       TEXT   NOT NULL,
    -- a digest of the request without the token
    fingerprint TEXT   NOT NULL,
    -- ARNs, separated by blanks
    result      TEXT   NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (account, region, operation, token)
);
CREATE INDEX ecs_client_token_by_end ON ecs_client_token (expires_at);
