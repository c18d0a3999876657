package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"drydock/storage/meta"
)

// VerifyOptions say how to verify.
type VerifyOptions struct {
	// Deep reads every byte; else lengths are compared, and the digests of what is
	// in the records.
	Deep bool
	// Repair mends what can be mended. What is damaged is put into quarantine, and
	// its record made so that the next push of the same bytes makes it whole.
	Repair bool
	// Resume goes on with the verification that was broken off last, as it was
	// begun: Deep and Repair are taken from there.
	Resume bool
	// Rate is the most bytes that are read in a second; 0 is no limit.
	Rate int64
	// Found is told of each problem and may end the verification by an error; so
	// may Progress, which is told now and then how far it has come. Either may be nil.
	Found    func(Problem) error
	Progress func(Verified) error
}

// Verified is what a verification has been through.
type Verified struct {
	// Stage is what is being gone through, empty at the end.
	Stage string `json:"stage,omitempty"`
	// Images, Blobs and Files were looked at, Bytes read.
	Images int64 `json:"images"`
	Blobs  int64 `json:"blobs"`
	Files  int64 `json:"files"`
	Bytes  int64 `json:"bytes"`
	// Problems were found; of these some were Mended, and some are of Lost content.
	Problems int64 `json:"problems"`
	Mended   int64 `json:"mended"`
	Lost     int64 `json:"lost"`
}

// ErrNothingToResume is returned by a verification that is to go on where none was
// broken off.
var ErrNothingToResume = errors.New("no verification was broken off: begin one without --resume")

// ErrNotThere is returned, before anything is changed, by a verification that is to
// repair where nothing is that should be: more likely than that all was lost is that
// the storage is not where it is looked for.
var ErrNotThere = errors.New("of the layers that were looked for first none is there: " +
	"see whether the disk is mounted, or the bucket the right one; if all of them are really lost, go on with --resume")

// ErrOvertaken is returned by a verification when another one has begun.
var ErrOvertaken = errors.New("another verification has begun and goes on in place of this one")

// The names of verifications in the records.
const (
	byHand = "verify"
	scrub  = "scrub"
)

// Verify compares all that is recorded with all that is stored, while people push
// and pull. Whatever looks wrong is looked at again in a transaction, so that what
// changes meanwhile is not taken for a problem. Errors: ErrNothingToResume,
// ErrOvertaken, ErrNotThere, and what Found and Progress return.
func (r *Registry) Verify(ctx context.Context, o VerifyOptions) (Verified, error) {
	v := &verification{r: r, o: o}
	if err := v.begin(ctx, byHand); err != nil {
		return Verified{}, err
	}
	if o.Repair && !o.Resume {
		if err := v.isThere(ctx); err != nil {
			return v.count, err
		}
	}
	err := v.run(ctx)
	return v.count, err
}

// verification is one that is going on.
type verification struct {
	r   *Registry
	o   VerifyOptions
	row meta.Verification
	// aside is the folder of the quarantine for what is put there.
	aside string
	count Verified
	rate  rate
	// saved is when the row was recorded, told when Progress was.
	saved, told time.Time
	// paced, where set, is asked before each blob whether its time has come.
	paced func(digest string) error
	// unreadable is how many blobs in a row could not be read.
	unreadable int
	// duty, where set, is how many times as long as it works it rests.
	duty int
}

// begin takes the turn, to go on or anew.
func (v *verification) begin(ctx context.Context, name string) error {
	turn, err := newID(v.r.random)
	if err != nil {
		return err
	}
	resumed := false
	err = v.r.note(ctx, func(q meta.Querier) error {
		row, err := meta.FindVerification(ctx, q, name)
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return fmt.Errorf("look up the verification before: %w", err)
		}
		resumed = v.o.Resume && row.Stage != ""
		switch {
		case resumed:
		case v.o.Resume:
			return ErrNothingToResume
		default:
			row = meta.Verification{Name: name, Deep: v.o.Deep, Repair: v.o.Repair, Stage: stages()[0].name,
				BegunAt: v.r.millis(), EndedAt: row.EndedAt, Counts: "{}"}
			if err := meta.ClearFindings(ctx, q, name); err != nil {
				return fmt.Errorf("forget what the verification before found: %w", err)
			}
		}
		row.Turn, row.UpdatedAt = turn, v.r.millis()
		v.row = row
		return meta.TakeVerification(ctx, q, row)
	})
	if err != nil {
		return err
	}
	v.o.Deep, v.o.Repair = v.row.Deep, v.row.Repair
	v.aside = time.UnixMilli(v.row.BegunAt).UTC().Format("20060102T150405Z")
	v.rate = rate{limit: v.o.Rate}
	if err := json.Unmarshal([]byte(v.row.Counts), &v.count); err != nil {
		return fmt.Errorf("read how far the verification has come: %w", err)
	}
	if resumed && v.o.Found != nil {
		return v.tellAgain(ctx, name)
	}
	return nil
}

// tellAgain tells what was found before the verification was broken off.
func (v *verification) tellAgain(ctx context.Context, name string) error {
	before, err := v.r.findings(ctx, name, mostFindings)
	if err != nil {
		return err
	}
	for _, p := range before {
		if err := v.o.Found(p); err != nil {
			return err
		}
	}
	return nil
}

// stage is a part of a verification, which goes through one thing from behind the
// last that was looked at.
type stage struct {
	name string
	walk func(*verification, context.Context) error
}

// stages are in the order in which one mends what the next would stumble over.
func stages() []stage {
	return []stage{
		{"blobs", (*verification).blobs},
		{"trash", (*verification).trash},
		{"files", (*verification).files},
		{"links", (*verification).links},
		{"images", (*verification).images},
		{"tags", (*verification).tags},
		{"references", (*verification).references},
		{"deleted-images", (*verification).deletedImages},
		{"counts", (*verification).counts},
		{"account-counts", (*verification).accountCounts},
	}
}

// run goes through the stages that are left.
func (v *verification) run(ctx context.Context) error {
	begun := false
	for _, s := range stages() {
		begun = begun || s.name == v.row.Stage
		if !begun {
			continue
		}
		if s.name != v.row.Stage {
			v.row.Stage, v.row.Reached = s.name, ""
		}
		v.count.Stage = s.name
		err := s.walk(v, ctx)
		if err == nil {
			err = v.progress(ctx, true)
		}
		if err != nil {
			// To go on from here is worth more than the reason why the client went.
			return errors.Join(fmt.Errorf("verify the %s: %w", s.name, err), v.save(context.WithoutCancel(ctx)))
		}
	}
	v.row.Stage, v.row.Reached, v.row.EndedAt, v.count.Stage = "", "", v.r.millis(), ""
	return v.save(ctx)
}

// saveEvery is how often it is recorded how far a verification has come, and
// tellEvery how often that is told.
const (
	saveEvery = 2 * time.Second
	tellEvery = 2 * time.Second
)

// reached notes what was looked at last.
func (v *verification) reached(ctx context.Context, at string) error {
	v.row.Reached = at
	if err := ctx.Err(); err != nil {
		return err
	}
	return v.progress(ctx, false)
}

// progress records and tells how far it is, when it is time or at once.
func (v *verification) progress(ctx context.Context, now bool) error {
	if now || time.Since(v.saved) >= saveEvery {
		if err := v.save(ctx); err != nil {
			return err
		}
		v.saved = time.Now()
	}
	if v.o.Progress == nil || !now && time.Since(v.told) < tellEvery {
		return nil
	}
	v.told = time.Now()
	return v.o.Progress(v.count)
}

// save records how far it is. Errors: ErrOvertaken.
func (v *verification) save(ctx context.Context) error {
	counts, err := json.Marshal(v.count)
	if err != nil {
		return err
	}
	v.row.Counts, v.row.UpdatedAt = string(counts), v.r.millis()
	ours := false
	err = v.r.note(ctx, func(q meta.Querier) (err error) {
		ours, err = meta.MoveVerification(ctx, q, v.row)
		return err
	})
	if err != nil {
		return fmt.Errorf("record how far the verification is: %w", err)
	}
	if !ours {
		return ErrOvertaken
	}
	return nil
}

// pageSize is how many rows are listed at a time.
const pageSize = 100

// walk looks at everything that a list holds, from behind what was looked at last.
func walk[T any](ctx context.Context, v *verification, list func(after string) ([]T, error), name func(T) string, look func(T) error) error {
	for {
		begun := time.Now()
		page, err := list(v.row.Reached)
		if err != nil {
			return fmt.Errorf("list what comes next: %w", err)
		}
		for _, row := range page {
			if err := look(row); err != nil {
				return err
			}
			if err := v.reached(ctx, name(row)); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		if err := pause(ctx, time.Duration(v.duty)*time.Since(begun)); err != nil {
			return err
		}
	}
}

// key is what rows of a repository are walked by.
func key(repository int64, name string) string {
	return strconv.FormatInt(repository, 10) + " " + name
}

// cutKey reads a key; the empty one is before all others.
func cutKey(s string) (repository int64, name string) {
	id, name, _ := strings.Cut(s, " ")
	repository, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return -1, ""
	}
	return repository, name
}

// mostFindings is how many problems are kept. Those beyond are told all the same.
const mostFindings = 10 * Most

// look has the records looked at by check, and if something seems to be wrong, once
// more in a transaction in which nothing else happens. What is found there counts,
// and there it is mended.
func (v *verification) look(ctx context.Context, check func(q meta.Querier, mend bool) ([]Problem, error)) error {
	seems, err := check(v.r.db.Reader(), false)
	if err != nil || len(seems) == 0 {
		return err
	}
	return v.settle(ctx, check)
}

// settle is the second part of look.
func (v *verification) settle(ctx context.Context, check func(q meta.Querier, mend bool) ([]Problem, error)) error {
	found, err := v.decide(ctx, check)
	if err != nil {
		return err
	}
	return v.tell(ctx, found)
}

// decide is settle for those who have a lock, which nobody should wait for while a
// client is told: it returns what is to be told when the lock is free.
func (v *verification) decide(ctx context.Context, check func(q meta.Querier, mend bool) ([]Problem, error)) ([]Problem, error) {
	write := v.r.note
	if v.o.Repair {
		write = v.r.write
	}
	var found []Problem
	err := write(ctx, func(q meta.Querier) error {
		found = nil
		all, err := check(q, v.o.Repair)
		if err != nil {
			return err
		}
		for _, p := range all {
			isNew, err := v.note(ctx, q, p)
			if err != nil {
				return err
			}
			if isNew {
				found = append(found, p)
			}
		}
		return nil
	})
	return found, err
}

// note records a problem and reports whether it was not known yet.
func (v *verification) note(ctx context.Context, q meta.Querier, p Problem) (bool, error) {
	if v.count.Problems >= mostFindings {
		known, err := meta.HasFinding(ctx, q, v.row.Name, p.Subject)
		return !known, err
	}
	text, err := p.stored()
	if err != nil {
		return false, err
	}
	isNew, err := meta.InsertFinding(ctx, q, v.row.Name, p.Subject, v.r.millis(), text)
	if err != nil {
		return false, fmt.Errorf("record what was found: %w", err)
	}
	return isNew, nil
}

// tell counts problems and tells of them.
func (v *verification) tell(ctx context.Context, found []Problem) error {
	for _, p := range found {
		v.count.Problems++
		if p.Mended {
			v.count.Mended++
		}
		if p.Lost {
			v.count.Lost++
		}
		v.r.verified.found(p.Kind)
		log := v.r.log.WarnContext
		if p.Lost {
			log = v.r.log.ErrorContext
		}
		log(ctx, "verification found something wrong", "kind", p.Kind, "subject", p.Subject, "problem", p.Says, "advice", p.Advice,
			"mended", p.Mended, "lost", p.Lost, "images", len(p.Images))
	}
	if v.o.Found == nil {
		return nil
	}
	for _, p := range found {
		if err := v.o.Found(p); err != nil {
			return err
		}
	}
	return nil
}
