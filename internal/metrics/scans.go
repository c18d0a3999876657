package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"drydock/ecrapi/scan"
)

// Scans is what knows of scans and of the vulnerabilities that are known.
type Scans interface {
	Counts() scan.Counts
	SourceAt(ctx context.Context) time.Time
}

// Scans has scans told, and how old the vulnerabilities are that images are compared
// with.
func (m *Metrics) Scans(of Scans) error {
	if err := m.registry.Register(&scanCollector{of}); err != nil {
		return fmt.Errorf("register the metrics of scans: %w", err)
	}
	return nil
}

type scanCollector struct{ of Scans }

func (*scanCollector) scans() *prometheus.Desc {
	return prometheus.NewDesc("drydock_image_scans_total", "Images that were scanned, or compared with newly imported vulnerabilities, by how it ended.", []string{"result"}, nil)
}

func (*scanCollector) newest() *prometheus.Desc {
	return prometheus.NewDesc("drydock_vulnerabilities_newest_timestamp_seconds", "When the newest of the vulnerabilities that were imported was written; nothing where none were.", nil, nil)
}

// Describe implements prometheus.Collector.
func (c *scanCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.scans()
	to <- c.newest()
}

// longestLook is how long the records may take to tell it.
const longestLook = 2 * time.Second

// Collect implements prometheus.Collector.
func (c *scanCollector) Collect(to chan<- prometheus.Metric) {
	n := c.of.Counts()
	for result, of := range map[string]int64{"complete": n.Completed, "failed": n.Failed, "unsupported": n.Unsupported} {
		to <- prometheus.MustNewConstMetric(c.scans(), prometheus.CounterValue, float64(of), result)
	}
	ctx, cancel := context.WithTimeout(context.Background(), longestLook)
	defer cancel()
	if at := c.of.SourceAt(ctx); !at.IsZero() {
		to <- prometheus.MustNewConstMetric(c.newest(), prometheus.GaugeValue, float64(at.UnixMilli())/1000)
	}
}
