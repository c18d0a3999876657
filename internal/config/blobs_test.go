package config

import (
	"strings"
	"testing"

	"drydock/internal/datadir"
)

func TestWhereBlobsAreKept(t *testing.T) {
	whole := Blobs{
		Bucket: "layers", Prefix: "of/mine", Endpoint: "http://127.0.0.1:9000", Region: "eu-west-1",
		PathStyle: true, Encryption: "aws:kms", KMSKey: "arn:aws:kms:eu-west-1:111122223333:key/1", NoChecksums: true,
	}
	for name, c := range map[string]struct {
		args []string
		file string
		want Blobs
	}{
		"nothing said":  {},
		"disk":          {args: []string{"--blobs", "disk"}},
		"disk again":    {file: "blobs: {bucket: layers}\n", args: []string{"--blobs", "disk"}},
		"a bucket":      {args: []string{"--blobs", "s3://layers"}, want: Blobs{Bucket: "layers"}},
		"a slash more":  {args: []string{"--blobs", "s3://layers/of/"}, want: Blobs{Bucket: "layers", Prefix: "of"}},
		"all of it":     {args: []string{"--blobs", "s3://layers/of/mine?endpoint=http://127.0.0.1:9000/&region=eu-west-1&path-style=true&sse=aws:kms&kms-key=arn:aws:kms:eu-west-1:111122223333:key/1&checksums=false"}, want: whole},
		"in the file":   {file: "blobs: s3://layers\n", want: Blobs{Bucket: "layers"}},
		"as a mapping":  {file: "blobs:\n  bucket: layers\n  prefix: of/mine\n  endpoint: http://127.0.0.1:9000\n  region: eu-west-1\n  path-style: true\n  sse: aws:kms\n  kms-key: arn:aws:kms:eu-west-1:111122223333:key/1\n  checksums: false\n", want: whole},
		"flag over map": {file: "blobs: {bucket: layers, region: eu-west-1}\n", args: []string{"--blobs", "s3://other"}, want: Blobs{Bucket: "other"}},
	} {
		got, err := load(t, c.args, nil, c.file)
		if err != nil || got.Blobs != c.want {
			t.Errorf("%s: got %+v, %v", name, got.Blobs, err)
		}
	}
	got, err := load(t, nil, []string{"DRYDOCK_BLOBS=s3://layers", "DRYDOCK_S3_ACCESS_KEY_ID=GOOG-1", "DRYDOCK_S3_SECRET_ACCESS_KEY=a secret"}, "")
	if want := (datadir.Key{AccessKeyID: "GOOG-1", SecretAccessKey: "a secret"}); err != nil || got.S3Key != want {
		t.Errorf("got %+v, %v", got.S3Key, err)
	}
}

func TestWhatIsWrongWithABucketIsSaid(t *testing.T) {
	for blobs, want := range map[string]string{
		"bucket":                         "neither disk nor the URL of a bucket",
		"http://bucket":                  "neither disk nor",
		"https://key:secret@bucket":      "neither disk nor",
		"s3://":                          "not the name of a bucket",
		"s3:///prefix":                   "not the name of a bucket",
		"s3://no":                        "not the name of a bucket",
		"s3://key:secret@bucket":         "keys do not belong into the URL",
		"s3://bucket/a/../b":             "not a prefix of keys",
		"s3://bucket/a b":                "not a prefix of keys",
		"s3://bucket//b":                 "",
		"s3://bucket/a//b":               "not a prefix of keys",
		"s3://bucket?endpont=x":          "endpont is nothing that can be told of a bucket; did you mean endpoint?",
		"s3://bucket?endpoint=localhost": "endpoint: \"localhost\" is not the URL of a service",
		"s3://bucket?endpoint=ftp://x":   "is not the URL of a service",
		"s3://bucket?endpoint=http://x/bucket&region=a": "is not the URL of a service",
		"s3://bucket?region=a&region=b":                 "region is set twice",
		"s3://bucket?path-style=perhaps":                "path-style: \"perhaps\" is neither true nor false",
		"s3://bucket?sse=rot13":                         "sse: \"rot13\" is not one of AES256",
		"s3://bucket?kms-key=k":                         "kms-key needs sse=aws:kms",
		"s3://bucket?access-key=k":                      "access-key is nothing",
		"s3://bucket?a=%zz":                             "not of the form",
	} {
		_, err := load(t, []string{"--blobs", blobs}, nil, "")
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", blobs, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--blobs: ") {
			t.Errorf("%s: got %v, want %q", blobs, err, want)
		} else if strings.Contains(err.Error(), "secret") && strings.Contains(blobs, "secret") {
			t.Errorf("%s: the error shows the secret: %v", blobs, err)
		}
	}
	for file, want := range map[string]string{
		"blobs: {prefix: x}\n":                          `line 1: blobs: "" is not the name of a bucket`,
		"blobs: {bucket: layers, bucket: layers}\n":     "want one value",
		"blobs: {bucket: layers, region: [a]}\n":        "line 1: blobs: line 1: region: want one value",
		"blobs: {bucket: layers, secret: x}\n":          "secret is nothing that can be told of a bucket",
		"blobs: [s3://layers]\n":                        "want one value",
		"region: {bucket: layers}\n":                    "line 1: region: want one value",
		"blobs: {bucket: layers, path-style: sideways}": "neither true nor false",
		"redirect: true\n":                              "--redirect needs blobs that are in a bucket",
	} {
		if _, err := load(t, nil, nil, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", file, err, want)
		}
	}
	_, err := load(t, nil, []string{"DRYDOCK_S3_ACCESS_KEY_ID=x"}, "")
	if err == nil || !strings.Contains(err.Error(), "belong together") {
		t.Errorf("got %v", err)
	}
}
