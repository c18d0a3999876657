package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"drydock/auth/seal"
	"drydock/auth/shared"
	"drydock/internal/config"
	"drydock/internal/datadir"
	"drydock/storage/meta"
	"drydock/storage/meta/postgres"
	"drydock/storage/meta/sqlite"
)

const (
	// databaseFile keeps the records where --db names no other place.
	databaseFile = "records.db"
	// sealKeyFile keeps the key that secrets in the database are encrypted with.
	sealKeyFile = "seal.key"
)

// records is the database with the key of the secrets in it.
type records struct {
	db  meta.DB
	box *seal.Box
	// shared are the secrets that the servers on the database have in common, nil
	// where there is one server.
	shared *shared.Secrets
	// size is that of the database in bytes.
	size func(context.Context) (int64, error)
}

// openRecords opens the database that --db names.
func openRecords(ctx context.Context, cfg config.Config, folder *datadir.Folder, log *slog.Logger) (records, error) {
	box, err := openBox(cfg, folder)
	if err != nil {
		return records{}, err
	}
	own := folder.Path(databaseFile)
	if !cfg.DB.Shared() {
		db, err := sqlite.Open(ctx, own)
		if err != nil {
			return records{}, explainStorage(folder.Path(), err)
		}
		return records{db: db, box: box, size: func(context.Context) (int64, error) { return sizeOf(own + "*") }}, nil
	}
	if _, err := os.Stat(own); err == nil {
		log.Warn("the records in the data folder are not used, for --db names another database", "file", own, "db", cfg.DB.String())
	} else if !errors.Is(err, fs.ErrNotExist) {
		return records{}, datadir.Explain(folder.Path(), err)
	}
	db, err := postgres.Open(ctx, cfg.DB.URL)
	if err != nil {
		return records{}, &placeError{"db", err}
	}
	secrets, err := shared.Open(ctx, db, box)
	if err != nil {
		err = errors.Join(err, db.Close())
		if errors.Is(err, shared.ErrOtherKey) {
			return records{}, fmt.Errorf("DRYDOCK_SEAL_KEY: give the key that the database's other servers have, for %w", err)
		}
		return records{}, &placeError{"db", err}
	}
	return records{db: db, box: box, shared: secrets, size: db.Size}, nil
}

// openBox takes the key of the environment, else the one in the data folder, which
// other servers on the same database would not have.
func openBox(cfg config.Config, folder *datadir.Folder) (*seal.Box, error) {
	if cfg.SealKey == "" {
		if cfg.DB.Shared() {
			return nil, errors.New("--db needs DRYDOCK_SEAL_KEY, the key of the secrets in the database, which all servers on it have to have: " +
				"give the one that its other servers have or, where this is the first, make one with openssl rand -base64 32 and keep it safe")
		}
		box, err := seal.OpenFile(folder.Path(sealKeyFile), rand.Reader)
		if err != nil {
			return nil, explainStorage(folder.Path(), err)
		}
		return box, nil
	}
	key, err := seal.ParseKey(cfg.SealKey)
	if err != nil {
		return nil, fmt.Errorf("DRYDOCK_SEAL_KEY: %w", err)
	}
	return seal.New(key, rand.Reader)
}

// sizeOf is the size in bytes of the files that match a pattern.
func sizeOf(pattern string) (int64, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, f := range files {
		if info, err := os.Stat(f); err == nil { // it may have gone
			sum += info.Size()
		}
	}
	return sum, nil
}

// placeError says what is wrong with the place that a flag names. The data folder
// has no part in it.
type placeError struct {
	flag string
	err  error
}

func (e *placeError) Error() string { return "--" + e.flag + ": " + e.err.Error() }

func (e *placeError) Unwrap() error { return e.err }
