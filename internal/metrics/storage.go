package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"drydock/internal/diskroom"
)

// Storage says where the server keeps things. It is looked at when metrics are
// asked for, and by figures that cost nothing: nothing is walked or counted.
type Storage struct {
	// Folder is any folder on the disk that holds the blobs.
	Folder string
	// Kept tells how many bytes are to be left free on a disk of that size; nil
	// where the disk does not fill.
	Kept func(size int64) int64
	// Database finds the size of the database of the records, in bytes; nil leaves
	// it out.
	Database func(context.Context) (int64, error)
}

// patience is how long whoever asks for metrics waits for what a database says.
const patience = 2 * time.Second

type storageCollector struct{ storage Storage }

// The descriptions are made where they are used: a scrape is rare.
func (*storageCollector) free() *prometheus.Desc {
	return prometheus.NewDesc("drydock_storage_free_bytes", "Room left for the server on the disk that holds the blobs.", nil, nil)
}

func (*storageCollector) size() *prometheus.Desc {
	return prometheus.NewDesc("drydock_storage_size_bytes", "Size of the disk that holds the blobs.", nil, nil)
}

func (*storageCollector) kept() *prometheus.Desc {
	return prometheus.NewDesc("drydock_storage_kept_free_bytes", "Room on the disk below which nothing more is taken in.", nil, nil)
}

func (*storageCollector) database() *prometheus.Desc {
	return prometheus.NewDesc("drydock_database_size_bytes", "Size of the database that holds the records.", nil, nil)
}

// Describe implements prometheus.Collector.
func (c *storageCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.free()
	to <- c.size()
	to <- c.kept()
	to <- c.database()
}

// Collect implements prometheus.Collector. What cannot be found out is left out.
func (c *storageCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	if free, size, err := diskroom.Look(c.storage.Folder); err == nil {
		gauge(c.free(), float64(free))
		gauge(c.size(), float64(size))
		if c.storage.Kept != nil {
			gauge(c.kept(), float64(c.storage.Kept(size)))
		}
	}
	if c.storage.Database == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if size, err := c.storage.Database(ctx); err == nil {
		gauge(c.database(), float64(size))
	}
}
