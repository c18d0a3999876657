//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// report prints the table as its rows come in, for the whole takes minutes.
type report struct {
	w     io.Writer
	p     place
	begun bool
}

func newReport(w io.Writer, p place) *report { return &report{w: w, p: p} }

// line prints the cells of a row: the name, rates, and the rest.
func (r *report) line(cells ...string) {
	widths := []int{-30, 14, 14, 9, 8, 12, 12, 10, 12, 12, 12, 12, 9}
	var b strings.Builder
	for i, cell := range cells {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%*s", widths[i], cell)
	}
	fmt.Fprintln(r.w, strings.TrimRight(b.String(), " "))
}

// row prints a workload; the samples are stock's, then drydock's.
func (r *report) row(w workload, s []samples) {
	if !r.begun {
		head := []string{r.p.title, "stock", "drydock", "ratio", "target", "CPU stock", "CPU drydock", "CPU client"}
		if r.p.s3 != nil {
			head = append(head, "CPU S3 stock", "CPU S3 dryd.", "calls stock", "calls dryd.", "target")
		}
		fmt.Fprintln(r.w)
		r.line(head...)
		r.begun = true
	}
	stock, ours := s[0], s[1]
	cells := []string{
		w.name, rate(stock), rate(ours), fmt.Sprintf("%.1fx", median(ours, sample.rate)/median(stock, sample.rate)), target("%.1fx", w.target),
		perOp(stock, serverCPU), perOp(ours, serverCPU), perOp(ours, func(s sample) time.Duration { return s.client }),
	}
	if r.p.s3 != nil {
		s3CPU := func(s sample) time.Duration { return s.s3 }
		calls := func(s samples) string {
			return fmt.Sprintf("%.1f", median(s, func(s sample) float64 { return float64(s.calls) / float64(s.ops) }))
		}
		cells = append(cells, perOp(stock, s3CPU), perOp(ours, s3CPU), calls(stock), calls(ours), target("<= %.0f%%", 100*w.calls))
	}
	r.line(cells...)
}

// target is what is to be reached, if anything is.
func target(format string, value float64) string {
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf(format, value)
}

func rate(s samples) string {
	v := median(s, sample.rate)
	if v < 10 {
		return fmt.Sprintf("%.1f %s", v, s[0].unit())
	}
	return fmt.Sprintf("%.0f %s", v, s[0].unit())
}

func serverCPU(s sample) time.Duration { return s.cpu }

// perOp is a time as so much for an operation.
func perOp(s samples, of func(sample) time.Duration) string {
	d := time.Duration(median(s, func(s sample) float64 { return float64(of(s)) / float64(s.ops) }))
	if d < 10*time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
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
	if r.p.s3 == nil {
		fmt.Fprintln(r.w, "targets: drydock under 64 MiB and 200ms")
	}
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
