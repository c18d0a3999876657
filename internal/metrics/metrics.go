// Package metrics counts what the server does, for Prometheus. Every label has a
// bounded set of values: nothing a client sends becomes one.
package metrics

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"drydock/internal/observe"
)

// Metrics are one server's. It is safe for concurrent use.
type Metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	received  *prometheus.CounterVec
	sent      *prometheus.CounterVec
	decisions *prometheus.CounterVec
	throttled *prometheus.CounterVec
	uploads   prometheus.Gauge
	bucket    bucket
	database  database
}

// New makes the metrics of a server of that version whose storage is at s.
func New(version string, s Storage) (*Metrics, error) {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drydock_http_requests_total",
			Help: "Requests answered, by way in, operation and HTTP status.",
		}, []string{"surface", "operation", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "drydock_http_request_duration_seconds",
			Help: "Time from a request's header to the end of its answer.",
			// From a manifest out of the page cache to a layer over a slow line.
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600},
		}, []string{"surface", "operation"}),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drydock_http_received_bytes_total",
			Help: "Bytes of request bodies.",
		}, []string{"surface"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drydock_http_sent_bytes_total",
			Help: "Bytes of answers' bodies.",
		}, []string{"surface"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drydock_authorization_decisions_total",
			Help: "Authorisation decisions, by IAM action: allow, deny, or error where none was reached.",
		}, []string{"action", "decision"}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drydock_throttled_requests_total",
			Help: "Requests turned away because too many wrong credentials came from their source, by way in.",
		}, []string{"surface"}),
		uploads: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "drydock_uploads_in_progress",
			Help: "Requests that are sending a layer now.",
		}),
		bucket:   newBucket(),
		database: newDatabase(),
	}
	// What has never happened is 0 and not absent, for those who watch it rise.
	for _, surface := range []string{"registry", "aws"} {
		m.throttled.WithLabelValues(surface)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "drydock_build_info",
		Help:        "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	all := []prometheus.Collector{
		m.requests, m.durations, m.received, m.sent, m.decisions, m.throttled, m.uploads, build, &storageCollector{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	all = append(append(all, m.bucket.collectors()...), m.database.collectors()...)
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

// Request counts a request that has been answered. surface is the way in that it
// took, from a fixed set.
func (m *Metrics) Request(surface string, r *observe.Request, took time.Duration) {
	operation := r.Operation
	if operation == "" {
		operation = "unknown"
	}
	m.requests.WithLabelValues(surface, operation, strconv.Itoa(r.Status)).Inc()
	m.durations.WithLabelValues(surface, operation).Observe(took.Seconds())
	m.received.WithLabelValues(surface).Add(float64(r.BytesIn))
	m.sent.WithLabelValues(surface).Add(float64(r.BytesOut))
}

// Decision counts an authorisation decision.
func (m *Metrics) Decision(action, decision string) {
	m.decisions.WithLabelValues(action, decision).Inc()
}

// Throttled counts a request that was turned away unlooked at. surface is the way
// in, from a fixed set.
func (m *Metrics) Throttled(surface string) { m.throttled.WithLabelValues(surface).Inc() }

// UploadStarted counts an upload as in progress until the function that it
// returns is called.
func (m *Metrics) UploadStarted() (ended func()) {
	m.uploads.Inc()
	return m.uploads.Dec
}

// Handler answers with the metrics in the format that the client prefers.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
