package auth

import "testing"

func TestARefusalNamesTheResourceAsItsServiceDoes(t *testing.T) {
	r := Request{Principal: Principal{ARN: "arn:aws:iam::123456789012:user/dev"}, Action: "iam:GetUser", Resource: "arn:aws:iam::123456789012:user/ops/bob"}
	because := "because no identity-based policy allows the iam:GetUser action"
	const who = "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: iam:GetUser"
	if got, want := (&DeniedError{Request: r, Because: because}).Error(), who+" on resource: arn:aws:iam::123456789012:user/ops/bob "+because; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.Shown = "user bob"
	if got, want := (&DeniedError{Request: r, Because: because}).Error(), who+" on resource: user bob "+because; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.Shown, r.Resource = "", ""
	if got, want := (&DeniedError{Request: r, Because: because}).Error(), who+" "+because; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
