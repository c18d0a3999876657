package config

import (
	"fmt"
	"net/url"
)

// The values of Config.Engine beside the address of an Engine.
const (
	// EngineAuto takes the Engine that DOCKER_HOST names, or the usual one, once
	// it answers.
	EngineAuto = "auto"
	// EngineNone runs no tasks on this machine.
	EngineNone = "none"
)

func setEngine(c *Config, v string) error {
	if v != EngineAuto && v != EngineNone {
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "unix" && u.Scheme != "tcp" || u.Host+u.Path == "" {
			return fmt.Errorf("%q is neither auto nor none nor the address of a Docker Engine, such as unix:///var/run/docker.sock", v)
		}
	}
	c.Engine = v
	return nil
}
