package awsapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"drydock/auth"
)

const (
	provider = "arn:aws:iam::123456789012:oidc-provider/issuer.example"
	openRole = "arn:aws:iam::123456789012:role/deploy"
	openForm = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" + openRole + "&RoleSessionName=ci&WebIdentityToken="
)

// newOpenHouse is a server with an operation that takes no signature but a token,
// which has to be "good".
func newOpenHouse(t *testing.T) *house {
	t.Helper()
	var h *house
	h = newHouse(t, func(o *Options) {
		service, err := NewService(mustLoad(t, "sts"), []Operation{
			OpenOp("AssumeRoleWithWebIdentity", func(_ context.Context, in *sts.AssumeRoleWithWebIdentityInput) (*Bearer[sts.AssumeRoleWithWebIdentityOutput], error) {
				switch *in.WebIdentityToken {
				case "good":
				case "eve's":
					return nil, &smithy.GenericAPIError{Code: "AccessDenied", Message: "Not this one"}
				default:
					return nil, &smithy.GenericAPIError{Code: "InvalidIdentityToken", Message: "No good"}
				}
				return &Bearer[sts.AssumeRoleWithWebIdentityOutput]{
					Principal: auth.Principal{ARN: provider},
					Needs:     []Need{{Action: "sts:AssumeRoleWithWebIdentity", Resource: *in.RoleArn, ResourceAccount: "123456789012"}},
					Run: func(ctx context.Context) (*sts.AssumeRoleWithWebIdentityOutput, error) {
						h.sawCall = *CallFrom(ctx)
						return &sts.AssumeRoleWithWebIdentityOutput{Provider: aws.String("issuer.example")}, nil
					},
				}, nil
			}),
			Op("GetSessionToken", func(context.Context, *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) { return nil, nil },
				func(context.Context, *sts.GetSessionTokenInput) ([]Need, error) { return nil, nil }),
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Services = []*Service{service}
	})
	return h
}

// post sends a form without a signature to a host.
func (h *house) post(host, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "https://"+host+"/", strings.NewReader(form))
	r.Header.Set("Content-Type", contentForm)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestATokenStandsInForASignatureWhereAnOperationTakesOne(t *testing.T) {
	h := newOpenHouse(t)
	w := h.post("sts.eu-west-3.amazonaws.com", openForm+"good")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "<Provider>issuer.example</Provider>") {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	if h.sawCall.Principal.ARN != provider || h.sawCall.Region != "eu-west-3" || h.sawCall.RequestID == "" {
		t.Errorf("the operation saw %+v", h.sawCall)
	}
	if len(h.asked) != 1 || h.asked[0].Principal != h.sawCall.Principal || h.asked[0].Resource != openRole || h.asked[0].Region != "eu-west-3" {
		t.Errorf("asked for %+v", h.asked)
	}
	if h.post("localhost:8080", openForm+"good"); h.sawCall.Region != "us-east-1" {
		t.Errorf("elsewhere the region is %s", h.sawCall.Region)
	}
}

func TestWithoutASignatureNothingElseIsDone(t *testing.T) {
	h := newOpenHouse(t)
	for name, c := range map[string]struct{ form, want string }{
		"a bad token":               {openForm + "bad!", "<Code>InvalidIdentityToken</Code><Message>No good</Message>"},
		"a token of somebody else":  {openForm + "eve's", "<Code>AccessDenied</Code><Message>Not this one</Message>"},
		"no token":                  {strings.TrimSuffix(openForm, "&WebIdentityToken="), "<Code>ValidationError</Code>"},
		"another operation":         {"Action=GetSessionToken&Version=2011-06-15", "<Code>MissingAuthenticationToken</Code>"},
		"one that does not exist":   {"Action=Nonsense&Version=2011-06-15", "<Code>MissingAuthenticationToken</Code>"},
		"another version":           {strings.Replace(openForm, "2011", "2010", 1) + "good", "<Code>MissingAuthenticationToken</Code>"},
		"a body that is too long":   {openForm + strings.Repeat("x", maxOpenBody), "<Code>RequestEntityTooLarge</Code>"},
		"a form that is none":       {openForm + "good&a=%zz", "<Code>MalformedInput</Code>"},
		"nothing at all":            {"", "<Code>MissingAuthenticationToken</Code>"},
		"two actions, the open one": {"Action=GetSessionToken&" + openForm + "good", "<Error>"},
	} {
		w := h.post("localhost", c.form)
		if w.Code < 400 || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d: %s", name, w.Code, w.Body)
		}
	}
	if len(h.asked) != 0 {
		t.Errorf("permission was asked for: %+v", h.asked)
	}
	r := httptest.NewRequest(http.MethodGet, "https://localhost/?"+openForm+"good", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 403 {
		t.Errorf("a token in a URL: %d", w.Code)
	}
}

func TestAStrangerIsToldNothingOfThePolicies(t *testing.T) {
	h := newOpenHouse(t)
	h.deny = &auth.DeniedError{Request: auth.Request{Action: "sts:AssumeRoleWithWebIdentity", Resource: openRole}, Because: "because of the trust policy"}
	w := h.post("localhost", openForm+"good")
	if w.Code != 403 || !strings.Contains(w.Body.String(), "<Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message>") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	h.deny = errors.New("the database is gone")
	if w := h.post("localhost", openForm+"good"); w.Code != 500 || strings.Contains(w.Body.String(), "database") {
		t.Errorf("no decision: %d: %s", w.Code, w.Body)
	}
}

func TestASignatureDoesNotHarmWhereNoneIsNeeded(t *testing.T) {
	h := newOpenHouse(t)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, call{query: true, body: openForm + "good"}.request(t))
	if w.Code != 200 || h.sawCall.Principal.ARN != provider {
		t.Errorf("%d as %s: %s", w.Code, h.sawCall.Principal.ARN, w.Body)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, call{query: true, body: openForm + "good", secret: "wrong"}.request(t))
	if w.Code != 403 {
		t.Errorf("a wrong signature: %d", w.Code)
	}
}

func TestAnOpenOperationHasToFindOutWhoCalls(t *testing.T) {
	if _, err := NewService(mustLoad(t, "sts"), []Operation{OpenOp[sts.AssumeRoleWithWebIdentityInput, sts.AssumeRoleWithWebIdentityOutput]("AssumeRoleWithWebIdentity", nil)}); err == nil {
		t.Error("it was served without")
	}
}
