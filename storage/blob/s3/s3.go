// Package s3 keeps blobs in a bucket of Amazon S3 or of a service that speaks its
// protocol. It implements blob.Driver; distribution's own test suite and
// storage/blob/blobtest certify it.
//
// What it costs is counted in requests, so nothing is asked that is known: a file
// of up to 13 MiB is one PutObject; a larger one is a multipart upload of parts of
// 8 MiB, three under way at a time, and one request each to begin and to complete
// it; reading a file is one GetObject. The server that wrote last remembers what it
// has written, so that to go on and to finish costs no look.
//
// Several servers use one bucket, and each may be held up anywhere for any time.
// Therefore what is begun gets a name that was never used, an object once stored
// is not written again, and the mark of a Writer names the very parts that count.
// A server that comes too late can then leave something behind, but it cannot
// change what others have built on.
//
// Memory: a Writer holds at most one part and 5 MiB (13 MiB in all) while it fills
// it, and the parts under way, of which all but the first are from a budget that
// all Writers share. Parts grow from 8 to 64 MiB in files of more than 8 GiB, of
// which S3 would not take enough parts otherwise.
//
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/
package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"drydock/storage/blob"
)

const name = "s3"

// Options is what a Driver is made of. Only Bucket and Random have to be given.
type Options struct {
	// Bucket, and the Prefix of all keys in it, without slashes at its ends.
	Bucket, Prefix string
	// Endpoint is the URL of the service, empty for Amazon's.
	Endpoint string
	// Region is that of the bucket. Empty stands for what the environment or the
	// SDK's own configuration says.
	Region string
	// PathStyle puts the bucket into the path of URLs instead of the host name.
	PathStyle bool
	// AccessKeyID and SecretAccessKey; when empty, the SDK looks where it always
	// does: environment, files, web identity, the roles of containers and
	// instances.
	AccessKeyID, SecretAccessKey string
	// Encryption is AES256, aws:kms or aws:kms:dsse, and KMSKey the id or ARN of
	// the key for the last two; empty leaves both to the bucket.
	Encryption, KMSKey string
	// NoChecksums leaves out the checksums that S3 verifies uploads by, for
	// services that do not know them.
	NoChecksums bool
	// RedirectFor is how long the addresses of RedirectURL are good for; zero for
	// none.
	RedirectFor time.Duration
	// Random yields the bytes of names.
	Random io.Reader
	// Patience is the longest wait before a request is tried again, and a sixth
	// of what a failing one takes before it is given up; zero for 5 seconds.
	Patience time.Duration
	// Observe, where there is one, is told of every attempt to send a request.
	Observe func(Attempt)
	// Wrap is put around the HTTP client, for tests.
	Wrap func(Doer) Doer

	// answer is answerTime, and stall is stallTime, where tests do not say
	// otherwise.
	answer, stall time.Duration
}

// Driver stores files as objects of a bucket.
type Driver struct {
	o      Options
	client *s3.Client
	// presign makes the addresses of RedirectURL.
	presign *s3.PresignClient
	// chunks lends the pieces of buffers.
	chunks *sync.Pool
	// windows lends what Send reads into.
	windows *sync.Pool
	// extra has a token for each part that may be under way beside the first of
	// its Writer.
	extra  chan struct{}
	memory memory
}

var _ blob.Driver = (*Driver)(nil)

// New returns a driver. It does not speak to the service: see Check.
func New(ctx context.Context, o Options) (*Driver, error) {
	if o.Bucket == "" || o.Random == nil {
		return nil, errors.New("S3 needs a bucket and a source of random bytes")
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.answer == 0 {
		o.answer = answerTime
	}
	if o.stall == 0 {
		o.stall = stallTime
	}
	client, err := newClient(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Driver{
		o: o, client: client, presign: s3.NewPresignClient(client),
		chunks:  &sync.Pool{New: func() any { return new(chunk) }},
		windows: &sync.Pool{New: func() any { return new(window) }},
		extra:   make(chan struct{}, extraParts),
		memory:  memory{limit: rememberedBytes},
	}, nil
}

// Name implements driver.StorageDriver.
func (d *Driver) Name() string { return name }

// Shared implements blob.Driver.
func (d *Driver) Shared() bool { return true }

// key turns a path of the contract into an object's key. It reports false for
// what is none; the root has the prefix as its key.
func (d *Driver) key(p string) (key string, ok bool) {
	if p == "/" {
		return d.o.Prefix, true
	}
	if !plain(p) {
		return "", false
	}
	if d.o.Prefix == "" {
		return p[1:], true
	}
	return d.o.Prefix + p, true
}

// path is the opposite of key.
func (d *Driver) path(key string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(key, d.o.Prefix), "/")
}

// folder is the prefix of the keys below a path.
func folder(key string) string {
	if key == "" {
		return ""
	}
	return key + "/"
}

// plain reports whether p has the form of driver.PathRegexp, with no component
// that a service over a file system could take to mean another folder.
func plain(p string) bool {
	if p == "" || p[0] != '/' || len(p) > 900 {
		return false
	}
	for part := range strings.SplitSeq(p[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
		for i := range len(part) {
			c := part[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
				return false
			}
		}
	}
	return true
}

// newName makes a name that nobody has used.
func (d *Driver) newName() (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(d.o.Random, b[:]); err != nil {
		return "", fmt.Errorf("make a name: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// encryption is how objects are to be encrypted at rest.
func (d *Driver) encryption() (types.ServerSideEncryption, *string) {
	if d.o.KMSKey == "" {
		return types.ServerSideEncryption(d.o.Encryption), nil
	}
	return types.ServerSideEncryption(d.o.Encryption), aws.String(d.o.KMSKey)
}
