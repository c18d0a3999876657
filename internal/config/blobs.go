package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/internal/nearest"
)

const (
	s3KeyID     = prefix + "S3_ACCESS_KEY_ID"
	s3KeySecret = prefix + "S3_SECRET_ACCESS_KEY"
)

// Blobs is where blobs are kept: in the data folder when Bucket is empty, else in
// that bucket of an S3 service.
type Blobs struct {
	// Prefix stands before all keys in the bucket.
	Bucket, Prefix string
	// Endpoint is the URL of the service, empty for Amazon's; Region that of the
	// bucket, empty for what the environment says.
	Endpoint, Region string
	// PathStyle puts the bucket into the path of URLs instead of the host name.
	PathStyle bool
	// Encryption is how the service is to encrypt, KMSKey with which key; empty
	// leaves it to the bucket.
	Encryption, KMSKey string
	// NoChecksums is for services that do not know S3's checksums.
	NoChecksums bool
}

// parameter is something that is told of a bucket, by the URL or by the file.
type parameter struct {
	name string
	set  func(b *Blobs, v string) error
}

func parameters() []parameter {
	return []parameter{
		{"endpoint", func(b *Blobs, v string) error {
			u, err := url.Parse(v)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
				return fmt.Errorf("%q is not the URL of a service, such as http://127.0.0.1:9000", v)
			}
			b.Endpoint = strings.TrimSuffix(v, "/")
			return nil
		}},
		{"region", func(b *Blobs, v string) error { b.Region = v; return nil }},
		{"path-style", func(b *Blobs, v string) (err error) { b.PathStyle, err = truth(v); return err }},
		{"sse", func(b *Blobs, v string) error { b.Encryption = v; return among(v, "AES256", "aws:kms", "aws:kms:dsse") }},
		{"kms-key", func(b *Blobs, v string) error { b.KMSKey = v; return nil }},
		{"checksums", func(b *Blobs, v string) error {
			on, err := truth(v)
			b.NoChecksums = !on
			return err
		}},
	}
}

// set sets a parameter.
func (b *Blobs) set(name, value string) error {
	var known []string
	for _, p := range parameters() {
		if p.name == name {
			if err := p.set(b, value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}
		known = append(known, p.name)
	}
	return fmt.Errorf("%s is nothing that can be told of a bucket%s", name, nearest.Suggestion(name, known, ""))
}

// check finds what no single parameter shows.
func (b *Blobs) check() error {
	if len(b.Bucket) < 3 || len(b.Bucket) > 63 || strings.Trim(b.Bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != "" {
		return fmt.Errorf("%q is not the name of a bucket", b.Bucket)
	}
	for part := range strings.SplitSeq(b.Prefix, "/") {
		if b.Prefix != "" && (part == "" || part == "." || part == ".." ||
			strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != "") {
			return fmt.Errorf("%q is not a prefix of keys: it has letters, digits, dots, dashes and underscores between its slashes", b.Prefix)
		}
	}
	if b.KMSKey != "" && !strings.HasPrefix(b.Encryption, "aws:kms") {
		return errors.New("kms-key needs sse=aws:kms or sse=aws:kms:dsse beside it")
	}
	return nil
}

// setBlobs takes "disk" or the URL of a bucket.
func setBlobs(c *Config, v string) error {
	if v == "disk" {
		c.Blobs = Blobs{}
		return nil
	}
	rest, isS3 := strings.CutPrefix(v, "s3://")
	if !isS3 {
		return fmt.Errorf("%q is neither disk nor the URL of a bucket, such as s3://bucket/prefix", withoutUser(v))
	}
	place, query, _ := strings.Cut(rest, "?")
	if strings.Contains(place, "@") {
		return fmt.Errorf("keys do not belong into the URL, where logs and lists of processes show them: set %s and %s", s3KeyID, s3KeySecret)
	}
	var b Blobs
	b.Bucket, b.Prefix, _ = strings.Cut(place, "/")
	b.Prefix = strings.Trim(b.Prefix, "/")
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("what follows the question mark is not of the form name=value&name=value")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if len(values[name]) > 1 {
			return fmt.Errorf("%s is set twice", name)
		}
		if err := b.set(name, values[name][0]); err != nil {
			return err
		}
	}
	if err := b.check(); err != nil {
		return err
	}
	c.Blobs = b
	return nil
}

// withoutUser leaves out what may be a key.
func withoutUser(v string) string {
	if i := strings.LastIndex(v, "@"); i >= 0 {
		return "…" + v[i:]
	}
	return v
}

// blobsNode takes a mapping of the file: bucket, prefix, and what the URL has as
// parameters.
func blobsNode(c *Config, n *yaml.Node) error {
	var b Blobs
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if value.Kind != yaml.ScalarNode || value.Tag == "!!null" || seen[key.Value] {
			return fmt.Errorf("line %d: %s: want one value", key.Line, key.Value)
		}
		seen[key.Value] = true
		switch key.Value {
		case "bucket":
			b.Bucket = value.Value
		case "prefix":
			b.Prefix = strings.Trim(value.Value, "/")
		default:
			if err := b.set(key.Value, value.Value); err != nil {
				return fmt.Errorf("line %d: %w", key.Line, err)
			}
		}
	}
	if err := b.check(); err != nil {
		return err
	}
	c.Blobs = b
	return nil
}

// showBlobs is the opposite of setBlobs, as far as --help needs it.
func showBlobs(c Config) string {
	if c.Blobs.Bucket == "" {
		return "disk"
	}
	return "s3://" + strings.TrimSuffix(c.Blobs.Bucket+"/"+c.Blobs.Prefix, "/")
}
