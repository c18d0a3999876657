package taskdefinition

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// checkOrder checks what containers wait for: dependsOn, links and volumesFrom
// together must not go in a circle.
func checkOrder(d *types.TaskDefinition) error {
	byName := map[string]types.ContainerDefinition{}
	for _, c := range d.ContainerDefinitions {
		byName[deref(c.Name)] = c
	}
	waits := map[string][]string{}
	for _, c := range d.ContainerDefinitions {
		n := deref(c.Name)
		for _, p := range c.DependsOn {
			other, known := byName[deref(p.ContainerName)]
			switch {
			case !known:
				return wrong("Container '%s' depends on container '%s', which does not exist in the task definition.", n, deref(p.ContainerName))
			case deref(p.ContainerName) == n:
				return wrong("Container '%s' depends on itself.", n)
			case !slices.Contains(p.Condition.Values(), p.Condition):
				return wrong("Invalid condition %q in dependsOn of container '%s': it is one of START, COMPLETE, SUCCESS and HEALTHY.", p.Condition, n)
			case p.Condition == types.ContainerConditionHealthy && other.HealthCheck == nil:
				return wrong("Container '%s' depends on container '%s' being HEALTHY, which has no health check.", n, *other.Name)
			case (p.Condition == types.ContainerConditionComplete || p.Condition == types.ContainerConditionSuccess) && (other.Essential == nil || *other.Essential):
				return wrong("Container '%s' cannot depend on container '%s' being %s, since that is essential.", n, *other.Name, p.Condition)
			}
			waits[n] = append(waits[n], *other.Name)
		}
		for _, l := range c.Links {
			other, _, _ := strings.Cut(l, ":")
			if _, known := byName[other]; !known || other == n {
				return wrong("Container '%s' links to container '%s', which does not exist in the task definition.", n, other)
			}
			waits[n] = append(waits[n], other)
		}
		for _, v := range c.VolumesFrom {
			waits[n] = append(waits[n], deref(v.SourceContainer))
		}
	}
	state := map[string]int{} // 1 while it is looked into, 2 when that is done
	var visit func(n string) error
	visit = func(n string) error {
		switch state[n] {
		case 1:
			return wrong("Cyclic dependency between containers: '%s' waits for itself.", n)
		case 2:
			return nil
		}
		state[n] = 1
		for _, other := range waits[n] {
			if err := visit(other); err != nil {
				return err
			}
		}
		state[n] = 2
		return nil
	}
	for _, c := range d.ContainerDefinitions {
		if err := visit(deref(c.Name)); err != nil {
			return err
		}
	}
	return nil
}
