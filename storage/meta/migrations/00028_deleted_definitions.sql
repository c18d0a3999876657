-- +goose Up
-- task definitions that go when nothing has them any more
CREATE INDEX ecs_task_definition_deleted ON ecs_task_definition (account, region, family, revision) WHERE status = 'DELETE_IN_PROGRESS';
