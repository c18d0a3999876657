//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// report prints the table as its rows come in, for the whole takes minutes.
type report struct {
	w     io.Writer
	begun bool
}

func newReport(w io.Writer) *report { return &report{w: w} }

const rowFormat = "%-30s %14s %14s %9s %8s %12s %12s %10s\n"

// row prints a workload; the samples are stock's, then drydock's.
func (r *report) row(w workload, s []samples) {
	if !r.begun {
		fmt.Fprintf(r.w, rowFormat, "", "stock", "drydock", "ratio", "target", "CPU stock", "CPU drydock", "CPU client")
		r.begun = true
	}
	stock, ours := s[0], s[1]
	rate := func(s samples) string { return fmt.Sprintf("%.0f %s", median(s, sample.rate), s[0].unit()) }
	perOp := func(s samples, of func(sample) time.Duration) string {
		d := time.Duration(median(s, func(s sample) float64 { return float64(of(s)) / float64(s.ops) }))
		if d < 10*time.Millisecond {
			return d.Round(time.Microsecond).String()
		}
		return d.Round(time.Millisecond).String()
	}
	target := "-"
	if w.target > 0 {
		target = fmt.Sprintf("%.1fx", w.target)
	}
	serverCPU := func(s sample) time.Duration { return s.cpu }
	fmt.Fprintf(r.w, rowFormat, w.name, rate(stock), rate(ours),
		fmt.Sprintf("%.1fx", median(ours, sample.rate)/median(stock, sample.rate)), target,
		perOp(stock, serverCPU), perOp(ours, serverCPU), perOp(ours, func(s sample) time.Duration { return s.client }))
}

// servers prints what belongs to the processes and not to an operation.
func (r *report) servers(all []*server, starts []time.Duration) error {
	fmt.Fprintln(r.w)
	for i, s := range all {
		peak, err := s.peak()
		if err != nil {
			return err
		}
		fmt.Fprintf(r.w, "%-8s peak memory %6.1f MiB, start-up %s\n", s.name, float64(peak)/(1<<20), starts[i].Round(time.Millisecond))
	}
	fmt.Fprintln(r.w, "targets: drydock under 64 MiB and 200ms")
	return nil
}

// median is the middle one of the samples' values.
func median(s samples, of func(sample) float64) float64 {
	values := make([]float64, len(s))
	for i := range s {
		values[i] = of(s[i])
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
