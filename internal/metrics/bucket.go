package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bucket counts what is asked of the service that keeps the blobs.
type bucket struct {
	requests  *prometheus.CounterVec
	retries   *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newBucket() bucket {
	return bucket{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drydock_s3_requests_total",
			Help: "Requests sent to S3, each attempt for itself, by operation and how they went: answered, not_found, refused (4xx), failed (5xx), timeout, broken, given_up.",
		}, []string{"operation", "result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drydock_s3_retries_total",
			Help: "Those requests to S3 that had been sent before.",
		}, []string{"operation"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "drydock_s3_request_duration_seconds",
			Help:    "Time from sending a request to S3 to the header of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"operation"}),
	}
}

func (b bucket) collectors() []prometheus.Collector {
	return []prometheus.Collector{b.requests, b.retries, b.durations}
}

// S3Attempt counts a request to S3 that was sent for the number-th time, from 1 on.
// operation and result are from fixed sets.
func (m *Metrics) S3Attempt(operation, result string, number int, took time.Duration) {
	m.bucket.requests.WithLabelValues(operation, result).Inc()
	m.bucket.durations.WithLabelValues(operation).Observe(took.Seconds())
	if number > 1 {
		m.bucket.retries.WithLabelValues(operation).Inc()
	}
}
