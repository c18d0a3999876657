package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"drydock/ecrapi/pullthrough"
)

// Upstreams has it told how pulls through cache rules went.
func (m *Metrics) Upstreams(counts func() pullthrough.Counts) error {
	for name, c := range map[string]struct {
		help string
		of   func(pullthrough.Counts) int64
	}{
		"drydock_pull_through_hits_total":            {"Pulls of tags that came from an upstream registry and were here.", func(c pullthrough.Counts) int64 { return c.Hits }},
		"drydock_pull_through_misses_total":          {"Manifests and layers that were fetched from an upstream registry.", func(c pullthrough.Counts) int64 { return c.Misses }},
		"drydock_pull_through_upstream_errors_total": {"Requests that an upstream registry failed.", func(c pullthrough.Counts) int64 { return c.Failures }},
	} {
		counter := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: c.help}, func() float64 { return float64(c.of(counts())) })
		if err := m.registry.Register(counter); err != nil {
			return fmt.Errorf("register the metrics of upstream registries: %w", err)
		}
	}
	return nil
}
