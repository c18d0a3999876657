package docker

import (
	"testing"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/machine/machinetest"
)

func TestTheEngineKeepsTheContractOfMachines(t *testing.T) {
	t.Parallel()
	machinetest.Run(t, func(t *testing.T) machinetest.Bench {
		l := newLab(t)
		return machinetest.Bench{
			Machine: l.machine, Command: []string{"/probe", "exit", "0"}, Pass: func() { time.Sleep(20 * time.Millisecond) },
			Task: func() machine.Task { return l.task(essential("app", "wait")) },
		}
	})
}
