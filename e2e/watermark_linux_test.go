package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/e2e/harness"
)

func TestANearlyFullDiskTakesInNothingMoreAndPullsGoOn(t *testing.T) {
	harness.EndToEnd(t)
	disk := harness.NewDisk(t, 128<<20)
	s := harness.Start(t, harness.Options{Data: filepath.Join(disk.Path, "data"), Args: []string{"--disk-watermark", "40MiB"}})
	docker := harness.Docker(t, s.AWSEnv())
	docker.Pipe(t, s.Password(t), "docker", "login", "--username", "AWS", "--password-stdin", s.Host())
	before, after := s.CreateRepository(t, "before")+":v1", s.CreateRepository(t, "after")+":v1"
	builtImage(t, docker, before, 4<<20)
	builtImage(t, docker, after, 5<<20)
	docker.Run(t, "docker", "push", before)

	filler := filepath.Join(disk.Path, "filler")
	fill(t, filler)
	shrink(t, filler, 30<<20)
	denied(t, docker, after, "the registry is short of disk space and takes in nothing more: ")
	docker.Run(t, "docker", "rmi", before)
	docker.Run(t, "docker", "pull", before)
	if status, body, err := s.Get("/readyz"); err != nil || status != 200 {
		t.Errorf("readiness is %d %s, %v", status, body, err)
	}
	_, metrics, err := s.Get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`drydock_refused_writes_total\{reason="disk"\} [1-9]`, `drydock_storage_kept_free_bytes 4\.194304e\+07`, `drydock_storage_free_bytes [12]\.`} {
		if !regexp.MustCompile(`(?m)^` + line).MatchString(metrics) {
			t.Errorf("no metric matches %s", line)
		}
	}
	if n := strings.Count(s.Log(), "the disk is nearly full: nothing more is taken in"); n != 1 {
		t.Errorf("the log says %d times that the disk is nearly full", n)
	}
	out, err := s.ECR().BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: aws.String("before"), ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("v1")}}})
	if err != nil || len(out.Failures) > 0 {
		t.Errorf("to delete an image: %+v, %v", out, err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	docker.Run(t, "docker", "push", after)
	docker.Run(t, "docker", "rmi", after)
	docker.Run(t, "docker", "pull", after)
	if !strings.Contains(s.Log(), "there is room on the disk again") {
		t.Error("the log does not say that there is room again")
	}
}
