package ecrapi

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"drydock/storage"
)

func filters(patterns ...string) []types.ImageTagMutabilityExclusionFilter {
	var f []types.ImageTagMutabilityExclusionFilter
	for _, p := range patterns {
		f = append(f, types.ImageTagMutabilityExclusionFilter{Filter: aws.String(p), FilterType: "WILDCARD"})
	}
	return f
}

func TestTheFourModesOfMutabilityComeBackAsTheyWere(t *testing.T) {
	for _, c := range []struct {
		mode    types.ImageTagMutability
		filters []types.ImageTagMutabilityExclusionFilter
		want    storage.Mutability
		back    types.ImageTagMutability
	}{
		{"", nil, storage.Mutability{}, "MUTABLE"},
		{"MUTABLE", nil, storage.Mutability{}, "MUTABLE"},
		{"IMMUTABLE", nil, storage.Mutability{Immutable: true}, "IMMUTABLE"},
		{"IMMUTABLE_WITH_EXCLUSION", filters("dev-*", "*x*"), storage.Mutability{Immutable: true, Except: []string{"dev-*", "*x*"}}, "IMMUTABLE_WITH_EXCLUSION"},
		{"MUTABLE_WITH_EXCLUSION", filters("v*"), storage.Mutability{Except: []string{"v*"}}, "MUTABLE_WITH_EXCLUSION"},
	} {
		got, err := mutabilityOf(c.mode, c.filters)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s was read as %+v (%v)", c.mode, got, err)
		}
		mode, f := mutabilityAs(got)
		if mode != c.back || !reflect.DeepEqual(f, c.filters) {
			t.Errorf("%s came back as %s %+v", c.mode, mode, f)
		}
	}
	for _, c := range []struct {
		mode    types.ImageTagMutability
		filters []types.ImageTagMutabilityExclusionFilter
	}{
		{"", filters("a*")}, {"MUTABLE", filters("a*")}, {"IMMUTABLE", filters("a*")},
		{"MUTABLE_WITH_EXCLUSION", nil}, {"IMMUTABLE_WITH_EXCLUSION", nil},
		{"IMMUTABLE_WITH_EXCLUSION", filters("*a*b*")},
	} {
		_, err := mutabilityOf(c.mode, c.filters)
		wantCode(t, err, "InvalidParameterException")
	}
}

func tags(pairs ...string) []types.Tag {
	var tags []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		tags = append(tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return tags
}

func TestTagsAreChecked(t *testing.T) {
	many := func(n int) (pairs []string) {
		for i := range n {
			pairs = append(pairs, fmt.Sprint("k", i), "v")
		}
		return pairs
	}
	for _, c := range []struct {
		what string
		tags []types.Tag
		code string
	}{
		{"none", nil, ""},
		{"an empty value", tags("team", ""), ""},
		{"50 of them", tags(many(50)...), ""},
		{"the longest in characters", tags(strings.Repeat("é", 128), strings.Repeat("é", 256)), ""},
		{"51 of them", tags(many(51)...), "TooManyTagsException"},
		{"a key that is too long", tags(strings.Repeat("a", 129), ""), "InvalidTagParameterException"},
		{"a value that is too long", tags("a", strings.Repeat("a", 257)), "InvalidTagParameterException"},
		{"a key of Amazon's", tags("aws:team", "a"), "InvalidTagParameterException"},
		{"a key of Amazon's in capitals", tags("AWS:team", "a"), "InvalidTagParameterException"},
		{"the same key twice", tags("a", "1", "a", "2"), "InvalidTagParameterException"},
		{"an empty key", tags("", "1"), "InvalidTagParameterException"},
		{"no key at all", []types.Tag{{}}, "InvalidTagParameterException"},
	} {
		m, err := resourceTags(c.tags)
		if c.code != "" {
			wantCode(t, err, c.code)
		} else if err != nil || len(m) != len(c.tags) {
			t.Errorf("%s: got %v (%v)", c.what, m, err)
		}
	}
}

func TestSettingsThatNothingObeysAreRefused(t *testing.T) {
	s, ctx := &Service{}, asCaller(t.Context())
	for what, in := range map[string]*ecr.CreateRepositoryInput{
		"a name that reads as an account and a region": {RepositoryName: aws.String("222233334444.eu-west-1/demo")},
		"encryption with AES256":                       {EncryptionConfiguration: &types.EncryptionConfiguration{EncryptionType: "AES256"}},
		"encryption with KMS":                          {EncryptionConfiguration: &types.EncryptionConfiguration{EncryptionType: "KMS"}},
	} {
		if in.RepositoryName == nil {
			in.RepositoryName = aws.String("demo")
		}
		_, err := s.CreateRepository(ctx, in)
		if wantCode(t, err, "InvalidParameterException"); t.Failed() {
			t.Fatalf("for %s", what)
		}
	}
}

func TestPagesAndNamesExcludeEachOther(t *testing.T) {
	s, ctx := &Service{}, asCaller(t.Context())
	for _, in := range []*ecr.DescribeRepositoriesInput{
		{RepositoryNames: []string{"demo"}, MaxResults: aws.Int32(1)},
		{RepositoryNames: []string{"demo"}, NextToken: aws.String("x")},
	} {
		_, err := s.DescribeRepositories(ctx, in)
		wantCode(t, err, "InvalidParameterException")
	}
	for _, in := range []*ecr.DescribeImagesInput{
		{ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("x")}}, MaxResults: aws.Int32(1)},
		{ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("x")}}, NextToken: aws.String("x")},
		{ImageIds: []types.ImageIdentifier{{}}},
		{ImageIds: []types.ImageIdentifier{{ImageDigest: aws.String("sha256:12")}}},
	} {
		_, err := s.DescribeImages(ctx, in)
		wantCode(t, err, "InvalidParameterException")
	}
}

func TestALayerHasOneDigestThatCanBeChecked(t *testing.T) {
	long := digest.SHA512.FromString("one").String()
	for _, c := range []struct {
		given []string
		want  string
	}{
		{[]string{d1.String()}, d1.String()},
		{[]string{long}, long},
		{[]string{"tarsum.v1+sha256:ab", d1.String()}, d1.String()},
		{[]string{d1.String(), d1.String()}, d1.String()},
		{[]string{d1.String(), d2.String()}, ""},
		{[]string{d1.String(), long}, ""},
		{[]string{"sha384:" + strings.Repeat("a", 96)}, ""},
		{[]string{"sha256:abc"}, ""},
		{nil, ""},
	} {
		got, err := layerDigest(c.given)
		if c.want == "" {
			wantCode(t, err, "InvalidParameterException")
		} else if err != nil || got.String() != c.want {
			t.Errorf("of %v was picked %s (%v)", c.given, got, err)
		}
	}
}
