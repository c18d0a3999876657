package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"drydock/storage"
)

// Refusals has it told what was refused for want of room.
func (m *Metrics) Refusals(of interface{ Refusals() storage.Refusals }) error {
	for reason, count := range map[string]func(storage.Refusals) int64{
		"disk":  func(r storage.Refusals) int64 { return r.Disk },
		"quota": func(r storage.Refusals) int64 { return r.Quota },
	} {
		c := prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "drydock_refused_writes_total",
			Help:        "What was refused for want of room, by reason: a disk that is nearly full, or a quota that is used up.",
			ConstLabels: prometheus.Labels{"reason": reason},
		}, func() float64 { return float64(count(of.Refusals())) })
		if err := m.registry.Register(c); err != nil {
			return fmt.Errorf("register the metrics of what was refused: %w", err)
		}
	}
	return nil
}
