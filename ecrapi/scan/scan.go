// Package scan finds the vulnerabilities of images without asking anybody: it reads
// which packages their layers have (inventory), keeps what OSV publishes of
// vulnerabilities (vulndb), decides which versions have them and how severe they are
// (match), and brings the two together (findings).
//
// A scan is a job, ordered in the transaction of a push or by StartImageScan, and done
// again after a crash. What is stored of it is the packages and the number of findings
// of each severity; the findings themselves are made when somebody asks, so they are
// those of the vulnerabilities known at the time. A new import compares the packages
// of all images anew, without reading layers.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning.html
package scan

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/ecrapi/scan/inventory"
	"drydock/ecrapi/scan/vulndb"
	"drydock/storage"
	"drydock/storage/meta"
)

// Queue is where scans wait to be done.
const Queue = "scan"

// Options is what a Scanner is made of. All but Patience and Bounds is needed.
type Options struct {
	Engine *storage.Registry
	DB     meta.DB
	// Folder is where files are kept for a while that are looked into. It is the
	// scanner's own: what it finds there was left behind.
	Folder string
	// Patience is how long the layers of an image may take to be read: 15 minutes when 0.
	Patience time.Duration
	Bounds   inventory.Bounds
	Now      func() time.Time
	Log      *slog.Logger
	// Wake has a queue looked at.
	Wake func(queue string)
}

// Scanner scans images. Its methods may be called from many goroutines.
type Scanner struct {
	o      Options
	reader *inventory.Reader
	known  *vulndb.Database
	recent *recent
	counts counts
}

// New makes a scanner.
func New(o Options) (*Scanner, error) {
	if o.Engine == nil || o.DB == nil || o.Folder == "" || o.Now == nil || o.Log == nil || o.Wake == nil {
		return nil, errors.New("a scanner needs an engine, a database, a folder, the time, a log and somebody to wake")
	}
	if err := os.RemoveAll(o.Folder); err != nil {
		return nil, fmt.Errorf("clean up what scans have left behind: %w", err)
	}
	if o.Patience <= 0 {
		o.Patience = patience
	}
	reader, err := inventory.New(o.Folder, o.Bounds)
	if err != nil {
		return nil, err
	}
	return &Scanner{o: o, reader: reader, known: vulndb.New(o.DB, o.Now), recent: newRecent()}, nil
}

// order is the document of a job: an image to be scanned; where it names no repository,
// a registry whose images are to be; where it names nothing, all images to be compared
// with a new import.
type order struct {
	Account    string        `json:"account,omitempty"`
	Region     string        `json:"region,omitempty"`
	Repository string        `json:"repository,omitempty"`
	Digest     digest.Digest `json:"digest,omitempty"`
	// Requested is when it was ordered, in milliseconds since 1970.
	Requested int64 `json:"requested,omitempty"`
}

// comparison is the key of the job that compares all images.
const comparison = "comparison"

// registration is how the keys of jobs begin that look for images to be scanned.
const registration = "registration"

// jobKey is what the scan of an image is called among jobs.
func jobKey(ref storage.Ref, d digest.Digest) string {
	return strings.Join([]string{ref.Account, ref.Region, ref.Name + "@" + string(d)}, "/")
}

// jobOf is the scan of an image as a job.
func jobOf(ref storage.Ref, d digest.Digest, at time.Time) (storage.Job, error) {
	document, err := json.Marshal(order{ref.Account, ref.Region, ref.Name, d, at.UnixMilli()})
	if err != nil {
		return storage.Job{}, fmt.Errorf("order a scan of %s: %w", d, err)
	}
	return storage.Job{Queue: Queue, Key: jobKey(ref, d), Document: string(document)}, nil
}
