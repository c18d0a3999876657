package simulated

import (
	"fmt"
	"testing"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/machine/machinetest"
)

func TestAPretendedMachineKeepsTheContract(t *testing.T) {
	machinetest.Run(t, func(*testing.T) machinetest.Bench {
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		m := New(machine.Description{ID: "m", CPU: 1024, Memory: 1024}, now, func(machine.Task) Fortune {
			return Fortune{Pull: 2 * time.Second, Start: time.Second, Stop: time.Second}
		})
		n := 0
		return machinetest.Bench{
			Machine: m, Command: []string{"true"}, Pass: func() { now = now.Add(500 * time.Millisecond); m.Advance(now) },
			Task: func() machine.Task {
				n++
				return machine.Task{ARN: fmt.Sprintf("arn:aws:ecs:eu-west-1:123456789012:task/default/%032x", n), Containers: []machine.Container{{Name: "app", Essential: true}}}
			},
		}
	})
}
