//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// report prints the table as its rows come in, for the whole takes minutes.
type report struct {
	w       io.Writer
	p       place
	compare []*server // the first with the second
	begun   bool
}

func newReport(w io.Writer, p place, compare []*server) *report {
	return &report{w: w, p: p, compare: compare}
}

// fill measures the workloads and prints a row of each.
func (r *report) fill(ctx context.Context, o options, list []workload) error {
	for _, w := range list {
		row, err := measure(ctx, o, w, r.compare)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		r.row(w, row)
	}
	return nil
}

// column is a column of the table; cell makes its text.
type column struct {
	head  string
	width int
	cell  func(w workload, s []samples) string
}

// columns are those that the place has something for.
func (r *report) columns() []column {
	list := []column{{r.p.title, -30, func(w workload, _ []samples) string { return w.name }}}
	each := func(head string, width int, cell func(samples) string) {
		for i, s := range r.compare {
			list = append(list, column{strings.TrimSpace(head + " " + s.name), width, func(_ workload, s []samples) string { return cell(s[i]) }})
		}
	}
	took := func(of func(sample) time.Duration) func(samples) string {
		return func(s samples) string { return perOp(s, of) }
	}
	each("", 12, rate)
	list = append(list, column{"ratio", 7, func(_ workload, s []samples) string {
		return fmt.Sprintf("%.1fx", median(s[1], sample.rate)/median(s[0], sample.rate))
	}}, column{"target", 7, func(w workload, _ []samples) string { return target("%.1fx", w.target) }})
	each("CPU", 12, took(func(s sample) time.Duration { return s.cpu }))
	each("client", 15, took(func(s sample) time.Duration { return s.client }))
	if r.p.db != nil {
		each("database", 13, took(func(s sample) time.Duration { return s.db }))
	}
	if r.p.s3 != nil {
		each("S3", 11, took(func(s sample) time.Duration { return s.s3 }))
		each("calls", 14, func(s samples) string {
			return fmt.Sprintf("%.1f", median(s, func(s sample) float64 { return float64(s.calls) / float64(s.ops) }))
		})
		list = append(list, column{"target", 7, func(w workload, _ []samples) string { return target("<= %.0f%%", 100*w.calls) }})
	}
	return list
}

// row prints a workload and the samples of each server.
func (r *report) row(w workload, s []samples) {
	columns := r.columns()
	if !r.begun {
		fmt.Fprintln(r.w)
		r.line(columns, func(c column) string { return c.head })
		r.begun = true
	}
	r.line(columns, func(c column) string { return c.cell(w, s) })
}

func (r *report) line(columns []column, text func(column) string) {
	var b strings.Builder
	for i, c := range columns {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%*s", c.width, text(c))
	}
	fmt.Fprintln(r.w, strings.TrimRight(b.String(), " "))
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

// perOp is a time as so much for an operation.
func perOp(s samples, of func(sample) time.Duration) string {
	d := time.Duration(median(s, func(s sample) float64 { return float64(of(s)) / float64(s.ops) }))
	if d < 10*time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// processes prints what belongs to the processes and not to an operation.
func (r *report) processes(starts []time.Duration) error {
	fmt.Fprintln(r.w)
	for i, s := range r.compare {
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
