package keyring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"drydock/auth/token"
	"drydock/internal/atomicfile"
	"drydock/storage/meta"
)

// takeOver makes records of the keys in a file, which is removed once they are
// durable. They lay open, so they sign no more; what they have signed stays good.
func (r *Ring) takeOver(ctx context.Context, file string) error {
	keys, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the keys that sign passwords in %s: %w", file, err)
	}
	records := make([]record, 0, len(keys))
	for _, k := range keys {
		rec, err := r.seal(k)
		if err != nil {
			return err
		}
		records = append(records, rec)
	}
	now := r.now()
	err = r.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		for _, rec := range records {
			if err := retire(ctx, q, rec, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take over the keys that sign passwords in %s: %w", file, err)
	}
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("remove the keys that are in the database now: %w", err)
	}
	r.log.InfoContext(ctx, "took over the keys that sign passwords, and removed their file", "file", file, "keys", len(keys))
	return atomicfile.SyncFolder(filepath.Dir(file))
}

func readFile(file string) ([]token.Key, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []struct {
		ID     string `json:"id"`
		Secret []byte `json:"secret"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("it holds none")
	}
	var keys []token.Key
	for _, k := range list {
		if k.ID == "" || len(k.Secret) < token.SecretSize {
			return nil, fmt.Errorf("each needs an id and at least %d bytes", token.SecretSize)
		}
		keys = append(keys, token.Key{ID: k.ID, Secret: k.Secret})
	}
	return keys, nil
}
