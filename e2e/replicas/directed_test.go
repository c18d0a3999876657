package replicas

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"drydock/e2e/harness"
)

// at is a location at another server.
func at(t *testing.T, c *harness.Client, location string) string {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return c.Base + u.RequestURI()
}

// config is an image without layers.
func config(n int) (blob, manifest []byte) {
	blob = fmt.Appendf(nil, `{"n":%d}`, n)
	return blob, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`,
		harness.ManifestType, harness.ConfigType, harness.Digest(blob), len(blob))
}

func status(t *testing.T, want int, a harness.Answer, err error) {
	t.Helper()
	if err != nil || a.Status != want {
		t.Errorf("%v, %v; want %d", a, err, want)
	}
}

func TestWhatOneServerDoesTheOthersGoOnWith(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	f.servers[0].CreateRepository(t, "shared/one")
	c := f.clients(t)

	t.Run("an upload", func(t *testing.T) {
		for _, size := range []int{1000, 300_000, 20 << 20} {
			content := bytes.Repeat([]byte(fmt.Sprintf("%08d", size)), size/8)
			d := harness.Digest(content)
			location, err := c[0].StartUpload("shared/one")
			if err != nil {
				t.Fatal(err)
			}
			third := int64(len(content) / 3)
			if location, err = c[1].Patch(at(t, c[1], location), 0, content[:third]); err != nil {
				t.Fatal(err)
			}
			if location, err = c[2].Patch(at(t, c[2], location), third, content[third:2*third]); err != nil {
				t.Fatal(err)
			}
			offset, location, err := c[0].Offset(at(t, c[0], location))
			if err != nil || offset != 2*third {
				t.Fatalf("%d of %d bytes: %v", offset, 2*third, err)
			}
			if err := c[1].FinishUpload(at(t, c[1], location), d, content[2*third:]); err != nil {
				t.Fatal(err)
			}
			for _, c := range c {
				a, err := c.Blob("shared/one", d)
				status(t, http.StatusOK, a, err)
				if !bytes.Equal(a.Body, content) {
					t.Errorf("%s has other bytes", c.Base)
				}
			}
		}
	})

	t.Run("a tag", func(t *testing.T) {
		for n := range 30 {
			blob, manifest := config(n)
			here, there := c[n%3], []*harness.Client{c[(n+1)%3], c[(n+2)%3]}
			if err := here.PushBlobAtOnce("shared/one", harness.Digest(blob), blob); err != nil {
				t.Fatal(err)
			}
			// Whoever asks has it remembered, as it was.
			for _, c := range there {
				a, err := c.Manifest("shared/one", "moving")
				if err != nil || n > 0 && a.Status != http.StatusOK || n == 0 && a.Status != http.StatusNotFound {
					t.Fatal(a, err)
				}
			}
			if err := here.PutManifest("shared/one", "moving", harness.ManifestType, manifest); err != nil {
				t.Fatal(err)
			}
			for _, c := range there {
				a, err := c.Manifest("shared/one", "moving")
				status(t, http.StatusOK, a, err)
				if !bytes.Equal(a.Body, manifest) {
					t.Fatalf("%s has %s after it was moved", c.Base, a.Body)
				}
			}
			if n%5 == 4 {
				a, err := here.Send(http.MethodDelete, "/v2/shared/one/manifests/"+harness.Digest(manifest), nil)
				status(t, http.StatusAccepted, a, err)
				for _, c := range there {
					for _, reference := range []string{"moving", harness.Digest(manifest)} {
						a, err := c.Manifest("shared/one", reference)
						status(t, http.StatusNotFound, a, err)
					}
				}
				if err := here.PutManifest("shared/one", "moving", harness.ManifestType, manifest); err != nil {
					t.Fatal(err)
				}
			}
		}
	})

	t.Run("a policy", func(t *testing.T) {
		_, manifest := config(0)
		deny := `{"Version":"2012-10-17","Statement":[{"Sid":"nobody","Effect":"Deny","Principal":"*","Action":"ecr:BatchGetImage"}]}`
		for n := range 6 {
			here := f.servers[n%3].ECR()
			if _, err := here.SetRepositoryPolicy(t.Context(), &ecr.SetRepositoryPolicyInput{RepositoryName: aws.String("shared/one"), PolicyText: aws.String(deny)}); err != nil {
				t.Fatal(err)
			}
			for _, c := range c {
				a, err := c.Manifest("shared/one", harness.Digest(manifest))
				status(t, http.StatusForbidden, a, err)
			}
			if _, err := here.DeleteRepositoryPolicy(t.Context(), &ecr.DeleteRepositoryPolicyInput{RepositoryName: aws.String("shared/one")}); err != nil {
				t.Fatal(err)
			}
			for _, c := range c {
				a, err := c.Manifest("shared/one", harness.Digest(manifest))
				status(t, http.StatusOK, a, err)
			}
		}
	})

	t.Run("a repository", func(t *testing.T) {
		for n := range 6 {
			name := fmt.Sprint("shared/short-lived-", n)
			here, there := f.servers[n%3], c[(n+1)%3]
			here.CreateRepository(t, name)
			tags, err := there.Tags(name)
			if err != nil || len(tags) != 0 {
				t.Errorf("%v, %v", tags, err)
			}
			if _, err := here.ECR().DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: aws.String(name)}); err != nil {
				t.Fatal(err)
			}
			a, err := there.Send(http.MethodGet, "/v2/"+name+"/tags/list", nil)
			status(t, http.StatusNotFound, a, err)
		}
	})
}

// leases tells which servers say that they have the lease of a work.
func (f *fleet) leases(t *testing.T, name string, among ...*harness.Server) (have []*harness.Server) {
	t.Helper()
	for _, s := range among {
		_, text, err := s.Get("/metrics")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, fmt.Sprintf("drydock_lease_held{name=%q} 1\n", name)) {
			have = append(have, s)
		}
	}
	return have
}

// wait waits until one of some servers has a lease, and returns it and for how long
// that took.
func (f *fleet) wait(t *testing.T, name string, limit time.Duration, among ...*harness.Server) (*harness.Server, time.Duration) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		have := f.leases(t, name, among...)
		if len(have) > 1 {
			t.Fatalf("%d servers have the lease %s", len(have), name)
		}
		if len(have) == 1 {
			return have[0], time.Since(begun)
		}
		if time.Since(begun) > limit {
			t.Fatalf("nobody has the lease %s after %v", name, limit)
		}
	}
}

// without leaves one server out.
func without(all []*harness.Server, one *harness.Server) (rest []*harness.Server) {
	for _, s := range all {
		if s != one {
			rest = append(rest, s)
		}
	}
	return rest
}

func TestBackgroundWorkIsTakenOver(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	first, _ := f.wait(t, "collection", 5*time.Second, f.servers...)
	f.wait(t, "uploads", 5*time.Second, f.servers...)

	// One that is stopped like this does not know that it is.
	if err := first.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	rest := without(f.servers, first)
	second, after := f.wait(t, "collection", 25*time.Second, rest...)
	t.Logf("taken over from a server that was stopped after %v", after.Round(time.Millisecond))
	if err := first.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if have := f.leases(t, "collection", f.servers...); len(have) != 1 || have[0] != second {
		t.Errorf("half a second after it goes on, %d servers have the lease", len(have))
	}

	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	rest = without(f.servers, second)
	_, after = f.wait(t, "collection", 5*time.Second, rest...)
	t.Logf("taken over from a server that ended in order after %v", after.Round(time.Millisecond))
}
