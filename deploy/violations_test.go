package deploy

import (
	"testing"

	"drydock/awsapi/apitest"
)

func TestEveryInputThatTheModelForbidsIsRefused(t *testing.T) {
	s, _ := newService(t)
	apitest.Violations(t, "ecs", s.Operations())
}
