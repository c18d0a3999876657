package blob

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/distribution/v3/registry/storage/driver"
)

// PlaceFile is the file that tells one place with blobs from all others.
const PlaceFile = "docker/registry/v2/drydock-place"

// Place returns the id of the place where the blobs are, empty where it has none: a
// copy of all files is the same place, and an empty one is not. Errors: ErrUnavailable,
// those of the backend.
func (s *Store) Place(ctx context.Context) (string, error) {
	text, err := s.driver.GetContent(ctx, "/"+PlaceFile)
	var missing driver.PathNotFoundError
	if errors.As(err, &missing) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read which place with blobs this is: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Found gives the place an id where it has none, and returns the one it has. Errors:
// ErrFull, and those of Place.
func (s *Store) Found(ctx context.Context, id string) (string, error) {
	if err := s.driver.PutNew(ctx, "/"+PlaceFile, []byte(id+"\n")); err != nil {
		return "", fmt.Errorf("mark the place with blobs: %w", err)
	}
	return s.Place(ctx)
}
