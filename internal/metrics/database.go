package metrics

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"drydock/storage/meta"
)

// database counts transactions.
type database struct {
	transactions *prometheus.CounterVec
	retries      prometheus.Counter
	durations    *prometheus.HistogramVec
}

func newDatabase() database {
	d := database{
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drydock_database_transactions_total",
			Help: "Transactions that write, by durability and how they ended: committed, undone (as decided in them), full, unavailable, uncertain, given_up.",
		}, []string{"durability", "result"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "drydock_database_retries_total",
			Help: "Times that a transaction was run again, because it met another one or lost its connection.",
		}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "drydock_database_transaction_duration_seconds",
			Help:    "Time that a transaction that writes took, with all it waited for.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"durability"}),
	}
	// What has never happened is 0 and not absent, for those who watch it rise.
	for _, durability := range []meta.Durability{meta.Relaxed, meta.Durable} {
		for _, result := range []string{"committed", "undone", "full", "unavailable", "uncertain", "given_up"} {
			d.transactions.WithLabelValues(nameOf(durability), result)
		}
		d.durations.WithLabelValues(nameOf(durability))
	}
	return d
}

func (d database) collectors() []prometheus.Collector {
	return []prometheus.Collector{d.transactions, d.retries, d.durations}
}

func nameOf(d meta.Durability) string {
	if d == meta.Durable {
		return "durable"
	}
	return "relaxed"
}

// pooled is a database that has connections to count.
type pooled interface {
	Pools() (readers, writers sql.DBStats)
}

// Database returns db with its transactions counted.
func (m *Metrics) Database(db meta.DB) (meta.DB, error) {
	if p, ok := db.(pooled); ok {
		if err := m.registry.Register(&poolCollector{p}); err != nil {
			return nil, fmt.Errorf("register the metrics of the database: %w", err)
		}
	}
	return &countedDB{db, m.database}, nil
}

type countedDB struct {
	meta.DB
	database database
}

// Write implements meta.DB.
func (c *countedDB) Write(ctx context.Context, d meta.Durability, fn func(meta.Querier) error) error {
	begun, runs := time.Now(), 0
	err := c.DB.Write(ctx, d, func(q meta.Querier) error {
		if runs++; runs > 1 {
			c.database.retries.Inc()
		}
		return fn(q)
	})
	c.database.transactions.WithLabelValues(nameOf(d), resultOf(ctx, err)).Inc()
	c.database.durations.WithLabelValues(nameOf(d)).Observe(time.Since(begun).Seconds())
	return err
}

func resultOf(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return "committed"
	case errors.Is(err, meta.ErrUncertain):
		return "uncertain"
	case errors.Is(err, meta.ErrFull):
		return "full"
	case errors.Is(err, meta.ErrUnavailable), errors.Is(err, meta.ErrClosed):
		return "unavailable"
	case ctx.Err() != nil:
		return "given_up"
	}
	return "undone"
}

// poolCollector tells of the connections to a database when metrics are asked for.
type poolCollector struct{ of pooled }

func (*poolCollector) connections() *prometheus.Desc {
	return prometheus.NewDesc("drydock_database_connections", "Open connections to the database, by what they are for and whether they are in use.", []string{"pool", "state"}, nil)
}

func (*poolCollector) limit() *prometheus.Desc {
	return prometheus.NewDesc("drydock_database_connections_limit", "Connections to the database that may be open, by what they are for.", []string{"pool"}, nil)
}

func (*poolCollector) waited() *prometheus.Desc {
	return prometheus.NewDesc("drydock_database_connection_wait_seconds_total", "Time that was waited for a connection to be free, by what it was for.", []string{"pool"}, nil)
}

// Describe implements prometheus.Collector.
func (c *poolCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.connections()
	to <- c.limit()
	to <- c.waited()
}

// Collect implements prometheus.Collector.
func (c *poolCollector) Collect(to chan<- prometheus.Metric) {
	readers, writers := c.of.Pools()
	for pool, s := range map[string]sql.DBStats{"reading": readers, "writing": writers} {
		to <- prometheus.MustNewConstMetric(c.connections(), prometheus.GaugeValue, float64(s.InUse), pool, "used")
		to <- prometheus.MustNewConstMetric(c.connections(), prometheus.GaugeValue, float64(s.Idle), pool, "idle")
		to <- prometheus.MustNewConstMetric(c.limit(), prometheus.GaugeValue, float64(s.MaxOpenConnections), pool)
		to <- prometheus.MustNewConstMetric(c.waited(), prometheus.CounterValue, s.WaitDuration.Seconds(), pool)
	}
}
