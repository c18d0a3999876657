package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/e2e/harness"
)

// A pull through the cache that the server dies amid leaves nothing that is taken for
// the layer, and the next one succeeds.
func TestAServerThatIsKilledAmidAPullThroughTheCacheStoresNoPart(t *testing.T) {
	layer := make([]byte, 3<<20)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range layer {
		layer[i] = byte(rnd.Uint32())
	}
	config := []byte("{}")
	d := digest.FromBytes(layer)
	m := v1.Manifest{
		MediaType: v1.MediaTypeImageManifest,
		Config:    v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    []v1.Descriptor{{MediaType: v1.MediaTypeImageLayerGzip, Digest: d, Size: int64(len(layer))}},
	}
	m.SchemaVersion = 2
	manifest, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var slow atomic.Bool
	half := make(chan struct{}, 10)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", v1.MediaTypeImageManifest)
			_, _ = w.Write(manifest)
		case strings.HasSuffix(r.URL.Path, d.String()):
			w.Header().Set("Content-Length", fmt.Sprint(len(layer)))
			_, _ = w.Write(layer[:len(layer)/2])
			if slow.Load() {
				w.(http.Flusher).Flush()
				half <- struct{}{}
				<-r.Context().Done()
				return
			}
			_, _ = w.Write(layer[len(layer)/2:])
		default:
			_, _ = w.Write(config)
		}
	}))
	defer upstream.Close()
	s := harness.Start(t, harness.Options{})
	if _, err := s.ECR().CreatePullThroughCacheRule(t.Context(), &ecr.CreatePullThroughCacheRuleInput{
		EcrRepositoryPrefix: aws.String("hub"), UpstreamRegistryUrl: aws.String(upstream.URL),
	}); err != nil {
		t.Fatal(err)
	}
	c := harness.NewClient(s.URL(), "AWS", s.Password(t))
	if a, err := c.Manifest("hub/app", "v1"); err != nil || !bytes.Equal(a.Body, manifest) {
		t.Fatalf("%s: %v", a.Body, err)
	}
	slow.Store(true)
	for range 2 {
		pulled := make(chan bool)
		go func() {
			a, err := c.Blob("hub/app", d.String())
			pulled <- err == nil && len(a.Body) == len(layer)
		}()
		<-half
		time.Sleep(100 * time.Millisecond)
		s.Kill()
		if <-pulled {
			t.Error("a client has the whole of a layer of which half has come")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		harness.Runner{}.Run(t, harness.Binary(t), "verify", "--deep", "--data", s.Data)
	}
	slow.Store(false)
	for range 2 {
		if a, err := c.Blob("hub/app", d.String()); err != nil || !bytes.Equal(a.Body, layer) {
			t.Errorf("after that %d bytes of the layer come: %v", len(a.Body), err)
		}
		upstream.CloseClientConnections()
	}
	harness.Runner{}.Run(t, harness.Binary(t), "verify", "--deep", "--data", s.Data)
}
