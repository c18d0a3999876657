package s3

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/distribution/distribution/v3/registry/storage/driver"
)

// Files implements blob.Driver. The order is that of keys, a thousand of which come
// in one request.
func (d *Driver) Files(ctx context.Context, p, after string, fn func(driver.FileInfo) error) error {
	key, err := d.file(p)
	if err != nil {
		return err
	}
	in := &s3.ListObjectsV2Input{Bucket: &d.o.Bucket, Prefix: aws.String(folder(key))}
	if after != "" {
		behind, err := d.file(after)
		if err != nil {
			return err
		}
		in.StartAfter = &behind
	}
	for {
		out, err := d.client.ListObjectsV2(ctx, in)
		if err != nil {
			return failed("list", key, err)
		}
		for _, o := range out.Contents {
			k := aws.ToString(o.Key)
			if strings.HasSuffix(k, "/") {
				continue // what some programs make for a folder
			}
			err := fn(driver.FileInfoInternal{FileInfoFields: driver.FileInfoFields{
				Path: d.path(k), Size: aws.ToInt64(o.Size), ModTime: aws.ToTime(o.LastModified),
			}})
			if err != nil {
				return err
			}
		}
		if !aws.ToBool(out.IsTruncated) || len(out.Contents) == 0 {
			return nil
		}
		// Behind a key and not with the service's token, which may not outlast what
		// is done with a thousand files.
		in.StartAfter = out.Contents[len(out.Contents)-1].Key
	}
}
