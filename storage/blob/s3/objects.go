package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/distribution/distribution/v3/registry/storage/driver"
)

// put stores an object in one request; only when there is none, where onlyNew is
// set and the service can tell.
func (d *Driver) put(ctx context.Context, key string, b *buffer, onlyNew bool) error {
	in := &s3.PutObjectInput{Bucket: &d.o.Bucket, Key: &key, Body: b.reader(), ContentLength: &b.size}
	in.ServerSideEncryption, in.SSEKMSKeyId = d.encryption()
	if onlyNew {
		in.IfNoneMatch = aws.String("*")
	}
	var options []func(*s3.Options)
	if !d.o.NoChecksums {
		in.ChecksumCRC32, options = aws.String(b.checksum()), append(options, unsigned)
	}
	if _, err := d.client.PutObject(ctx, in, options...); err != nil {
		return failed("write", key, err)
	}
	return nil
}

// remove deletes an object; it need not be there.
func (d *Driver) remove(ctx context.Context, key string) error {
	_, err := d.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &d.o.Bucket, Key: &key})
	if err != nil && !isMissing(err) {
		return failed("delete", key, err)
	}
	return nil
}

// file is key for the calls that mean a file.
func (d *Driver) file(p string) (string, error) {
	key, ok := d.key(p)
	if !ok || p == "/" {
		return "", badPath(p)
	}
	return key, nil
}

// PutContent implements driver.StorageDriver.
func (d *Driver) PutContent(ctx context.Context, p string, content []byte) error {
	return d.putContent(ctx, p, content, false)
}

// PutNew implements blob.Driver. A service without conditional writes is asked
// first, which two servers at the same moment may both be told to go ahead by.
func (d *Driver) PutNew(ctx context.Context, p string, content []byte) error {
	err := d.putContent(ctx, p, content, true)
	switch {
	case err == nil, status(err) == http.StatusPreconditionFailed:
		return nil
	case !isUnable(err):
		return err
	}
	if _, err := d.Stat(ctx, p); err == nil {
		return nil
	}
	return d.putContent(ctx, p, content, false)
}

func (d *Driver) putContent(ctx context.Context, p string, content []byte, onlyNew bool) error {
	key, err := d.file(p)
	if err != nil {
		return err
	}
	b := &buffer{pool: d.chunks}
	b.write(content)
	defer b.release()
	return d.put(ctx, key, b, onlyNew)
}

// GetContent implements driver.StorageDriver.
func (d *Driver) GetContent(ctx context.Context, p string) ([]byte, error) {
	r, err := d.Reader(ctx, p, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// Reader implements driver.StorageDriver.
func (d *Driver) Reader(ctx context.Context, p string, offset int64) (io.ReadCloser, error) {
	key, err := d.file(p)
	if err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, driver.InvalidOffsetError{Path: p, Offset: offset, DriverName: name}
	}
	size, err := d.length(ctx, key)
	switch {
	case err != nil && isMissing(err):
		return nil, gone(p)
	case err != nil:
		return nil, failed("look for", key, err)
	}
	return &reader{d: d, ctx: ctx, path: p, key: key, size: size, at: min(offset, size)}, nil
}

// Stat implements driver.StorageDriver.
func (d *Driver) Stat(ctx context.Context, p string) (driver.FileInfo, error) {
	key, ok := d.key(p)
	if !ok {
		return nil, badPath(p)
	}
	info := driver.FileInfoFields{Path: p}
	if p != "/" {
		out, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &d.o.Bucket, Key: &key})
		if err == nil {
			info.Size, info.ModTime = aws.ToInt64(out.ContentLength), aws.ToTime(out.LastModified)
			return driver.FileInfoInternal{FileInfoFields: info}, nil
		}
		if !isMissing(err) {
			return nil, failed("look for", key, err)
		}
	}
	out, err := d.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &d.o.Bucket, Prefix: aws.String(folder(key)), MaxKeys: aws.Int32(1)})
	if err != nil {
		return nil, failed("list", key, err)
	}
	if len(out.Contents) == 0 && p != "/" {
		return nil, gone(p)
	}
	info.IsDir, info.ModTime = true, time.Time{}
	return driver.FileInfoInternal{FileInfoFields: info}, nil
}

// Move implements driver.StorageDriver. It copies.
func (d *Driver) Move(ctx context.Context, from, to string) error {
	src, err := d.file(from)
	if err != nil {
		return err
	}
	dst, err := d.file(to)
	if err != nil {
		return err
	}
	size, err := d.length(ctx, src)
	switch {
	case err != nil && isMissing(err):
		return gone(from)
	case err != nil:
		return failed("look for", src, err)
	}
	if size <= maxCopy {
		in := &s3.CopyObjectInput{Bucket: &d.o.Bucket, Key: &dst, CopySource: aws.String(copySource(d.o.Bucket, src))}
		in.ServerSideEncryption, in.SSEKMSKeyId = d.encryption()
		_, err = d.client.CopyObject(ctx, in)
	} else {
		err = d.copyLarge(ctx, src, dst, size)
	}
	switch {
	case err != nil && isMissing(err):
		return gone(from)
	case err != nil:
		return failed("copy "+src+" to", dst, err)
	}
	return d.remove(ctx, src)
}

// copyLarge copies what is too large for one request.
func (d *Driver) copyLarge(ctx context.Context, src, dst string, size int64) error {
	id, err := d.begin(ctx, dst, false)
	if err != nil {
		return err
	}
	parts, err := d.copyParts(ctx, dst, id, src, size)
	if err == nil {
		err = d.complete(ctx, dst, id, parts)
	}
	if err != nil {
		return errors.Join(err, d.abort(context.WithoutCancel(ctx), dst, id))
	}
	return nil
}

// Delete implements driver.StorageDriver: a file, or all that is below the path,
// with what is being written there.
func (d *Driver) Delete(ctx context.Context, p string) error {
	key, err := d.file(p)
	if err != nil {
		return err
	}
	if _, err := d.length(ctx, key); err == nil {
		return d.remove(ctx, key)
	} else if !isMissing(err) {
		return failed("look for", key, err)
	}
	found := false
	uploads, err := d.multiparts(ctx, key)
	if err != nil {
		return err
	}
	for _, u := range uploads {
		if u.key != key && !below(u.key, key) {
			continue
		}
		found = true
		if err := d.abort(ctx, u.key, u.id); err != nil {
			return err
		}
	}
	err = d.objects(ctx, folder(key), func(key string) error {
		found = true
		return d.remove(ctx, key)
	})
	if err != nil {
		return err
	}
	if !found {
		return gone(p)
	}
	return nil
}

// RedirectURL implements driver.StorageDriver: an address that is signed, and good
// for RedirectFor.
func (d *Driver) RedirectURL(r *http.Request, p string) (string, error) {
	key, err := d.file(p)
	if err != nil || d.o.RedirectFor == 0 {
		return "", err
	}
	expires := s3.WithPresignExpires(d.o.RedirectFor)
	switch r.Method {
	case http.MethodGet:
		signed, err := d.presign.PresignGetObject(r.Context(), &s3.GetObjectInput{Bucket: &d.o.Bucket, Key: &key}, expires)
		if err != nil {
			return "", failed("sign an address of", key, err)
		}
		return signed.URL, nil
	case http.MethodHead:
		signed, err := d.presign.PresignHeadObject(r.Context(), &s3.HeadObjectInput{Bucket: &d.o.Bucket, Key: &key}, expires)
		if err != nil {
			return "", failed("sign an address of", key, err)
		}
		return signed.URL, nil
	}
	return "", nil
}
