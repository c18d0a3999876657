package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"drydock/e2e/harness"
	"drydock/storage/blob/s3/s3test"
	"drydock/storage/meta/testdb"
)

// asked is an expression of Prometheus, and who has it.
type asked struct{ by, expr string }

// ofDashboard are the expressions of the dashboard, which is checked to have one in
// every panel.
func ofDashboard(t *testing.T) (all []asked) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "observe", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ H, W, X, Y int }
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(content, &board); err != nil {
		t.Fatal(err)
	}
	ids, places := map[int]bool{}, map[[2]int]string{}
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := places[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				places[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			all = append(all, asked{p.Title, strings.NewReplacer("$__rate_interval", "5m", "$job", "drydock", "$instance", ".*").Replace(target.Expr)})
		}
	}
	return all
}

// ofAlerts are the expressions of the alert rules.
func ofAlerts(t *testing.T) (all []asked) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "observe", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(content, &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			all = append(all, asked{r.Alert, r.Expr})
		}
	}
	return all
}

// series are the metrics of a scrape, with the labels that each has.
type series map[string]map[string]bool

var (
	sample  = regexp.MustCompile(`(?m)^([a-z_][a-z0-9_]*)(?:\{(.*)\})? `)
	label   = regexp.MustCompile(`([a-z_]+)="`)
	named   = regexp.MustCompile(`\b((?:drydock|process|go)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcher = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
)

func (s series) scrape(t *testing.T, from *harness.Server) {
	t.Helper()
	code, text, err := from.Get("/metrics")
	if err != nil || code != 200 {
		t.Fatalf("%d: %v", code, err)
	}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		if s[m[1]] == nil {
			s[m[1]] = map[string]bool{}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			s[m[1]][l[1]] = true
		}
	}
}

// everyKind are the metrics of servers of both kinds, after each has done something.
func everyKind(t *testing.T) series {
	t.Helper()
	bucket := s3test.Start(t)
	onDisk := harness.Start(t, harness.Options{})
	replica := harness.Start(t, harness.Options{
		Args: []string{"--blobs", fmt.Sprintf("s3://%s?endpoint=%s&region=%s&path-style=true", bucket.Bucket(t), url.QueryEscape(bucket.Endpoint), s3test.Region)},
		Env: []string{
			"DRYDOCK_DB=" + testdb.Postgres(t).URL, "DRYDOCK_SEAL_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
			"DRYDOCK_S3_ACCESS_KEY_ID=" + bucket.AccessKeyID, "DRYDOCK_S3_SECRET_ACCESS_KEY=" + bucket.SecretAccessKey,
		},
	})
	all := series{}
	for _, s := range []*harness.Server{onDisk, replica} {
		s.CreateRepository(t, "seen")
		c := harness.NewClient(s.URL(), "AWS", s.Password(t))
		content := layer(1)
		if err := c.PushBlob("seen", harness.Digest(content), content); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Blob("seen", harness.Digest(content)); err != nil {
			t.Fatal(err)
		}
		all.scrape(t, s)
	}
	// What a server tells that has seen S3 fail, or has read everything again.
	all["drydock_s3_retries_total"] = map[string]bool{"operation": true}
	all["drydock_scrub_ended_timestamp_seconds"] = nil
	return all
}

func TestTheDashboardAndTheAlertsAskForMetricsThatThereAre(t *testing.T) {
	harness.EndToEnd(t)
	there := everyKind(t)
	seen := map[string]bool{}
	for _, a := range append(ofDashboard(t), ofAlerts(t)...) {
		for _, m := range named.FindAllStringSubmatch(a.expr, -1) {
			name := m[1]
			seen[name] = true
			labels, ok := there[name]
			if !ok {
				t.Errorf("%s asks for %s, and there is no such metric", a.by, name)
				continue
			}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				if l[1] != "job" && l[1] != "instance" && !labels[l[1]] {
					t.Errorf("%s asks for %s by %s, and it has the labels %v", a.by, name, l[1], labels)
				}
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d metrics are asked for: are the expressions found?", len(seen))
	}
	// And the manual has them all.
	manual, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for name := range there {
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, part)
		}
		if strings.HasPrefix(name, "drydock_") && !strings.Contains(string(manual), "`"+name+"`") && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		t.Errorf("docs/operations.md says nothing of %s", strings.Join(missing, ", "))
	}
}

func TestPrometheusTakesTheRulesAndTheyFireWhenTheyShould(t *testing.T) {
	harness.EndToEnd(t)
	found, err := harness.Script(t, "ensure-promtool")
	if err != nil {
		harness.Unavailable(t, "no promtool: %v", err)
	}
	promtool, r := strings.TrimSpace(found), harness.Runner{Env: harness.Environ(), Dir: filepath.Join(harness.Root(t), "docs", "observe")}
	r.Run(t, promtool, "check", "rules", "alerts.yaml")
	r.Run(t, promtool, "test", "rules", filepath.Join(harness.Root(t), "e2e", "testdata", "alerts_test.yaml"))

	// The dashboard's expressions, as rules that Prometheus would have to take.
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	for i, a := range ofDashboard(t) {
		rules = append(rules, rule{fmt.Sprintf("panel:%d", i), a.expr})
	}
	file := filepath.Join(t.TempDir(), "panels.yaml")
	content, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Run(t, promtool, "check", "rules", file)
}
