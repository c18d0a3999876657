package audit

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"drydock/auth"
	"drydock/auth/enforce"
	"drydock/auth/policy"
	"drydock/internal/requestid"
)

func decision(t *testing.T, allowed bool) enforce.Decision {
	t.Helper()
	d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"*"}]}`), policy.Identity)
	if err != nil {
		t.Fatal(err)
	}
	out := enforce.Decision{
		Request: auth.Request{
			Principal: auth.Principal{ARN: "arn:aws:iam::123456789012:user/team/dev", Account: "123456789012", UserID: "AIDADEV", AccessKeyID: "AKIADEV"},
			Action:    "ecr:PutImage", Resource: "arn:aws:ecr:eu-west-1:123456789012:repository/demo", ResourceAccount: "123456789012", Region: "eu-west-1",
		},
		Origin: &auth.Origin{Source: netip.MustParseAddr("10.0.0.1"), UserAgent: "docker/28", At: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)},
	}
	if allowed {
		out.Allowed, out.Reason = true, policy.AllowedByIdentity
		out.Deciding = policy.Match{Policy: &policy.Attached{Kind: policy.KindIdentity, Name: "all", Document: d}, Statement: d.Statements[0]}
	}
	return out
}

func TestARecordHasTheShapeOfCloudTrails(t *testing.T) {
	trail := NewTrail()
	ctx := requestid.With(t.Context(), "4fa9a867-42c6-41b9-b2dd-37e7b9ac8c8b")
	trail.Record(ctx, decision(t, true))
	trail.Record(ctx, decision(t, false))
	entries := trail.Last(10)
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	allowed, denied := entries[0].Record(), entries[1].Record()
	if g := allowed.AdditionalEventData; g != (Grounds{"allowed", "an identity-based policy allows it", "all", "statement 1"}) || allowed.ErrorCode != "" {
		t.Errorf("allowed: %+v", allowed)
	}
	if denied.ErrorCode != "AccessDenied" || !strings.HasSuffix(denied.ErrorMessage, "because no identity-based policy allows the ecr:PutImage action") || denied.AdditionalEventData.Decision != "denied" {
		t.Errorf("denied: %+v", denied)
	}
	if allowed.EventID == denied.EventID {
		t.Error("two records have one id")
	}
	text, err := json.Marshal(allowed)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"eventSource":"ecr.amazonaws.com"`, `"eventName":"PutImage"`, `"eventTime":"2026-11-24T08:00:00Z"`, `"awsRegion":"eu-west-1"`,
		`"sourceIPAddress":"10.0.0.1"`, `"userAgent":"docker/28"`, `"requestID":"4fa9a867-42c6-41b9-b2dd-37e7b9ac8c8b"`,
		`"userIdentity":{"type":"IAMUser","principalId":"AIDADEV","arn":"arn:aws:iam::123456789012:user/team/dev","accountId":"123456789012","accessKeyId":"AKIADEV","userName":"dev"}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\nlacks %s", text, want)
		}
	}
}

func TestTheLatestAreKeptAndComeInOrder(t *testing.T) {
	trail := NewTrail()
	d := decision(t, true)
	for range kept + 10 {
		trail.Record(t.Context(), d)
	}
	for _, n := range []int{0, 1, 5, kept, kept + 100} {
		list := trail.Last(n)
		if len(list) != min(n, kept) {
			t.Errorf("of %d: %d", n, len(list))
		}
		for i, e := range list {
			if e.Number != uint64(kept+10-len(list)+i+1) {
				t.Fatalf("of %d: entry %d has number %d", n, i, e.Number)
			}
		}
	}
}

func TestAFollowerGetsWhatComesAndHoldsNobodyUp(t *testing.T) {
	trail := NewTrail()
	d := decision(t, false)
	trail.Record(t.Context(), d)
	before, f := trail.Follow(5)
	if len(before) != 1 {
		t.Errorf("%d before", len(before))
	}
	for range room + 7 {
		trail.Record(t.Context(), d)
	}
	if e := <-f.Entries(); e.Number != 2 {
		t.Errorf("the first to come is %d", e.Number)
	}
	if f.Missed() != 7 {
		t.Errorf("%d missed", f.Missed())
	}
	f.Close()
	trail.Record(t.Context(), d)
	if len(f.Entries()) != room-1 {
		t.Errorf("%d after it was closed", len(f.Entries()))
	}
}
