package awsapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"drydock/auth"
	"drydock/auth/sigv4"
	"drydock/auth/throttle"
	"drydock/internal/observe"
	"drydock/internal/requestid"
)

const (
	devID, devSecret = "AKIADEV", "the secret of dev"
	devARN           = "arn:aws:iam::123456789012:user/dev"
	target           = "AmazonEC2ContainerRegistry_V20150921."
	host             = "api.ecr.eu-west-1.amazonaws.com"
)

var now = time.Date(2026, 11, 23, 20, 45, 0, 0, time.UTC)

// house is a server with a handful of operations whose behaviour a test sets.
type house struct {
	*Server
	clock   time.Time
	log     bytes.Buffer
	asked   []auth.Request
	deny    error
	behave  func(context.Context) error
	sawCall Call
	part    []byte
}

func (h *house) Authorize(_ context.Context, r auth.Request) error {
	h.asked = append(h.asked, r)
	return h.deny
}

func newHouse(t testing.TB, change ...func(*Options)) *house {
	t.Helper()
	h := &house{clock: now}
	keys, err := auth.NewStaticKeys(
		auth.Credential{AccessKeyID: devID, SecretAccessKey: devSecret, Principal: auth.Principal{ARN: devARN, Account: "123456789012", UserID: "AIDADEV"}},
		auth.Credential{AccessKeyID: "ASIAENDED", SecretAccessKey: devSecret, SessionTokenHash: auth.HashSessionToken("token"), Expires: now},
	)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := sigv4.New(keys, func() time.Time { return h.clock })
	if err != nil {
		t.Fatal(err)
	}
	ecrService, err := NewService(mustLoad(t, "ecr"), []Operation{
		Op("DescribeRepositories", func(ctx context.Context, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
			h.sawCall = *CallFrom(ctx)
			if h.behave != nil {
				return nil, h.behave(ctx)
			}
			out := &ecr.DescribeRepositoriesOutput{Repositories: []types.Repository{}}
			for _, n := range in.RepositoryNames {
				out.Repositories = append(out.Repositories, types.Repository{RepositoryName: &n, CreatedAt: &now})
			}
			return out, nil
		}, func(_ context.Context, in *ecr.DescribeRepositoriesInput) (needs []Need, _ error) {
			for _, n := range in.RepositoryNames {
				needs = append(needs, Need{Action: "ecr:DescribeRepositories", Resource: "arn:aws:ecr:eu-west-1:123456789012:repository/" + n, ResourceAccount: "123456789012"})
			}
			return needs, nil
		}),
		Op("UploadLayerPart", func(_ context.Context, in *ecr.UploadLayerPartInput) (*ecr.UploadLayerPartOutput, error) {
			h.part = bytes.Clone(in.LayerPartBlob)
			return nil, nil
		}, func(context.Context, *ecr.UploadLayerPartInput) ([]Need, error) { return nil, nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	stsService, err := NewService(mustLoad(t, "sts"), []Operation{
		Op("GetAccessKeyInfo", func(ctx context.Context, in *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
			if h.behave != nil {
				return nil, h.behave(ctx)
			}
			return &sts.GetAccessKeyInfoOutput{Account: in.AccessKeyId}, nil
		}, func(context.Context, *sts.GetAccessKeyInfoInput) ([]Need, error) {
			return []Need{{Action: "sts:GetAccessKeyInfo", Resource: "*", ResourceAccount: "123456789012"}}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Services: []*Service{ecrService, stsService}, Verifier: verifier, Throttle: held(t), Authorizer: h, Rand: rand.Reader,
		Log: slog.New(slog.NewTextHandler(&h.log, nil))}
	for _, f := range change {
		f(&o)
	}
	if h.Server, err = New(o); err != nil {
		t.Fatal(err)
	}
	return h
}

// call is a request to make; what is left out is that of a good one.
type call struct {
	query           bool
	target, body    string
	secret, service string
	id, token       string
	region, host    string
	at              time.Time
	unsigned        bool
	chunked         bool // its length is not said
	after           func(*http.Request)
}

func (c call) request(t testing.TB) *http.Request {
	t.Helper()
	or := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	or(&c.host, host)
	or(&c.region, "eu-west-1")
	or(&c.id, devID)
	or(&c.secret, devSecret)
	or(&c.service, map[bool]string{false: "ecr", true: "sts"}[c.query])
	if c.query {
		c.host = strings.Replace(c.host, "api.ecr", "sts", 1)
	}
	if c.at.IsZero() {
		c.at = now
	}
	r := httptest.NewRequest("POST", "http://"+c.host+"/", strings.NewReader(c.body))
	if c.query {
		r.Header.Set("Content-Type", contentForm+"; charset=utf-8")
	} else {
		or(&c.target, "DescribeRepositories")
		r.Header.Set("Content-Type", contentJSON)
		r.Header.Set("X-Amz-Target", target+c.target)
	}
	if c.chunked {
		r.ContentLength = -1
	}
	if !c.unsigned {
		sum := sha256.Sum256([]byte(c.body))
		err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: c.id, SecretAccessKey: c.secret, SessionToken: c.token},
			r, hex.EncodeToString(sum[:]), c.service, c.region, c.at)
		if err != nil {
			t.Fatal(err)
		}
	}
	if c.after != nil {
		c.after(r)
	}
	return r
}

func (h *house) do(r *http.Request) (*httptest.ResponseRecorder, *observe.Request) {
	w, note := httptest.NewRecorder(), new(observe.Request)
	h.ServeHTTP(w, r.WithContext(observe.With(requestid.With(r.Context(), "the-id"), note)))
	return w, note
}

func TestACallIsAnswered(t *testing.T) {
	h := newHouse(t)
	w, note := h.do(call{body: `{"repositoryNames":["demo","team/app"]}`}.request(t))
	const want = `{"repositories":[{"createdAt":1795466700,"repositoryName":"demo"},{"createdAt":1795466700,"repositoryName":"team/app"}]}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for name, value := range map[string]string{"X-Amzn-Requestid": "the-id", "Content-Type": "application/x-amz-json-1.1", "Content-Length": fmt.Sprint(len(want))} {
		if got := w.Header().Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if want := (Call{RequestID: "the-id", Region: "eu-west-1", Principal: auth.Principal{ARN: devARN, Account: "123456789012", UserID: "AIDADEV", AccessKeyID: devID}}); h.sawCall != want {
		t.Errorf("the operation saw %+v", h.sawCall)
	}
	if len(h.asked) != 2 || h.asked[1].Action != "ecr:DescribeRepositories" || h.asked[1].Resource != "arn:aws:ecr:eu-west-1:123456789012:repository/team/app" ||
		h.asked[1].Principal.ARN != devARN || h.asked[1].ResourceAccount != "123456789012" {
		t.Errorf("authorised %+v", h.asked)
	}
	if want := (observe.Request{Operation: "ecr:DescribeRepositories", Status: 200, BytesOut: int64(len(want)), Principal: devARN}); *note != want {
		t.Errorf("noted %+v", *note)
	}
	if h.log.Len() > 0 {
		t.Errorf("logged %s", &h.log)
	}
}

func TestAQueryIsAnswered(t *testing.T) {
	w, note := newHouse(t).do(call{query: true, body: "Action=GetAccessKeyInfo&Version=2011-06-15&AccessKeyId=AKIA1234567890123456"}.request(t))
	const want = `<GetAccessKeyInfoResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetAccessKeyInfoResult><Account>AKIA1234567890123456</Account></GetAccessKeyInfoResult><ResponseMetadata><RequestId>the-id</RequestId></ResponseMetadata></GetAccessKeyInfoResponse>`
	if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "text/xml" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if note.Operation != "sts:GetAccessKeyInfo" {
		t.Errorf("noted %+v", note)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	small := func(o *Options) { o.MaxBody, o.MaxBuffered = 1000, 40<<20 }
	for name, c := range map[string]struct {
		size    int
		unknown bool
		target  string
		status  int
	}{
		"as long as allowed":                 {size: 1000, status: 200},
		"longer":                             {size: 1001, status: 413},
		"as long as allowed, length unsaid":  {size: 1000, unknown: true, status: 200},
		"longer, length unsaid":              {size: 1001, unknown: true, status: 413},
		"a layer part":                       {size: 26 << 20, target: "UploadLayerPart", status: 400},
		"a layer part, length unsaid":        {size: 26 << 20, unknown: true, target: "UploadLayerPart", status: 400},
		"longer than any layer part":         {size: 28 << 20, target: "UploadLayerPart", status: 413},
		"as long as a layer part, elsewhere": {size: 26 << 20, status: 413},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, small)
			w, _ := h.do(call{target: c.target, chunked: c.unknown, body: "{" + strings.Repeat(" ", c.size-2) + "}"}.request(t))
			if w.Code != c.status {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if !h.bodies.room.TryAcquire(40 << 20) {
				t.Error("the room that the body took was not given back")
			}
		})
	}
}

func TestALayerPartArrivesWhole(t *testing.T) {
	h := newHouse(t)
	h.clock = time.Now() // the SDK signs with the real time
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	part := make([]byte, 20<<20)
	_, _ = rand.Read(part)
	client := ecr.New(ecr.Options{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider(devID, devSecret, "")})
	_, err := client.UploadLayerPart(context.Background(), &ecr.UploadLayerPartInput{LayerPartBlob: part, RepositoryName: aws.String("demo"),
		PartFirstByte: aws.Int64(0), PartLastByte: aws.Int64(20<<20 - 1), UploadId: aws.String("5b0b1f6e-3c6c-4b1a-8b1e-000000000000")})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(part, h.part) {
		t.Error("the bytes changed on their way")
	}
}

func TestTheSDKReadsExceptionsWithTheirMembers(t *testing.T) {
	h := newHouse(t)
	h.clock = time.Now() // the SDK signs with the real time
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	client := ecr.New(ecr.Options{Region: "eu-west-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(devID, devSecret, "")})
	describe := func(err error) error {
		h.behave = func(context.Context) error { return err }
		_, err = client.DescribeRepositories(context.Background(), nil)
		return err
	}
	var layer *types.InvalidLayerPartException
	if err := describe(&types.InvalidLayerPartException{Message: aws.String("gap"), LastValidByteReceived: aws.Int64(7), UploadId: aws.String("u")}); !errors.As(err, &layer) ||
		*layer.Message != "gap" || *layer.LastValidByteReceived != 7 || *layer.UploadId != "u" || layer.RegistryId != nil {
		t.Errorf("read %v", err)
	}
	var kms *types.KmsException
	if err := describe(&types.KmsException{Message: aws.String("no key"), KmsError: aws.String("gone")}); !errors.As(err, &kms) || *kms.KmsError != "gone" {
		t.Errorf("read %v", err)
	}
	var server500 *types.ServerException
	if err := describe(errors.New("disk full")); !errors.As(err, &server500) {
		t.Errorf("read %v", err)
	}
}

// outage is an error as storage that cannot be reached has it.
type outage struct{}

func (outage) Error() string     { return "connection refused" }
func (outage) Unavailable() bool { return true }

func TestStorageThatIsAwayIsToBeTriedAgain(t *testing.T) {
	h := newHouse(t)
	h.behave = func(context.Context) error { return fmt.Errorf("look it up: %w", outage{}) }
	w, note := h.do(call{}.request(t))
	if w.Code != 503 || note.Status == 499 || !strings.Contains(w.Body.String(), "ServiceUnavailable") || strings.Contains(w.Body.String(), "refused") {
		t.Errorf("answered %d %s, noted %+v", w.Code, w.Body, note)
	}
	if !strings.Contains(h.log.String(), "connection refused") {
		t.Errorf("the operator is told %q", &h.log)
	}
}

func TestAClientThatGoesAwayIsNoFailure(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(context.Background())
	h.behave = func(ctx context.Context) error {
		cancel()
		return fmt.Errorf("reading: %w", ctx.Err())
	}
	w, note := h.do(call{}.request(t).WithContext(ctx))
	if w.Code != 503 || note.Status != 499 || h.log.Len() > 0 {
		t.Errorf("answered %d, noted %+v, logged %q", w.Code, note, &h.log)
	}
	r := call{body: "{}"}.request(t)
	r.Body = io.NopCloser(io.LimitReader(strings.NewReader("{"), 1))
	if _, note := newHouse(t).do(r); note.Status != 499 {
		t.Errorf("a body broken off: noted %+v", note)
	}
}

func TestARequestWaitsForRoomNoLongerThanItsClient(t *testing.T) {
	h := newHouse(t)
	if !h.bodies.room.TryAcquire(defaultMaxBuffered) {
		t.Fatal("there was no room to begin with")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, note := h.do(call{body: "{}"}.request(t).WithContext(ctx)); note.Status != 499 {
		t.Errorf("noted %+v", note)
	}
}

func TestARequestWithoutAnIDGetsOne(t *testing.T) {
	h := newHouse(t)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, call{}.request(t))
	if id := w.Header().Get("X-Amzn-RequestId"); len(id) != 36 || h.sawCall.RequestID != id {
		t.Errorf("the client got %q, the operation %q", id, h.sawCall.RequestID)
	}
}

func TestCallsAreRecognised(t *testing.T) {
	for name, c := range map[string]struct {
		method, url, header, value string
		want                       bool
	}{
		"awsJson":                 {"POST", "/", "X-Amz-Target", "x.y", true},
		"awsQuery":                {"POST", "/", "Content-Type", "application/x-www-form-urlencoded; charset=utf-8", true},
		"a presigned query":       {"GET", "/?Action=GetCallerIdentity", "", "", true},
		"signed, otherwise empty": {"POST", "/", "Authorization", "AWS4-HMAC-SHA256 x", true},
		"a browser":               {"GET", "/", "Accept", "text/html", false},
		"the registry":            {"POST", "/v2/", "X-Amz-Target", "x.y", false},
	} {
		r := httptest.NewRequest(c.method, c.url, nil)
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		if got := Recognises(r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheHostTellsTheRegion(t *testing.T) {
	for host, want := range map[string]string{
		"api.ecr.eu-west-1.amazonaws.com":        "eu-west-1",
		"API.ECR.EU-WEST-1.AMAZONAWS.COM.:443":   "eu-west-1",
		"ecr.us-gov-west-1.api.aws":              "us-gov-west-1",
		"sts.ap-southeast-12.amazonaws.com:8443": "ap-southeast-12",
		"sts.amazonaws.com":                      "",
		"iam.amazonaws.com":                      "",
		"localhost:5000":                         "",
		"ecr.eu-west-1.example.com":              "",
		"eu-west-1.amazonaws.com":                "eu-west-1",
		"123456789012.dkr.ecr.eu-west-1.on.aws":  "",
		"[::1]:5000":                             "",
	} {
		if got := regionOf(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	for _, s := range []string{"", "-", "eu", "eu-west", "eu-west-", "eu-west-x", "eu-west-123", "EU-west-1", "e-west-1", "eu--1", "europe-west-1", "eu-west-1/../x"} {
		if isRegion(s) {
			t.Errorf("%q is taken for a region", s)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	h := newHouse(b)
	const body = `{"repositoryNames":["team/demo"]}`
	r := call{body: body}.request(b)
	b.ReportAllocs()
	for b.Loop() {
		h.asked = h.asked[:0]
		r.Body = io.NopCloser(strings.NewReader(body))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

// held holds nobody back.
func held(t testing.TB) *throttle.Door {
	t.Helper()
	th, err := throttle.New(throttle.Options{Now: time.Now, Refused: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	return th.Door("test")
}
