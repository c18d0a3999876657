package operations

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"drydock/e2e/harness"
)

const (
	repository   = "kept"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
)

// createRepository makes the repository with the key that drydock env prints.
func createRepository(t *testing.T, server, environment string) {
	t.Helper()
	said := map[string]string{}
	for line := range strings.Lines(environment) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); ok {
			said[name] = strings.Trim(value, "'")
		}
	}
	api := ecr.New(ecr.Options{
		Region: said["AWS_REGION"], BaseEndpoint: aws.String(server),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: said["AWS_ACCESS_KEY_ID"], SecretAccessKey: said["AWS_SECRET_ACCESS_KEY"]}, nil
		}),
	})
	if _, err := api.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String(repository)}); err != nil {
		t.Fatal(err)
	}
}

// pusher pushes image after image until it is told to stop. Each is told by its
// number, so that it is known what has to be there.
type pusher struct {
	stop  chan struct{}
	ended sync.WaitGroup

	mu sync.Mutex
	// acknowledged is how many images are there, failed what was refused.
	acknowledged int
	failed       []error
}

func layerOf(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "layer %d of an image; ", n), 5000) }

func manifestOf(n int) (config, manifest []byte) {
	config = fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","n":%d}`, n)
	layer := layerOf(n)
	return config, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		manifestType, harness.Digest(config), len(config), harness.Digest(layer), len(layer))
}

func pushImage(c *harness.Client, n int) error {
	config, manifest := manifestOf(n)
	for _, b := range [][]byte{config, layerOf(n)} {
		if err := c.PushBlob(repository, harness.Digest(b), b); err != nil {
			return err
		}
	}
	return c.PutManifest(repository, fmt.Sprint("n", n), manifestType, manifest)
}

// startPushing begins. each is run for each image, and may do again what failed.
func startPushing(each func(n int) error) *pusher {
	p := &pusher{stop: make(chan struct{})}
	p.ended.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-p.stop:
				return
			default:
			}
			err := each(n)
			p.mu.Lock()
			if err != nil {
				p.failed = append(p.failed, fmt.Errorf("image %d: %w", n, err))
			} else {
				p.acknowledged = n
			}
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	return p
}

// count is how many images were acknowledged until now.
func (p *pusher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acknowledged
}

// end ends it and returns how many images were acknowledged.
func (p *pusher) end(t *testing.T) int {
	t.Helper()
	close(p.stop)
	p.ended.Wait()
	for _, err := range p.failed {
		t.Error(err)
	}
	return p.acknowledged
}

// whole checks that the images from 1 to least are there and whole, and that each
// other one that is there is too. It returns how many there are.
func whole(t *testing.T, c *harness.Client, least int) int {
	t.Helper()
	tags, err := c.Tags(repository)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, tag := range tags {
		there[tag] = true
		var n int
		if _, err := fmt.Sscanf(tag, "n%d", &n); err != nil {
			t.Fatalf("nobody pushed %s", tag)
		}
		config, manifest := manifestOf(n)
		if a, err := c.Manifest(repository, tag); err != nil || !bytes.Equal(a.Body, manifest) {
			t.Errorf("the manifest of image %d: %v, %v", n, a, err)
		}
		for _, b := range [][]byte{config, layerOf(n)} {
			if a, err := c.Blob(repository, harness.Digest(b)); err != nil || !bytes.Equal(a.Body, b) {
				t.Errorf("a blob of image %d: %v, %v", n, a, err)
			}
		}
	}
	for n := 1; n <= least; n++ {
		if !there[fmt.Sprint("n", n)] {
			t.Errorf("image %d was acknowledged before the copy, and is not there", n)
		}
	}
	return len(tags)
}
