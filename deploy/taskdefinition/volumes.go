package taskdefinition

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// checkVolumes checks the volumes, and that containers mount no others.
func checkVolumes(d *types.TaskDefinition) error {
	known := map[string]bool{}
	for _, v := range d.Volumes {
		n := deref(v.Name)
		switch {
		case !name.MatchString(n):
			return wrong("Volume name should match the pattern ^[a-zA-Z0-9_-]{1,255}$: %q does not.", n)
		case known[n]:
			return wrong("Volume names must be unique: '%s' is not.", n)
		case v.EfsVolumeConfiguration != nil, v.FsxWindowsFileServerVolumeConfiguration != nil, v.S3filesVolumeConfiguration != nil:
			return unsupported("There are no file systems of Amazon's here: volume '%s' can be of the machine (host) or of Docker.", n)
		case deref(v.ConfiguredAtLaunch):
			return unsupported("There is no block store here: leave configuredAtLaunch of volume '%s' out.", n)
		case v.Host != nil && v.DockerVolumeConfiguration != nil:
			return wrong("When dockerVolumeConfiguration is specified, host cannot be: volume '%s' has both.", n)
		case isFargate(d) && v.DockerVolumeConfiguration != nil:
			return wrong("Fargate does not support dockerVolumeConfiguration.")
		case isFargate(d) && v.Host != nil && deref(v.Host.SourcePath) != "":
			return wrong("Fargate does not support host volumes with a sourcePath: volume '%s' has one.", n)
		}
		if c := v.DockerVolumeConfiguration; c != nil {
			if c.Scope != "" && !slices.Contains(c.Scope.Values(), c.Scope) {
				return wrong("Invalid scope %q of volume '%s': it is task or shared.", c.Scope, n)
			}
			if c.Autoprovision != nil && c.Scope != types.ScopeShared {
				return wrong("autoprovision is for volumes of the scope shared: volume '%s' is not.", n)
			}
		}
		known[n] = true
	}
	containers := map[string]bool{}
	for _, c := range d.ContainerDefinitions {
		containers[deref(c.Name)] = true
	}
	for _, c := range d.ContainerDefinitions {
		paths := map[string]bool{}
		for _, m := range c.MountPoints {
			switch path := deref(m.ContainerPath); {
			case !known[deref(m.SourceVolume)]:
				return wrong("Unknown volume '%s'.", deref(m.SourceVolume))
			case path == "":
				return wrong("The containerPath of a mount point of container '%s' must not be empty.", deref(c.Name))
			case paths[path]:
				return wrong("Duplicate containerPath '%s' in container '%s'.", path, deref(c.Name))
			default:
				paths[path] = true
			}
		}
		for _, v := range c.VolumesFrom {
			if s := deref(v.SourceContainer); !containers[s] || s == deref(c.Name) {
				return wrong("Unknown source container '%s' in volumesFrom of container '%s'.", s, deref(c.Name))
			}
		}
	}
	return nil
}
