package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Leases has told which background work this server may do. held has a fixed set of
// names.
func (m *Metrics) Leases(held func() map[string]bool) error {
	if err := m.registry.Register(leaseCollector(held)); err != nil {
		return fmt.Errorf("register the metrics of leases: %w", err)
	}
	return nil
}

type leaseCollector func() map[string]bool

func (leaseCollector) held() *prometheus.Desc {
	return prometheus.NewDesc("drydock_lease_held", "1 where this server does a background work, 0 where another one does or nobody: of all servers one does each.", []string{"name"}, nil)
}

// Describe implements prometheus.Collector.
func (c leaseCollector) Describe(to chan<- *prometheus.Desc) { to <- c.held() }

// Collect implements prometheus.Collector.
func (c leaseCollector) Collect(to chan<- prometheus.Metric) {
	for name, held := range c() {
		v := 0.0
		if held {
			v = 1
		}
		to <- prometheus.MustNewConstMetric(c.held(), prometheus.GaugeValue, v, name)
	}
}
