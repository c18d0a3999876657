package s3

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/distribution/distribution/v3/registry/storage/driver"
)

// List implements driver.StorageDriver.
func (d *Driver) List(ctx context.Context, p string) ([]string, error) {
	key, ok := d.key(p)
	if !ok {
		return nil, badPath(p)
	}
	prefix := folder(key)
	var paths []string
	pages := s3.NewListObjectsV2Paginator(d.client, &s3.ListObjectsV2Input{Bucket: &d.o.Bucket, Prefix: &prefix, Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed("list", key, err)
		}
		for _, o := range out.Contents {
			if k := aws.ToString(o.Key); k != prefix {
				paths = append(paths, d.path(k))
			}
		}
		for _, c := range out.CommonPrefixes {
			paths = append(paths, d.path(strings.TrimSuffix(aws.ToString(c.Prefix), "/")))
		}
	}
	if len(paths) == 0 && p != "/" {
		return nil, gone(p)
	}
	return paths, nil
}

// Walk implements driver.StorageDriver.
func (d *Driver) Walk(ctx context.Context, p string, fn driver.WalkFn, options ...func(*driver.WalkOptions)) error {
	return driver.WalkFallback(ctx, d, p, fn, options...)
}

// objects calls fn for the key of every object that has the prefix.
func (d *Driver) objects(ctx context.Context, prefix string, fn func(key string) error) error {
	in := &s3.ListObjectsV2Input{Bucket: &d.o.Bucket, Prefix: &prefix}
	for {
		out, err := d.client.ListObjectsV2(ctx, in)
		if err != nil {
			return failed("list", prefix, err)
		}
		for _, o := range out.Contents {
			if err := fn(aws.ToString(o.Key)); err != nil {
				return err
			}
		}
		if !aws.ToBool(out.IsTruncated) || len(out.Contents) == 0 {
			return nil
		}
		// Behind a key and not with the service's token, which need not know
		// what fn has deleted.
		in.StartAfter = out.Contents[len(out.Contents)-1].Key
	}
}

// multipart is a multipart upload under way.
type multipart struct {
	key, id string
	begun   time.Time
}

// multiparts lists the multipart uploads under way of keys that have the prefix. A
// service that cannot tell has none.
func (d *Driver) multiparts(ctx context.Context, prefix string) ([]multipart, error) {
	var all []multipart
	in := &s3.ListMultipartUploadsInput{Bucket: &d.o.Bucket, Prefix: &prefix}
	for {
		out, err := d.client.ListMultipartUploads(ctx, in)
		if err != nil {
			if isUnable(err) {
				return nil, nil
			}
			return nil, failed("list what is being written to", prefix, err)
		}
		for _, u := range out.Uploads {
			all = append(all, multipart{aws.ToString(u.Key), aws.ToString(u.UploadId), aws.ToTime(u.Initiated)})
		}
		if !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextKeyMarker) == "" {
			return all, nil
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}

// below reports whether a key is in the folder of another.
func below(key, of string) bool { return strings.HasPrefix(key, folder(of)) }

// Sweep implements blob.Driver: it throws away multipart uploads. Objects stay: they
// may be blobs.
func (d *Driver) Sweep(ctx context.Context, p string, keep func(name string, begun time.Time) (bool, error)) error {
	at, err := d.file(p)
	if err != nil {
		return err
	}
	uploads, err := d.multiparts(ctx, folder(at))
	if err != nil {
		return err
	}
	for _, u := range uploads {
		if !below(u.key, at) {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(u.key, folder(at)), "/")
		kept, err := keep(first, u.begun)
		if err != nil {
			return err
		}
		if kept {
			continue
		}
		if err := d.abort(ctx, u.key, u.id); err != nil {
			return err
		}
	}
	return nil
}
