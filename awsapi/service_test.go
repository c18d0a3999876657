package awsapi

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"drydock/auth"
	"drydock/auth/sigv4"
)

func describeRegistry(context.Context, *ecr.DescribeRegistryInput) (*ecr.DescribeRegistryOutput, error) {
	return nil, nil
}

func needsNone[I any](context.Context, *I) ([]Need, error) { return nil, nil }

func TestAServiceThatIsNotInOrderIsRefusedAtTheStart(t *testing.T) {
	type odd struct{ Channel chan int }
	good := Op("DescribeRegistry", describeRegistry, needsNone[ecr.DescribeRegistryInput])
	for name, c := range map[string]struct {
		operations []Operation
		want       string
	}{
		"nothing wrong":              {[]Operation{good}, ""},
		"an operation twice":         {[]Operation{good, good}, "it is given twice"},
		"an operation of no service": {[]Operation{Op("Explode", describeRegistry, needsNone[ecr.DescribeRegistryInput])}, "the model has no operation Explode"},
		"no authorisation declared":  {[]Operation{Op("DescribeRegistry", describeRegistry, nil)}, "no authorisation is declared"},
		"the input of another":       {[]Operation{Op("DeleteRepository", describeRegistry, needsNone[ecr.DescribeRegistryInput])}, "no field"},
		"an output that has no form": {[]Operation{Op("DescribeRegistry", func(context.Context, *ecr.DescribeRegistryInput) (*odd, error) { return nil, nil }, needsNone[ecr.DescribeRegistryInput])},
			"odd.Channel: a chan int has no form on the wire"},
	} {
		_, err := NewService(mustLoad(t, "ecr"), c.operations)
		if got := ""; err != nil {
			got = err.Error()
			if c.want == "" || !strings.Contains(got, c.want) {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
		} else if c.want != "" {
			t.Errorf("%s: it was accepted", name)
		}
	}
	spoken := mustLoad(t, "ecr")
	spoken.Protocol = "rest-xml"
	if _, err := NewService(spoken, nil); err == nil {
		t.Error("a protocol that is not spoken was accepted")
	}
}

type allowAll struct{}

func (allowAll) Authorize(context.Context, auth.Request) error { return nil }

func TestAServerThatIsNotInOrderIsRefusedAtTheStart(t *testing.T) {
	service := func(name string, operations ...Operation) *Service {
		s, err := NewService(mustLoad(t, name), operations)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	upload := Op("UploadLayerPart", func(context.Context, *ecr.UploadLayerPartInput) (*ecr.UploadLayerPartOutput, error) { return nil, nil }, needsNone[ecr.UploadLayerPartInput])
	verifier, err := sigv4.New(&auth.StaticKeys{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"nothing wrong":            {func(o *Options) { o.Services = []*Service{service("ecr", upload), service("sts")} }, ""},
		"no verifier":              {func(o *Options) { o.Verifier = nil }, "need"},
		"no authorizer":            {func(o *Options) { o.Authorizer = nil }, "need"},
		"no log":                   {func(o *Options) { o.Log = nil }, "need"},
		"no randomness":            {func(o *Options) { o.Rand = nil }, "need"},
		"a service twice":          {func(o *Options) { o.Services = []*Service{service("ecr"), service("ecr")} }, "given twice"},
		"a query service twice":    {func(o *Options) { o.Services = []*Service{service("sts"), service("sts")} }, "given twice"},
		"no room for one body":     {func(o *Options) { o.MaxBody, o.MaxBuffered = 100, 100 }, "must be more"},
		"no room for a layer part": {func(o *Options) { o.Services, o.MaxBuffered = []*Service{service("ecr", upload)}, 20<<20 }, "ecr:UploadLayerPart takes 36350636 bytes"},
	} {
		o := Options{Verifier: verifier, Throttle: held(t), Authorizer: allowAll{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Rand: rand.Reader}
		c.change(&o)
		got := ""
		if _, err := New(o); err != nil {
			got = err.Error()
		}
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestServicesOfOneNameAreToldApartByTheirVersion(t *testing.T) {
	old, new := mustLoad(t, "sts"), mustLoad(t, "sts")
	old.Version = "1999-01-01"
	services := []*Service{{model: old}, {model: new}}
	s := &Server{query: services}
	for version, want := range map[string]*Service{"1999-01-01": services[0], "2011-06-15": services[1], "2000-01-01": nil} {
		if got := s.queryService("sts", version); got != want {
			t.Errorf("%s: got %v", version, got)
		}
	}
}
