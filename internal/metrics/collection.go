package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"drydock/storage"
)

// Collection is what knows of collection.
type Collection interface {
	Totals() storage.Totals
	Waiting(ctx context.Context) (storage.Waiting, error)
}

// scrapeTime is what a look at the database may take when metrics are asked for.
const scrapeTime = 2 * time.Second

// Collection has what collection does told. The server that does it now is the one
// whose figures grow; what is overdue all say alike.
func (m *Metrics) Collection(of Collection, now func() time.Time) error {
	if err := m.registry.Register(&collectionCollector{of, now}); err != nil {
		return fmt.Errorf("register the metrics of collection: %w", err)
	}
	return nil
}

type collectionCollector struct {
	of  Collection
	now func() time.Time
}

func (*collectionCollector) blobs() *prometheus.Desc {
	return prometheus.NewDesc("drydock_gc_blobs_total", "Blobs that collection looked at (reviewed), took from a repository that did not need them (unlinked), put into the trash (trashed), deleted for good (purged).", []string{"step"}, nil)
}

func (*collectionCollector) bytes() *prometheus.Desc {
	return prometheus.NewDesc("drydock_gc_purged_bytes_total", "Bytes of the blobs that collection deleted for good.", nil, nil)
}

func (*collectionCollector) overdue() *prometheus.Desc {
	return prometheus.NewDesc("drydock_gc_overdue_seconds", "For how long the blob that is to be looked at first has been due; 0 when none is, or while collection waits for the clock.", nil, nil)
}

func (*collectionCollector) clock() *prometheus.Desc {
	return prometheus.NewDesc("drydock_gc_clock_wait_seconds", "For how long nothing is collected yet, since the clock has jumped ahead or no server ran.", nil, nil)
}

// Describe implements prometheus.Collector.
func (c *collectionCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.blobs()
	to <- c.bytes()
	to <- c.overdue()
	to <- c.clock()
}

// Collect implements prometheus.Collector. What the database does not tell is left
// out.
func (c *collectionCollector) Collect(to chan<- prometheus.Metric) {
	t := c.of.Totals()
	for step, n := range map[string]int64{"reviewed": t.Reviewed, "unlinked": t.Unlinked, "trashed": t.Trashed, "purged": t.Purged} {
		to <- prometheus.MustNewConstMetric(c.blobs(), prometheus.CounterValue, float64(n), step)
	}
	to <- prometheus.MustNewConstMetric(c.bytes(), prometheus.CounterValue, float64(t.PurgedBytes))
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	w, err := c.of.Waiting(ctx)
	if err != nil {
		return
	}
	overdue := 0.0
	if w.First > 0 && w.Clock == 0 {
		overdue = max(0, c.now().Sub(time.UnixMilli(w.First)).Seconds())
	}
	to <- prometheus.MustNewConstMetric(c.overdue(), prometheus.GaugeValue, overdue)
	to <- prometheus.MustNewConstMetric(c.clock(), prometheus.GaugeValue, w.Clock.Seconds())
}
