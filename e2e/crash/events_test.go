package crash

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// listener is a webhook that refuses every third event when it first comes.
type listener struct {
	mu      sync.Mutex
	refused map[string]bool
	got     map[string]int // by tag
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e struct {
		Detail map[string]string `json:"detail"`
	}
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	tag := e.Detail["image-tag"]
	if (len(l.got)+len(l.refused))%3 == 0 && !l.refused[tag] {
		l.refused[tag] = true
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	l.got[tag]++
}

// lacking are those of the tags of which nothing was heard.
func (l *listener) lacking(tags []string) (none []string, twice int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range tags {
		if l.got[t] == 0 {
			none = append(none, t)
		}
	}
	for _, n := range l.got {
		if n > 1 {
			twice++
		}
	}
	return none, twice
}

func TestNoEventOfAnAcknowledgedPushIsLostWhenTheServerIsKilled(t *testing.T) {
	kills := int(number(t, "DRYDOCK_CRASH_KILLS", 10))
	if testing.Short() {
		kills = 2
	}
	seed := number(t, "DRYDOCK_CRASH_SEED", uint64(time.Now().UnixNano()))
	t.Logf("DRYDOCK_CRASH_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))

	heard := &listener{refused: map[string]bool{}, got: map[string]int{}}
	site := httptest.NewServer(heard)
	defer site.Close()
	s := harness.Start(t, harness.Options{})
	s.CreateRepository(t, "app")
	harness.Runner{}.Run(t, harness.Binary(t), "webhook", "add", site.URL, "--data", s.Data)
	c := harness.NewClient(s.URL(), "AWS", s.Password(t))

	var pushed []string
	for k := range kills {
		dead := time.AfterFunc(time.Duration(20+rnd.IntN(300))*time.Millisecond, s.Kill)
		for n := 0; ; n++ {
			tag := fmt.Sprintf("t%d-%d", k, n)
			index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"of":%q}}`, tag)
			if err := c.PutManifest("app", tag, "application/vnd.oci.image.index.v1+json", []byte(index)); err != nil {
				break
			}
			pushed = append(pushed, tag)
		}
		dead.Stop()
		s.Kill()
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(time.Minute)
	for {
		none, twice := heard.lacking(pushed)
		if len(none) == 0 {
			t.Logf("%d kills, %d pushes acknowledged and told of, %d of them more than once", kills, len(pushed), twice)
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nothing was heard of %d of %d pushes: %s\n%s", len(none), len(pushed), strings.Join(none[:min(len(none), 10)], " "), s.Log())
		}
		time.Sleep(50 * time.Millisecond)
	}
}
