package taskdefinition

import (
	"math"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// CPU reads the cpu of a task: units of 1/1024 core, or vCPUs as in ".5 vCPU". It is
// 0 for an empty text.
func CPU(text string) (units int64, err error) {
	number, isVCPU := cutUnit(text, "vcpu")
	if number == "" && !isVCPU && text == "" {
		return 0, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f < 0 || math.IsNaN(f) || f > 1<<20 {
		return 0, wrong("Invalid 'cpu' setting for task: %q is neither a number of units, such as 256, nor of vCPUs, such as .25 vCPU.", text)
	}
	if isVCPU {
		f *= 1024
	}
	if f != math.Trunc(f) {
		return 0, wrong("Invalid 'cpu' setting for task: %q is not a whole number of units.", text)
	}
	return int64(f), nil
}

// Memory reads the memory of a task: MiB, or GB as in "0.5 GB". It is 0 for an empty
// text.
func Memory(text string) (mib int64, err error) {
	if text == "" {
		return 0, nil
	}
	number, isGB := cutUnit(text, "gb")
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f < 0 || math.IsNaN(f) || f > 1<<30 {
		return 0, wrong("Invalid 'memory' setting for task: %q is neither a number of MiB, such as 512, nor of GB, such as 0.5 GB.", text)
	}
	if isGB {
		f *= 1024
	}
	if f != math.Trunc(f) {
		return 0, wrong("Invalid 'memory' setting for task: %q is not a whole number of MiB.", text)
	}
	return int64(f), nil
}

func cutUnit(text, unit string) (number string, has bool) {
	lower := strings.ToLower(strings.TrimSpace(text))
	number, has = strings.CutSuffix(lower, unit)
	return strings.TrimSpace(number), has
}

// sizes are the memory sizes in MiB that Fargate has for each cpu size: from, to, in
// steps.
// Source: Amazon ECS Developer Guide, "Task CPU and memory" of Fargate.
var sizes = map[int64]struct{ from, to, step int64 }{
	512:   {1024, 4096, 1024},
	1024:  {2048, 8192, 1024},
	2048:  {4096, 16384, 1024},
	4096:  {8192, 30720, 1024},
	8192:  {16384, 61440, 4096},
	16384: {32768, 122880, 8192},
}

func fargateSize(cpu, memory int64) bool {
	if cpu == 256 {
		return memory == 512 || memory == 1024 || memory == 2048
	}
	s, ok := sizes[cpu]
	return ok && memory >= s.from && memory <= s.to && (memory-s.from)%s.step == 0
}

// checkSize checks cpu and memory of the task, and those of its containers against
// them. The texts become plain numbers.
func checkSize(d *types.TaskDefinition) error {
	cpu, err := CPU(deref(d.Cpu))
	if err != nil {
		return err
	}
	memory, err := Memory(deref(d.Memory))
	if err != nil {
		return err
	}
	switch {
	case isFargate(d) && cpu == 0:
		return wrong("Fargate requires that 'cpu' be defined at the task level.")
	case isFargate(d) && memory == 0:
		return wrong("Fargate requires that 'memory' be defined at the task level.")
	case isFargate(d) && !fargateSize(cpu, memory):
		return wrong("No Fargate configuration exists for given values: %d CPU, %d memory. See the Amazon ECS documentation for the valid values.", cpu, memory)
	case cpu != 0 && (cpu < 128 || cpu > 196608):
		return wrong("Invalid 'cpu' setting for task: %s. It is between 128 and 196608 units (0.125 and 192 vCPUs).", *d.Cpu)
	case memory != 0 && memory < leastMemory:
		return wrong("Invalid 'memory' setting for task: %s. It is at least %d MiB.", *d.Memory, leastMemory)
	}
	var cpus, soft int64
	for _, c := range d.ContainerDefinitions {
		cpus += int64(c.Cpu)
		reserved := deref(c.MemoryReservation)
		if c.MemoryReservation == nil {
			reserved = deref(c.Memory)
		}
		soft += int64(reserved)
		if memory == 0 && c.Memory == nil && c.MemoryReservation == nil {
			return wrong("Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", deref(c.Name))
		}
		if memory != 0 && int64(deref(c.Memory)) > memory {
			return wrong("The 'memory' setting for container '%s' is greater than for the task.", deref(c.Name))
		}
	}
	if cpu != 0 && cpus > cpu {
		return wrong("The total CPU of the containers (%d) exceeds that of the task (%d).", cpus, cpu)
	}
	if memory != 0 && soft > memory {
		return wrong("The total memory of the containers (%d) exceeds that of the task (%d).", soft, memory)
	}
	if cpu != 0 {
		d.Cpu = to(strconv.FormatInt(cpu, 10))
	}
	if memory != 0 {
		d.Memory = to(strconv.FormatInt(memory, 10))
	}
	return nil
}
