package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"drydock/auth/shared"
	"drydock/internal/ca"
	"drydock/internal/datadir"
	"drydock/storage/blob"
)

// What servers on one database share. The data folder of each has a copy, which
// other commands read and the next start brings up to date.
const (
	sharedRootKey   = "root key"
	sharedAuthority = "certificate authority"
	sharedPlace     = "place of the blobs"
)

// madeRootKey is the root key where none is given: that in the data folder or, where
// servers share secrets, the one of all of them, which the first may bring along in
// its folder.
func madeRootKey(ctx context.Context, folder *datadir.Folder, secrets *shared.Secrets, log *slog.Logger) (datadir.Key, error) {
	if secrets == nil {
		return folder.RootKey(rand.Reader)
	}
	text, err := secrets.Share(ctx, sharedRootKey, func() ([]byte, error) {
		k, err := folder.RootKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return json.Marshal(k)
	})
	if err != nil {
		return datadir.Key{}, err
	}
	var k datadir.Key
	if err := json.Unmarshal(text, &k); err != nil || k.AccessKeyID == "" {
		return datadir.Key{}, errors.New("the root key that the servers share is damaged: set DRYDOCK_ROOT_ACCESS_KEY_ID and DRYDOCK_ROOT_SECRET_ACCESS_KEY instead")
	}
	kept, err := datadir.ReadRootKey(folder.Path())
	if err == nil && kept == k {
		return k, nil
	}
	if err == nil {
		log.Warn("the data folder had another root key than the other servers on the database: it has theirs now", "before", kept.AccessKeyID, "now", k.AccessKeyID)
	}
	return k, folder.KeepRootKey(k)
}

// checkPlace makes sure that a server has the blobs where the other servers on its
// database have them. It could not serve what they stored, nor they what it stores.
func checkPlace(ctx context.Context, blobs *blob.Store, secrets *shared.Secrets) error {
	if secrets == nil {
		return nil
	}
	here, err := blobs.Place(ctx)
	if err != nil {
		return &placeError{"blobs", err}
	}
	known, err := secrets.Read(ctx, sharedPlace)
	if err == nil && known == nil {
		if here, err = blobs.Found(ctx, rand.Text()); err != nil {
			return &placeError{"blobs", err}
		}
		known, err = secrets.Share(ctx, sharedPlace, func() ([]byte, error) { return []byte(here), nil })
	}
	if err != nil {
		return &placeError{"db", err}
	}
	if here == string(known) {
		return nil
	}
	return &placeError{"blobs", fmt.Errorf("the layers of this database are in another place: name the bucket that its other servers have, for a folder of one server is not seen by others "+
		"(the right place has a file %s that says %s)", blob.PlaceFile, known)}
}

// attempts is how often servers that start together may be in each other's way.
const attempts = 20

// openAuthority opens the authority in its folder or, where servers share secrets, the
// one of all of them. Each may have to renew the certificate, for what it permits has
// to cover the addresses of all.
func openAuthority(ctx context.Context, o ca.Options, secrets *shared.Secrets, log *slog.Logger) (*ca.Authority, error) {
	if secrets == nil {
		return ca.Open(o)
	}
	for range attempts {
		before, err := secrets.Read(ctx, sharedAuthority)
		if err != nil {
			return nil, err
		}
		if before != nil {
			kept, err := ca.Decode(before)
			if err != nil {
				return nil, err
			}
			changed, err := ca.WriteFolder(o.Folder, kept)
			if err != nil {
				return nil, err
			}
			if changed {
				log.Warn("the data folder had another certificate authority than the other servers on the database: it has theirs now")
			}
		}
		authority, err := ca.Open(o)
		if err != nil {
			return nil, err
		}
		kept, err := ca.ReadFolder(o.Folder)
		if err != nil {
			return nil, err
		}
		after, err := kept.Encode()
		if err != nil || bytes.Equal(before, after) {
			return authority, err
		}
		if done, err := secrets.Replace(ctx, sharedAuthority, before, after); done || err != nil {
			return authority, err
		}
	}
	return nil, fmt.Errorf("other servers renewed the certificate authority each of %d times that this one tried: start it again", attempts)
}
