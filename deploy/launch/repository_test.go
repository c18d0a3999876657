package launch

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/machine"
	"drydock/deploy/record"
)

func TestAMachineIsToldWhichImagesAreThisRegistrys(t *testing.T) {
	definition := types.TaskDefinition{Family: to("web"), Revision: 1, ContainerDefinitions: []types.ContainerDefinition{
		{Name: to("own"), Image: to("localhost:5000/app:1")}, {Name: to("other"), Image: to("registry.example/app:1")},
	}}
	own := func(image string) *machine.RepositoryImage {
		if name, ok := strings.CutPrefix(image, "localhost:5000/"); ok {
			return &machine.RepositoryImage{Name: name}
		}
		return nil
	}
	for what, c := range map[string]struct {
		repository func(string) *machine.RepositoryImage
		want       int
	}{"a server with a registry": {own, 1}, "one without": {nil, 0}} {
		p, err := Prepare(Request{Scope: record.Scope{Account: "1234567890", Region: "eu-west-1"}, Cluster: "default", Definition: definition, Repository: c.repository})
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, v := range p.Task("0123", record.Instance{}, time.Now()).Detail.Spec.Containers {
			if v.Repository != nil {
				told++
				if v.Name != "own" || v.Repository.Name != "app:1" {
					t.Errorf("%s: %+v", what, v)
				}
			}
		}
		if told != c.want {
			t.Errorf("%s: %d images are the registry's", what, told)
		}
	}
}
