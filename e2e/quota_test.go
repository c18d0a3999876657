package e2e

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"

	"drydock/e2e/harness"
)

// builtImage builds an image of one layer of size bytes that cannot be compressed.
func builtImage(t *testing.T, docker harness.Runner, name string, size int) {
	t.Helper()
	dir := t.TempDir()
	content := make([]byte, size)
	_, _ = rand.Read(content) // it never fails
	for file, content := range map[string][]byte{"content": content, "Dockerfile": []byte("FROM scratch\nCOPY content /content\nCMD [\"/none\"]\n")} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	docker.Run(t, "docker", "build", "-q", "-t", name, dir)
	t.Cleanup(func() { _, _ = docker.Try("", "docker", "rmi", "-f", name) })
}

// denied has docker push an image that has to be refused, at once and in these words.
func denied(t *testing.T, docker harness.Runner, name, words string) {
	t.Helper()
	begun := time.Now()
	_, err := docker.Try("", "docker", "push", name)
	took := time.Since(begun)
	t.Logf("after %v docker says %v", took.Round(100*time.Millisecond), err)
	if err == nil || !strings.Contains(err.Error(), "denied: ") || !strings.Contains(err.Error(), words) {
		t.Errorf("docker says %v, and not %q", err, words)
	}
	if strings.Contains(fmt.Sprint(err), "Retrying") || took > 15*time.Second {
		t.Errorf("docker tried again, for %v", took)
	}
}

func TestDockerSaysThatAQuotaIsUsedUpAndPushesOnceItIsRaised(t *testing.T) {
	harness.EndToEnd(t)
	s := harness.Start(t, harness.Options{Args: []string{"--account-quota", "bytes=100MiB,images=50"}})
	docker := harness.Docker(t, s.AWSEnv())
	docker.Pipe(t, s.Password(t), "docker", "login", "--username", "AWS", "--password-stdin", s.Host())
	app := s.CreateRepository(t, "team/app") + ":v1"
	holder := s.Account + "/" + s.Region + "/team/app"
	quota := func(args ...string) string {
		t.Helper()
		return docker.Run(t, harness.Binary(t), append(append([]string{"quota"}, args...), "--data", s.Data)...)
	}
	quota("set", holder, "--bytes", "4MiB")
	builtImage(t, docker, app, 6<<20)
	denied(t, docker, app, "The repository with name 'team/app' in the registry with id '"+s.Account+"' has a quota of 4 MiB and holds ")

	quota("set", holder, "--bytes", "10MiB", "--images", "1")
	docker.Run(t, "docker", "push", app)
	docker.Run(t, "docker", "rmi", app)
	docker.Run(t, "docker", "pull", app)
	if out := quota("list", s.Account); !strings.Contains(out, "10 MiB") || !strings.Contains(out, "100 MiB") || !strings.Contains(out, "own") || !strings.Contains(out, "usual") {
		t.Errorf("the list of what there is:\n%s", out)
	}

	// The same image again adds nothing; another one is one too many.
	again, err := s.ECR().BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: aws.String("team/app"), ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("v1")}}})
	if err != nil || len(again.Images) != 1 {
		t.Fatalf("%+v, %v", again, err)
	}
	manifest := aws.ToString(again.Images[0].ImageManifest)
	put := func(manifest, tag string) error {
		_, err := s.ECR().PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: aws.String("team/app"), ImageManifest: &manifest, ImageTag: &tag})
		return err
	}
	if err := put(manifest, "v2"); err != nil {
		t.Errorf("another tag: %v", err)
	}
	var refused smithy.APIError
	if err := put(manifest+"\n", "v3"); !errors.As(err, &refused) || refused.ErrorCode() != "LimitExceededException" || !strings.Contains(refused.ErrorMessage(), "already has the maximum allowed number of images which is '1'") {
		t.Errorf("another image: %v", err)
	}
	quota("remove", holder)
	if err := put(manifest+"\n", "v3"); err != nil {
		t.Errorf("without a quota: %v", err)
	}
}
