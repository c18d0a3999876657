package main

import (
	"path/filepath"
	"time"

	scalibr "github.com/google/osv-scalibr/log"

	"drydock/ecrapi/scan"
	"drydock/storage"
)

// openScanner opens what looks for vulnerabilities in images.
func (r *rooms) openScanner(s site, engine *storage.Registry) (*scan.Scanner, error) {
	// Its readers tell of what is odd in images, which anybody may push.
	scalibr.SetLogger(quiet{})
	scanner, err := scan.New(scan.Options{
		Engine: engine, DB: s.db, Folder: filepath.Join(s.folder.Path(), "scan"), Now: time.Now, Log: s.log, Wake: r.queues.Wake,
	})
	if err != nil {
		return nil, err
	}
	r.workOff(scan.Queue, scanner.Worker())
	return scanner, s.counts.Scans(scanner)
}

// quiet is a log that nobody reads.
type quiet struct{}

func (quiet) Errorf(string, ...any) {}
func (quiet) Error(...any)          {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Warn(...any)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Info(...any)           {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Debug(...any)          {}
