package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3's limits.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	// minPart is the least size of a part that others follow.
	minPart  = 5 << 20
	maxParts = 10000
	// maxCopy is the most that one request copies.
	maxCopy = 5 << 30
)

// partSize is the size of the part that follows n others: 8 MiB, twice that behind
// each thousand, and 64 MiB at most. That makes for files of up to 490 GiB, all of
// whose parts are written and none copied.
func partSize(n int) int64 { return 8 << 20 << min(n/1000, 3) }

// begin starts a multipart upload and returns its id. Whether its parts carry
// checksums is settled here.
func (d *Driver) begin(ctx context.Context, key string, summed bool) (string, error) {
	in := &s3.CreateMultipartUploadInput{Bucket: &d.o.Bucket, Key: &key}
	in.ServerSideEncryption, in.SSEKMSKeyId = d.encryption()
	if summed {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
	}
	out, err := d.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", failed("begin", key, err)
	}
	if aws.ToString(out.UploadId) == "" {
		return "", fmt.Errorf("begin %s in S3: the service gave no upload id", key)
	}
	return *out.UploadId, nil
}

// sendPart stores a part.
func (d *Driver) sendPart(ctx context.Context, key, id string, number int32, b *buffer, summed bool) (part, error) {
	in := &s3.UploadPartInput{Bucket: &d.o.Bucket, Key: &key, UploadId: &id, PartNumber: &number, Body: b.reader(), ContentLength: &b.size}
	var options []func(*s3.Options)
	p := part{number: number, size: b.size}
	if summed {
		p.checksum = b.checksum()
		in.ChecksumCRC32, options = &p.checksum, append(options, unsigned)
	}
	out, err := d.client.UploadPart(ctx, in, options...)
	if err != nil {
		return part{}, failed("write part "+strconv.Itoa(int(number))+" of", key, d.answered(ctx, key, id, err))
	}
	p.etag = bare(out.ETag)
	return p, nil
}

// answered finds out why a part could not be sent. A service may answer that there
// is no such upload, and close the connection on what is still being sent: then the
// answer is lost with the connection.
func (d *Driver) answered(ctx context.Context, key, id string, err error) error {
	if status(err) != 0 || ctx.Err() != nil {
		return err
	}
	_, gone := d.client.ListParts(ctx, &s3.ListPartsInput{Bucket: &d.o.Bucket, Key: &key, UploadId: &id, MaxParts: aws.Int32(1)})
	if gone != nil && isMissing(gone) {
		return gone
	}
	return err
}

// copyPart makes a part of bytes that an object has.
func (d *Driver) copyPart(ctx context.Context, key, id string, number int32, from string, first, n int64) (part, error) {
	out, err := d.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket: &d.o.Bucket, Key: &key, UploadId: &id, PartNumber: &number,
		CopySource:      aws.String(copySource(d.o.Bucket, from)),
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", first, first+n-1)),
	})
	if err != nil {
		return part{}, failed("copy "+from+" to part "+strconv.Itoa(int(number))+" of", key, err)
	}
	p := part{number: number, size: n}
	if out.CopyPartResult != nil {
		p.etag = bare(out.CopyPartResult.ETag)
	}
	return p, nil
}

// copyParts makes parts of the first size bytes of an object, size being minPart
// or more. It is for multipart uploads without checksums: of parts that are copied
// versitygw, for one, notes the checksum of all that they are copied from.
func (d *Driver) copyParts(ctx context.Context, key, id, from string, size int64) ([]part, error) {
	pieces := (size + maxCopy - 1) / maxCopy
	each := (size + pieces - 1) / pieces
	var parts []part
	for at := int64(0); at < size; at += each {
		p, err := d.copyPart(ctx, key, id, int32(len(parts)+1), from, at, min(each, size-at))
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// bare takes the quotes off an ETag; not every service puts them everywhere.
func bare(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

func copySource(bucket, key string) string {
	parts := strings.Split(key, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return bucket + "/" + strings.Join(parts, "/")
}

// complete makes an object of parts. A multipart upload that is gone may have been
// completed by a request whose answer was lost: then the object is there.
func (d *Driver) complete(ctx context.Context, key, id string, parts []part) error {
	var size int64
	list := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		size += p.size
		list[i] = types.CompletedPart{PartNumber: aws.Int32(p.number), ETag: aws.String(`"` + p.etag + `"`)}
		if p.checksum != "" {
			list[i].ChecksumCRC32 = aws.String(p.checksum)
		}
	}
	_, err := d.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &d.o.Bucket, Key: &key, UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: list},
	})
	if err != nil && isMissing(err) {
		out, headErr := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &d.o.Bucket, Key: &key})
		if headErr == nil && aws.ToInt64(out.ContentLength) == size && mayBe(bare(out.ETag), parts) {
			return nil
		}
	}
	if err != nil {
		return failed("complete", key, err)
	}
	return nil
}

// mayBe reports whether an object's ETag is that of these parts, as far as ETags
// tell: mostly they are MD5 of the content, and of a multipart object MD5 of the
// parts' with their number behind.
func mayBe(etag string, parts []part) bool {
	sum, count, isMultipart := strings.Cut(etag, "-")
	if !isMultipart {
		return true
	}
	if count != strconv.Itoa(len(parts)) {
		return false
	}
	h := md5.New()
	for _, p := range parts {
		b, err := hex.DecodeString(p.etag)
		if err != nil || len(b) != md5.Size {
			return true
		}
		h.Write(b)
	}
	return len(sum) != 2*md5.Size || sum == hex.EncodeToString(h.Sum(nil))
}

// abort throws a multipart upload away; it need not be there.
func (d *Driver) abort(ctx context.Context, key, id string) error {
	_, err := d.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &d.o.Bucket, Key: &key, UploadId: &id})
	if err != nil && !isMissing(err) {
		return failed("throw away", key, err)
	}
	return nil
}

// listParts lists what a multipart upload has, by number.
func (d *Driver) listParts(ctx context.Context, key, id string) ([]part, error) {
	var all []part
	in := &s3.ListPartsInput{Bucket: &d.o.Bucket, Key: &key, UploadId: &id}
	for {
		out, err := d.client.ListParts(ctx, in)
		if err != nil {
			return nil, failed("list the parts of", key, err)
		}
		for _, p := range out.Parts {
			all = append(all, part{aws.ToInt32(p.PartNumber), aws.ToInt64(p.Size), bare(p.ETag), aws.ToString(p.ChecksumCRC32)})
		}
		if !aws.ToBool(out.IsTruncated) || out.NextPartNumberMarker == nil {
			return all, nil
		}
		in.PartNumberMarker = out.NextPartNumberMarker
	}
}
