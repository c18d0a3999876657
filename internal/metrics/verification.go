package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"drydock/storage"
)

// Verifications is what knows of verifications and of the scrub.
type Verifications interface {
	VerifyTotals() storage.VerifyTotals
}

// Verifications has what drydock verify and the scrub do told. The server that does
// it is the one whose figures grow.
func (m *Metrics) Verifications(of Verifications) error {
	if err := m.registry.Register(&verificationCollector{of}); err != nil {
		return fmt.Errorf("register the metrics of verifications: %w", err)
	}
	return nil
}

type verificationCollector struct{ of Verifications }

func (*verificationCollector) blobs() *prometheus.Desc {
	return prometheus.NewDesc("drydock_verified_blobs_total", "Blobs that drydock verify and the scrub looked at.", nil, nil)
}

func (*verificationCollector) bytes() *prometheus.Desc {
	return prometheus.NewDesc("drydock_verified_bytes_total", "Bytes that drydock verify and the scrub read.", nil, nil)
}

func (*verificationCollector) problems() *prometheus.Desc {
	return prometheus.NewDesc("drydock_verify_problems_total", "What drydock verify and the scrub found wrong, by kind.", []string{"kind"}, nil)
}

func (*verificationCollector) reached() *prometheus.Desc {
	return prometheus.NewDesc("drydock_scrub_reached_ratio", "The part of everything that the scrub has read since it began anew.", nil, nil)
}

func (*verificationCollector) ended() *prometheus.Desc {
	return prometheus.NewDesc("drydock_scrub_ended_timestamp_seconds", "When the scrub had last read everything; nothing before it has, and where another server does it.", nil, nil)
}

// Describe implements prometheus.Collector.
func (c *verificationCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.blobs(), c.bytes(), c.problems(), c.reached(), c.ended()} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *verificationCollector) Collect(to chan<- prometheus.Metric) {
	t := c.of.VerifyTotals()
	to <- prometheus.MustNewConstMetric(c.blobs(), prometheus.CounterValue, float64(t.Blobs))
	to <- prometheus.MustNewConstMetric(c.bytes(), prometheus.CounterValue, float64(t.Bytes))
	for kind, n := range t.Problems {
		to <- prometheus.MustNewConstMetric(c.problems(), prometheus.CounterValue, float64(n), string(kind))
	}
	to <- prometheus.MustNewConstMetric(c.reached(), prometheus.GaugeValue, t.ScrubReached)
	if !t.ScrubEnded.IsZero() {
		to <- prometheus.MustNewConstMetric(c.ended(), prometheus.GaugeValue, float64(t.ScrubEnded.UnixMilli())/1000)
	}
}
