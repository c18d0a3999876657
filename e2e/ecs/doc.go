// Package ecs holds the promises of ECS, kept against a real server, a real Docker
// Engine and the aws CLI.
package ecs
