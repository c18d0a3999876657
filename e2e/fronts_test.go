package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/e2e/harness"
)

// imageOf is a manifest over a config and one layer.
func imageOf(config, layer []byte) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		harness.ManifestType, harness.ConfigType, harness.Digest(config), len(config), harness.LayerType, harness.Digest(layer), len(layer))
}

func TestWhatTheAPIStoredTheRegistryHasAtOnce(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	s.CreateRepository(t, "fronts/one")
	api, c, ctx := s.ECR(), s.Client(t), t.Context()
	repo := aws.String("fronts/one")
	config, layer := []byte(`{"architecture":"amd64","os":"linux"}`), bytes.Repeat([]byte("layer"), 2<<20)

	for _, content := range [][]byte{config, layer} {
		upload, err := api.InitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RepositoryName: repo})
		if err != nil {
			t.Fatal(err)
		}
		part := int(aws.ToInt64(upload.PartSize))
		first := 0
		for chunk := range slices.Chunk(content, min(part, 5<<20)) {
			got, err := api.UploadLayerPart(ctx, &ecr.UploadLayerPartInput{
				RepositoryName: repo, UploadId: upload.UploadId, LayerPartBlob: chunk,
				PartFirstByte: aws.Int64(int64(first)), PartLastByte: aws.Int64(int64(first + len(chunk) - 1)),
			})
			if err != nil {
				t.Fatal(err)
			}
			first += len(chunk)
			if last := aws.ToInt64(got.LastByteReceived); last != int64(first-1) {
				t.Errorf("after %d bytes the last one received is %d", first, last)
			}
		}
		if _, err := api.CompleteLayerUpload(ctx, &ecr.CompleteLayerUploadInput{
			RepositoryName: repo, UploadId: upload.UploadId, LayerDigests: []string{harness.Digest(content)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	manifest := imageOf(config, layer)
	put, err := api.PutImage(ctx, &ecr.PutImageInput{
		RepositoryName: repo, ImageManifest: aws.String(string(manifest)), ImageTag: aws.String("v1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(put.Image.ImageId.ImageDigest); got != harness.Digest(manifest) {
		t.Errorf("PutImage answers the digest %s, and not %s", got, harness.Digest(manifest))
	}

	a, err := c.Manifest("fronts/one", "v1")
	if err != nil || !bytes.Equal(a.Body, manifest) {
		t.Errorf("the registry has the manifest as %v, %v", a, err)
	}
	for _, content := range [][]byte{config, layer} {
		a, err := c.Blob("fronts/one", harness.Digest(content))
		if err != nil || !bytes.Equal(a.Body, content) {
			t.Errorf("the registry has %d bytes of a layer of %d, %v", len(a.Body), len(content), err)
		}
	}
}

func TestWhatTheRegistryStoredTheAPIHasAtOnce(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	s.CreateRepository(t, "fronts/two")
	api, c, ctx := s.ECR(), s.Client(t), t.Context()
	repo := aws.String("fronts/two")
	config, layer := []byte(`{"architecture":"arm64","os":"linux"}`), []byte("a layer")
	for _, content := range [][]byte{config, layer} {
		if err := c.PushBlob("fronts/two", harness.Digest(content), content); err != nil {
			t.Fatal(err)
		}
	}
	manifest := imageOf(config, layer)
	if err := c.PutManifest("fronts/two", "v1", harness.ManifestType, manifest); err != nil {
		t.Fatal(err)
	}

	got, err := api.BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: repo, ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("v1")}}})
	if err != nil || len(got.Images) != 1 || aws.ToString(got.Images[0].ImageManifest) != string(manifest) {
		t.Errorf("the API has the manifest as %+v, %v", got, err)
	}
	described, err := api.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: repo})
	if err != nil || len(described.ImageDetails) != 1 {
		t.Fatalf("the API describes %+v, %v", described, err)
	}
	d := described.ImageDetails[0]
	if aws.ToString(d.ImageDigest) != harness.Digest(manifest) || !slices.Equal(d.ImageTags, []string{"v1"}) || aws.ToInt64(d.ImageSizeInBytes) == 0 {
		t.Errorf("the API describes %+v", d)
	}
	if _, err := api.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{RepositoryName: repo, ImageIds: []types.ImageIdentifier{{ImageDigest: d.ImageDigest}}}); err != nil {
		t.Fatal(err)
	}
	if a, err := c.Manifest("fronts/two", "v1"); err != nil || a.Status != 404 {
		t.Errorf("what the API deleted the registry answers with %v, %v", a, err)
	}
}

func TestAnImmutableTagIsImmutableThroughBothFronts(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	api, c, ctx := s.ECR(), s.Client(t), t.Context()
	repo := aws.String("fronts/fixed")
	if _, err := api.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: repo, ImageTagMutability: types.ImageTagMutabilityImmutable}); err != nil {
		t.Fatal(err)
	}
	config := []byte(`{}`)
	var manifests [][]byte
	for _, layer := range [][]byte{[]byte("one"), []byte("two")} {
		for _, content := range [][]byte{config, layer} {
			if err := c.PushBlob("fronts/fixed", harness.Digest(content), content); err != nil {
				t.Fatal(err)
			}
		}
		manifests = append(manifests, imageOf(config, layer))
	}
	for range 2 { // the same again is no change
		if err := c.PutManifest("fronts/fixed", "v1", harness.ManifestType, manifests[0]); err != nil {
			t.Fatal(err)
		}
	}
	a, err := c.Send("PUT", "/v2/fronts/fixed/manifests/v1", bytes.NewReader(manifests[1]), "Content-Type", harness.ManifestType)
	if err != nil || a.Status < 400 || a.Status > 499 {
		t.Errorf("the registry answers a moved tag with %v, %v", a, err)
	}
	if _, err := api.PutImage(ctx, &ecr.PutImageInput{RepositoryName: repo, ImageManifest: aws.String(string(manifests[1])), ImageTag: aws.String("v1")}); err == nil {
		t.Error("the API moves the tag")
	}
	if a, err := c.Manifest("fronts/fixed", "v1"); err != nil || !bytes.Equal(a.Body, manifests[0]) {
		t.Errorf("the tag now is %v, %v", a, err)
	}
}
