package scan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/ecrapi/scan/findings"
	"drydock/ecrapi/scan/inventory"
	"drydock/ecrapi/scan/match"
	"drydock/storage"
	"drydock/storage/meta"
)

// The errors of asking for scans.
var (
	// ErrNoScan says that an image was not scanned.
	ErrNoScan = errors.New("the image was not scanned")
	// ErrDisabled says that scans cannot be started by hand where scanning is enhanced.
	ErrDisabled = errors.New("scans are not started by hand where scanning is enhanced")
	// ErrTooSoon says that an image was scanned within a day.
	ErrTooSoon = errors.New("the image was scanned within the last 24 hours")
	// ErrNoImage says that a manifest is not that of a container image.
	ErrNoImage = errors.New("the manifest is not that of a container image")
)

// State is what is known of the scan of an image.
type State struct {
	Status      Status
	Description string
	RequestedAt time.Time
	// CompletedAt is when the packages were compared, SourceAt how new the newest of the
	// vulnerabilities was that they were compared with. Zero where they were not.
	CompletedAt, SourceAt time.Time
	Counts                map[match.Severity]int
	// OS is the operating system of the image, told with the findings.
	OS string
}

func stateOf(row meta.Scan) State {
	st := State{
		Status: Status(row.Status), Description: row.Description, RequestedAt: time.UnixMilli(row.RequestedAt),
		CompletedAt: time.UnixMilli(row.CompletedAt), Counts: countsOf(row),
	}
	if row.SourceAt != 0 {
		st.SourceAt = time.UnixMilli(row.SourceAt)
	}
	return st
}

// States tells how far the scans of images are, of all whose digests are between two.
// Those that were not scanned are not in it.
func (s *Scanner) States(ctx context.Context, ref storage.Ref, first, last digest.Digest) (map[digest.Digest]State, error) {
	q := s.o.DB.Reader()
	rows, err := meta.ScanStates(ctx, q, ref.Account, ref.Region, ref.Name, string(first), string(last))
	if err != nil {
		return nil, fmt.Errorf("list the scans of %s: %w", ref.Name, err)
	}
	all := make(map[digest.Digest]State, len(rows))
	for _, row := range rows {
		all[digest.Digest(row.Digest)] = stateOf(row)
	}
	keys, err := meta.JobsBetween(ctx, q, Queue, jobKey(ref, first), jobKey(ref, last))
	if err != nil {
		return nil, fmt.Errorf("list the scans of %s that wait: %w", ref.Name, err)
	}
	for _, k := range keys {
		_, d, _ := strings.Cut(k, "@")
		all[digest.Digest(d)] = State{Status: InProgress}
	}
	return all, nil
}

// Findings tells what was found in an image, by the vulnerabilities that are known
// now. While it is being scanned, or where that has failed, there are none. Errors:
// ErrNoScan.
func (s *Scanner) Findings(ctx context.Context, ref storage.Ref, d digest.Digest) (State, []findings.Finding, error) {
	q := s.o.DB.Reader()
	waits, err := meta.HasJob(ctx, q, Queue, jobKey(ref, d))
	if err != nil {
		return State{}, nil, fmt.Errorf("look whether a scan waits: %w", err)
	}
	if waits {
		return State{Status: InProgress}, nil, nil
	}
	row, err := meta.FindScan(ctx, q, ref.Account, ref.Region, ref.Name, string(d))
	if errors.Is(err, meta.ErrNotFound) {
		return State{}, nil, ErrNoScan
	}
	if err != nil {
		return State{}, nil, fmt.Errorf("read the scan of %s: %w", d, err)
	}
	st := stateOf(row)
	if row.Inventory == nil {
		return st, nil, nil
	}
	v, err := s.known.Version(ctx)
	if err != nil {
		return st, nil, nil // as it is on record: nothing was ever imported
	}
	k := recentKey{ref, d, row.CompletedAt, v.ID}
	if kept, there := s.recent.get(k); there {
		return kept.state, kept.findings, nil
	}
	known, err := inventory.Unpack(row.Inventory)
	if err != nil {
		return State{}, nil, err
	}
	made, err := s.judge(ctx, known)
	if err != nil {
		return State{}, nil, err
	}
	st.Status, st.Description, st.OS = made.status, made.description, known.OS
	st.Counts, st.SourceAt = findings.Counts(made.findings), made.version.SourceAt
	k.version = made.version.ID
	s.recent.put(k, answer{st, made.findings})
	return st, made.findings, nil
}

// between is how long after a scan of an image the next may be started.
const between = 24 * time.Hour

// Start orders a scan of an image. One that has failed may be scanned again at once.
// Errors: ErrDisabled, ErrNoImage, ErrTooSoon, *storage.RepositoryUnknownError.
func (s *Scanner) Start(ctx context.Context, ref storage.Ref, i storage.Image) error {
	how, err := s.Applied(ctx, ref)
	if err != nil {
		return err
	}
	if how.Type == Enhanced {
		return ErrDisabled
	}
	if !scannable(i.MediaType, i.ArtifactType) {
		return ErrNoImage
	}
	now := s.o.Now()
	job, err := jobOf(ref, i.Digest, now)
	if err != nil {
		return err
	}
	err = s.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		waits, err := meta.HasJob(ctx, q, job.Queue, job.Key)
		if err != nil {
			return fmt.Errorf("look whether a scan waits: %w", err)
		}
		row, err := meta.FindScanState(ctx, q, ref.Account, ref.Region, ref.Name, string(i.Digest))
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return fmt.Errorf("read the scan of %s: %w", i.Digest, err)
		}
		if waits || err == nil && Status(row.Status) != Failed && row.RequestedAt > now.Add(-between).UnixMilli() {
			return ErrTooSoon
		}
		return meta.AddJob(ctx, q, meta.Job{Queue: job.Queue, Key: job.Key, Document: job.Document, DueAt: now.UnixMilli(), CreatedAt: now.UnixMilli()})
	})
	if err == nil {
		s.o.Wake(Queue)
	}
	return err
}

// recent are the findings that were asked for last, so that the next page of them
// need not be looked up again.
type recent struct {
	mu  sync.Mutex
	all []kept
}

type recentKey struct {
	ref       storage.Ref
	digest    digest.Digest
	completed int64
	version   int64
}

type answer struct {
	state    State
	findings []findings.Finding
}

type kept struct {
	key recentKey
	answer
}

// What is kept in memory.
const (
	keptAnswers = 8
	keptLargest = 10_000
)

func newRecent() *recent { return &recent{} }

func (r *recent) get(k recentKey) (answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.all {
		if a.key == k {
			return a.answer, true
		}
	}
	return answer{}, false
}

func (r *recent) put(k recentKey, a answer) {
	if len(a.findings) > keptLargest {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, kept{k, a})
	r.all = r.all[max(0, len(r.all)-keptAnswers):]
}
