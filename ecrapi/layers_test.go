package ecrapi

import (
	"encoding/base64"
	"errors"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"
)

func TestLayersAreAvailableOnceTheyAreUploaded(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	createRepository(ctx, t, s, "elsewhere")
	layer := pushLayer(ctx, t, s, "demo", "hello, world")
	ask := []string{layer.Digest.String(), d1.String(), "", "junk", "sha256:abc", "md5:" + strings.Repeat("a", 32)}
	out := must(s.BatchCheckLayerAvailability(ctx, &ecr.BatchCheckLayerAvailabilityInput{RepositoryName: aws.String("demo"), LayerDigests: ask}))(t)
	want := []types.Layer{
		{LayerDigest: aws.String(layer.Digest.String()), LayerAvailability: "AVAILABLE", LayerSize: aws.Int64(12)},
		{LayerDigest: aws.String(d1.String()), LayerAvailability: "UNAVAILABLE"},
	}
	if !reflect.DeepEqual(out.Layers, want) {
		t.Errorf("got %+v", out.Layers)
	}
	var codes []types.LayerFailureCode
	for _, f := range out.Failures {
		codes = append(codes, f.FailureCode)
	}
	if !reflect.DeepEqual(codes, []types.LayerFailureCode{"MissingLayerDigest", "InvalidLayerDigest", "InvalidLayerDigest", "InvalidLayerDigest"}) {
		t.Errorf("the failures are %v", codes)
	}
	out = must(s.BatchCheckLayerAvailability(ctx, &ecr.BatchCheckLayerAvailabilityInput{RepositoryName: aws.String("elsewhere"), LayerDigests: ask[:1]}))(t)
	if out.Layers[0].LayerAvailability != "UNAVAILABLE" {
		t.Error("a layer is available through a repository that does not hold it")
	}
	_, err := s.BatchCheckLayerAvailability(ctx, &ecr.BatchCheckLayerAvailabilityInput{RepositoryName: aws.String("nothere"), LayerDigests: []string{""}})
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestPartsOfALayerFollowEachOther(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	up := must(s.InitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RepositoryName: aws.String("demo")}))(t)
	if !regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString(deref(up.UploadId)) || deref(up.PartSize) != 20<<20 {
		t.Errorf("got upload id %s and part size %d", deref(up.UploadId), deref(up.PartSize))
	}
	part := func(first, last int64, blob string) (*ecr.UploadLayerPartOutput, error) {
		return s.UploadLayerPart(ctx, &ecr.UploadLayerPartInput{
			RepositoryName: aws.String("demo"), UploadId: up.UploadId, PartFirstByte: &first, PartLastByte: &last, LayerPartBlob: []byte(blob),
		})
	}
	if out := must(part(0, 4, "hello"))(t); deref(out.LastByteReceived) != 4 || deref(out.UploadId) != *up.UploadId || deref(out.RepositoryName) != "demo" || deref(out.RegistryId) != account {
		t.Errorf("got %+v", out)
	}
	for what, try := range map[string]func() (*ecr.UploadLayerPartOutput, error){
		"a gap":                  func() (*ecr.UploadLayerPartOutput, error) { return part(6, 10, "world") },
		"the same part again":    func() (*ecr.UploadLayerPartOutput, error) { return part(0, 4, "hello") },
		"too short a part":       func() (*ecr.UploadLayerPartOutput, error) { return part(5, 10, "wor") },
		"too long a part":        func() (*ecr.UploadLayerPartOutput, error) { return part(5, 6, "world") },
		"an empty part":          func() (*ecr.UploadLayerPartOutput, error) { return part(5, 4, "") },
		"a part from the future": func() (*ecr.UploadLayerPartOutput, error) { return part(1<<62, 1<<62, "x") },
	} {
		_, err := try()
		var e *types.InvalidLayerPartException
		if !errors.As(err, &e) || deref(e.LastValidByteReceived) != 4 || deref(e.UploadId) != *up.UploadId || deref(e.RepositoryName) != "demo" || deref(e.RegistryId) != account {
			t.Errorf("%s gave %+v", what, err)
		}
	}
	must(part(5, 11, ", world"))(t)
	d := digest.FromString("hello, world")
	out := must(s.CompleteLayerUpload(ctx, &ecr.CompleteLayerUploadInput{RepositoryName: aws.String("demo"), UploadId: up.UploadId, LayerDigests: []string{d.String()}}))(t)
	if deref(out.LayerDigest) != d.String() || deref(out.UploadId) != *up.UploadId || deref(out.RepositoryName) != "demo" || deref(out.RegistryId) != account {
		t.Errorf("got %+v", out)
	}
	_, err := part(12, 12, "!")
	wantCode(t, err, "UploadNotFoundException")
}

func TestCompletingAnUploadRefuses(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "demo")
	createRepository(ctx, t, s, "elsewhere")
	begin := func(content string) *string {
		up := must(s.InitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RepositoryName: aws.String("demo")}))(t)
		if content != "" {
			must(s.UploadLayerPart(ctx, &ecr.UploadLayerPartInput{
				RepositoryName: aws.String("demo"), UploadId: up.UploadId, LayerPartBlob: []byte(content),
				PartFirstByte: aws.Int64(0), PartLastByte: aws.Int64(int64(len(content)) - 1),
			}))(t)
		}
		return up.UploadId
	}
	complete := func(repository string, id *string, d digest.Digest) error {
		_, err := s.CompleteLayerUpload(ctx, &ecr.CompleteLayerUploadInput{RepositoryName: &repository, UploadId: id, LayerDigests: []string{d.String()}})
		return err
	}
	wantCode(t, complete("demo", begin(""), d1), "EmptyUploadException")
	wantCode(t, complete("demo", begin("two"), d1), "InvalidLayerException")
	wantCode(t, complete("elsewhere", begin("one"), d1), "UploadNotFoundException")
	wantCode(t, complete("nothere", begin("one"), d1), "RepositoryNotFoundException")
	wantCode(t, complete("demo", aws.String("b1946ac9-2492-4c60-9c4a-6a7c6b2f7a52"), d1), "UploadNotFoundException")
	if err := complete("demo", begin("one"), d1); err != nil {
		t.Fatal(err)
	}
	again := begin("one")
	wantCode(t, complete("demo", again, d1), "LayerAlreadyExistsException")
	wantCode(t, complete("demo", again, d1), "UploadNotFoundException")
	// What the repository holds already does not excuse other bytes.
	wantCode(t, complete("demo", begin("two"), d1), "InvalidLayerException")
	_, err := s.InitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RepositoryName: aws.String("nothere")})
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestTheAddressOfALayerNamesItAndCarriesItsToken(t *testing.T) {
	s, ctx := newService(t)
	createRepository(ctx, t, s, "team/demo")
	must(s.CreateRepository(ctx, &ecr.CreateRepositoryInput{RegistryId: aws.String(other), RepositoryName: aws.String("demo")}))(t)
	layer := pushLayer(ctx, t, s, "team/demo", "hello")
	out := must(s.GetDownloadUrlForLayer(ctx, &ecr.GetDownloadUrlForLayerInput{RepositoryName: aws.String("team/demo"), LayerDigest: aws.String(layer.Digest.String())}))(t)
	u := must(url.Parse(deref(out.DownloadUrl)))(t)
	token := "arn:aws:iam::123456789012:root may read arn:aws:ecr:eu-west-1:123456789012:repository/team/demo@" + layer.Digest.String() + " for 1h0m0s"
	if u.Scheme != "https" || u.Host != "localhost:5000" || u.Path != "/v2/team/demo/blobs/"+layer.Digest.String() ||
		u.Query().Get("drydock-token") != token || deref(out.LayerDigest) != layer.Digest.String() {
		t.Errorf("got %s", u)
	}
	for name, code := range map[string]string{"team/demo": "LayersNotFoundException", "nothere": "RepositoryNotFoundException"} {
		_, err := s.GetDownloadUrlForLayer(ctx, &ecr.GetDownloadUrlForLayerInput{RepositoryName: &name, LayerDigest: aws.String(d1.String())})
		wantCode(t, err, code)
	}
	_, err := s.GetDownloadUrlForLayer(ctx, &ecr.GetDownloadUrlForLayerInput{RepositoryName: aws.String("team/demo"), LayerDigest: aws.String("md5:00")})
	wantCode(t, err, "InvalidParameterException")

	// A layer of another account is found under the path of its repository, at
	// whatever base the server says.
	s.downloadBase = func(account, region string) string { return "http://" + account + "." + region + ".test" }
	must(s.engine.MountBlob(ctx, refOf(ctx, aws.String(other), aws.String("demo")), refOf(ctx, nil, aws.String("team/demo")), layer.Digest))(t)
	out = must(s.GetDownloadUrlForLayer(ctx, &ecr.GetDownloadUrlForLayerInput{
		RegistryId: aws.String(other), RepositoryName: aws.String("demo"), LayerDigest: aws.String(layer.Digest.String()),
	}))(t)
	if !strings.HasPrefix(deref(out.DownloadUrl), "http://222233334444.eu-west-1.test/v2/222233334444.eu-west-1/demo/blobs/sha256:") {
		t.Errorf("got %s", deref(out.DownloadUrl))
	}
}

func TestThePasswordIsForTheRegistryAsked(t *testing.T) {
	s, ctx := newService(t)
	decode := func(d types.AuthorizationData) string {
		return string(must(base64.StdEncoding.DecodeString(deref(d.AuthorizationToken)))(t))
	}
	out := must(s.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{}))(t)
	if len(out.AuthorizationData) != 1 {
		t.Fatalf("got %+v", out.AuthorizationData)
	}
	own := out.AuthorizationData[0]
	if got := decode(own); got != "AWS:arn:aws:iam::123456789012:root for 123456789012 in eu-west-1" ||
		deref(own.ProxyEndpoint) != "https://localhost:5000" || own.ExpiresAt.Sub(now).Hours() != 12 {
		t.Errorf("got %q at %s until %s", got, deref(own.ProxyEndpoint), own.ExpiresAt)
	}
	out = must(s.GetAuthorizationToken(ctx, passwordsFor(other, account)))(t)
	if len(out.AuthorizationData) != 2 || !strings.HasSuffix(decode(out.AuthorizationData[0]), "for 222233334444 in eu-west-1") {
		t.Errorf("got %+v", out.AuthorizationData)
	}
}

func TestTheRegistryIsTheCallers(t *testing.T) {
	s, ctx := newService(t)
	out := must(s.DescribeRegistry(ctx, &ecr.DescribeRegistryInput{}))(t)
	if deref(out.RegistryId) != account || out.ReplicationConfiguration == nil || out.ReplicationConfiguration.Rules == nil || len(out.ReplicationConfiguration.Rules) != 0 {
		t.Errorf("got %+v", out)
	}
}
