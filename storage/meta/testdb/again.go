package testdb

import (
	"context"
	"errors"

	"drydock/storage/meta"
)

// again makes a database that runs each transaction twice, as a database may that
// several servers share: what the first run left outside of the database must not
// show.
func again(d Database) Database {
	return Database{open: func(ctx context.Context) (meta.DB, error) {
		db, err := d.open(ctx)
		return twice{db}, err
	}}
}

type twice struct{ meta.DB }

var errUndo = errors.New("undone, to be run again")

func (d twice) Write(ctx context.Context, durability meta.Durability, fn func(meta.Querier) error) error {
	err := d.DB.Write(ctx, durability, func(q meta.Querier) error {
		if err := fn(q); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, meta.ErrClosed) {
		return err
	}
	return d.DB.Write(ctx, durability, fn)
}
