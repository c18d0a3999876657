package ecrapi

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/opencontainers/go-digest"

	"drydock/awsapi/apitest"
)

// newServer is the API of newService behind the front, and the SDK's own client
// of it.
func newServer(t *testing.T) (*Service, *ecr.Client, *httptest.Server) {
	t.Helper()
	s, _ := newService(t)
	server := apitest.NewFront(t, "ecr", s.Operations()).Server(t)
	client := ecr.New(ecr.Options{
		Region: region, BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client(), RetryMaxAttempts: 1, Credentials: apitest.Credentials(),
	})
	return s, client, server
}

func TestTheSDKsClientPushesAndFindsAnImage(t *testing.T) {
	_, c, _ := newServer(t)
	ctx := t.Context()
	name := aws.String("team/demo")
	created := must(c.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: name, Tags: tags("team", "a")}))(t)
	if !created.Repository.CreatedAt.Equal(now) {
		t.Errorf("created at %s", created.Repository.CreatedAt)
	}
	upload := func(content []byte) string {
		up := must(c.InitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RepositoryName: name}))(t)
		for first := int64(0); first < int64(len(content)); first += *up.PartSize {
			last := min(first+*up.PartSize, int64(len(content)))
			part := must(c.UploadLayerPart(ctx, &ecr.UploadLayerPartInput{
				RepositoryName: name, UploadId: up.UploadId, LayerPartBlob: content[first:last],
				PartFirstByte: &first, PartLastByte: aws.Int64(last - 1),
			}))(t)
			if deref(part.LastByteReceived) != last-1 {
				t.Fatalf("after %d bytes %d were received", last, deref(part.LastByteReceived))
			}
		}
		d := digest.FromBytes(content).String()
		must(c.CompleteLayerUpload(ctx, &ecr.CompleteLayerUploadInput{RepositoryName: name, UploadId: up.UploadId, LayerDigests: []string{d}}))(t)
		return d
	}
	// One byte more than a part holds: the largest part and the smallest.
	layer := upload(bytes.Repeat([]byte("layer"), int(partSize)/5+1)[:partSize+1])
	config := upload([]byte(`{}`))
	manifest := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + config + `","size":2},` +
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"` + layer + `","size":20971521}]}`
	must(c.PutImage(ctx, &ecr.PutImageInput{RepositoryName: name, ImageManifest: &manifest, ImageTag: aws.String("v1")}))(t)
	got := must(c.BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: name, ImageIds: []types.ImageIdentifier{byTag("v1"), byTag("v2")}}))(t)
	if len(got.Images) != 1 || deref(got.Images[0].ImageManifest) != manifest || len(got.Failures) != 1 || got.Failures[0].FailureCode != "ImageNotFound" {
		t.Errorf("got %+v", got)
	}
	described := must(c.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: name}))(t)
	if len(described.ImageDetails) != 1 || deref(described.ImageDetails[0].ImageSizeInBytes) != 20971523 {
		t.Errorf("described as %+v", described.ImageDetails)
	}
	if got := must(c.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: created.Repository.RepositoryArn}))(t); len(got.Tags) != 1 {
		t.Errorf("the tags are %+v", got.Tags)
	}
}

func TestTheSDKsPaginatorsReachTheEnd(t *testing.T) {
	s, c, _ := newServer(t)
	ctx := t.Context()
	createRepository(asCaller(ctx), t, s, "demo")
	createRepository(asCaller(ctx), t, s, "empty")
	for _, tag := range []string{"a", "b", "c"} {
		pushImage(asCaller(ctx), t, s, "demo", tag, tag)
	}
	count := map[string]int{}
	for p := ecr.NewDescribeRepositoriesPaginator(c, &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1)}); p.HasMorePages(); {
		count["repositories"] += len(must(p.NextPage(ctx))(t).Repositories)
	}
	for p := ecr.NewListImagesPaginator(c, &ecr.ListImagesInput{RepositoryName: aws.String("demo"), MaxResults: aws.Int32(2)}); p.HasMorePages(); {
		count["ids"] += len(must(p.NextPage(ctx))(t).ImageIds)
	}
	for p := ecr.NewDescribeImagesPaginator(c, &ecr.DescribeImagesInput{RepositoryName: aws.String("demo"), MaxResults: aws.Int32(2)}); p.HasMorePages(); {
		count["images"] += len(must(p.NextPage(ctx))(t).ImageDetails)
	}
	if count["repositories"] != 2 || count["ids"] != 3 || count["images"] != 3 {
		t.Errorf("counted %v", count)
	}
}

func TestExceptionsReachTheClientWithTheirMembers(t *testing.T) {
	s, c, _ := newServer(t)
	ctx := t.Context()
	createRepository(asCaller(ctx), t, s, "demo")
	name := aws.String("demo")

	var exists *types.RepositoryAlreadyExistsException
	if _, err := c.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: name}); !errors.As(err, &exists) ||
		exists.ErrorMessage() != "The repository with name 'demo' already exists in the registry with id '123456789012'" {
		t.Errorf("got %v", err)
	}
	up := must(c.InitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RepositoryName: name}))(t)
	part := func(first int64) error {
		_, err := c.UploadLayerPart(ctx, &ecr.UploadLayerPartInput{
			RepositoryName: name, UploadId: up.UploadId, LayerPartBlob: []byte("x"), PartFirstByte: &first, PartLastByte: &first,
		})
		return err
	}
	if err := part(0); err != nil {
		t.Fatal(err)
	}
	var invalid *types.InvalidLayerPartException
	if err := part(7); !errors.As(err, &invalid) || deref(invalid.LastValidByteReceived) != 0 || invalid.LastValidByteReceived == nil ||
		deref(invalid.UploadId) != *up.UploadId || deref(invalid.RepositoryName) != "demo" || deref(invalid.RegistryId) != account ||
		invalid.ErrorMessage() != "First byte of the layer part is 7 instead of 1" {
		t.Errorf("got %+v", err)
	}

	var api smithy.APIError
	_, err := c.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RegistryId: aws.String(other)})
	if !errors.As(err, &api) || api.ErrorCode() != "AccessDeniedException" || !strings.Contains(api.ErrorMessage(),
		"is not authorized to perform: ecr:DescribeRepositories on resource: arn:aws:ecr:eu-west-1:222233334444:repository/*") {
		t.Errorf("got %v", err)
	}
	_, err = c.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: aws.String("demo")})
	wantCode(t, err, "InvalidParameterException")
}

// Clients in languages that do not make an empty list of nothing break when an
// empty list is left out.
func TestEmptyListsAreSent(t *testing.T) {
	s, c, server := newServer(t)
	ctx := t.Context()
	createRepository(asCaller(ctx), t, s, "demo")
	var body []byte
	recorded := ecr.New(c.Options(), func(o *ecr.Options) {
		o.HTTPClient = recorder{server.Client(), &body}
	})
	name := aws.String("demo")
	for want, call := range map[string]func() error{
		`"imageIds":[]`: func() error {
			_, err := recorded.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: name})
			return err
		},
		`"imageDetails":[]`: func() error {
			_, err := recorded.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: name})
			return err
		},
		`"images":[]`: func() error {
			_, err := recorded.BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: name, ImageIds: []types.ImageIdentifier{byTag("x")}})
			return err
		},
		`"tags":[]`: func() error {
			_, err := recorded.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: aws.String(arnOf(demo))})
			return err
		},
		`"rules":[]`: func() error {
			_, err := recorded.DescribeRegistry(ctx, &ecr.DescribeRegistryInput{})
			return err
		},
		`"scanOnPush":false`: func() error {
			_, err := recorded.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{})
			return err
		},
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), want) || strings.Contains(string(body), "nextToken") {
			t.Errorf("the answer is %s, want %s in it", body, want)
		}
	}
}

// recorder keeps the body of the last answer.
type recorder struct {
	client *http.Client
	body   *[]byte
}

func (r recorder) Do(req *http.Request) (*http.Response, error) {
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if *r.body, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(*r.body))
	return res, nil
}
