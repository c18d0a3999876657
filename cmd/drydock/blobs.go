package main

import (
	"context"
	"crypto/rand"
	"time"

	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/blob/s3"
)

// addressesGoodFor is how long the addresses of --redirect may be used: what a slow
// client needs to begin, not to end.
const addressesGoodFor = 20 * time.Minute

// openBlobs opens what keeps the bytes. A bucket is asked for here whether it can
// be used, so that a server does not start that could not serve.
func openBlobs(ctx context.Context, s site) (blob.Driver, error) {
	where := s.cfg.Blobs
	if where.Bucket == "" {
		files, err := disk.New(s.folder.Path())
		if err != nil {
			return nil, err
		}
		return files, nil
	}
	o := s3.Options{
		Bucket: where.Bucket, Prefix: where.Prefix, Endpoint: where.Endpoint, Region: where.Region, PathStyle: where.PathStyle,
		AccessKeyID: s.cfg.S3Key.AccessKeyID, SecretAccessKey: s.cfg.S3Key.SecretAccessKey,
		Encryption: where.Encryption, KMSKey: where.KMSKey, NoChecksums: where.NoChecksums, Random: rand.Reader,
		Observe: func(a s3.Attempt) { s.counts.S3Attempt(a.Operation, string(a.Result), a.Number, a.Took) },
	}
	if s.cfg.Redirect {
		o.RedirectFor = addressesGoodFor
	}
	bucket, err := s3.New(ctx, o)
	if err != nil {
		return nil, &placeError{"blobs", err}
	}
	if err := bucket.Check(ctx); err != nil {
		return nil, &placeError{"blobs", err}
	}
	return bucket, nil
}
