package policy

import "testing"

// Source: IAM User Guide, "Example identity-based and resource-based policy
// evaluation": Carlos and his two buckets.
func TestCarlosMayUseHisBucketAndNoBucketOfLogs(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:user/carlossalazar"
	carlos := &Subject{Kind: User, ARN: arn, Account: "123456789012", Identity: []Attached{{Kind: KindIdentity, Document: mustParse(t, `{
		"Version": "2012-10-17", "Statement": [
		{"Sid": "ListAll", "Effect": "Allow", "Action": ["s3:GetBucketLocation", "s3:ListAllMyBuckets"], "Resource": "arn:aws:s3:::*"},
		{"Sid": "Own", "Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::carlossalazar/*", "arn:aws:s3:::carlossalazar"]},
		{"Sid": "NoLogs", "Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::*log*"}]}`, Identity)}}}
	bucketPolicy := &Attached{Kind: KindResource, Document: mustParse(t, statement(`"Effect":"Allow","Principal":{"AWS":"`+arn+`"},
		"Action":"s3:*","Resource":["arn:aws:s3:::carlossalazar/*","arn:aws:s3:::carlossalazar"]`), Resource)}

	d := Decide(&Query{Subject: carlos, Action: "s3:PutObject", Resource: "arn:aws:s3:::carlossalazar-logs/a", ResourceAccount: carlos.Account})
	if d.Allowed || d.Reason != ExplicitIdentity || d.Deciding.Statement.Sid != "NoLogs" {
		t.Errorf("the bucket of logs: %+v", d)
	}
	d = Decide(&Query{Subject: carlos, Action: "s3:PutObject", Resource: "arn:aws:s3:::carlossalazar/a", ResourceAccount: carlos.Account, ResourcePolicy: bucketPolicy})
	if !d.Allowed || d.Deciding.Policy != bucketPolicy {
		t.Errorf("his own bucket: %+v", d)
	}
}

// Source: IAM User Guide, "The difference between explicit and implicit denies".
func TestWhatIsNotAllowedIsDeniedImplicitlyAndADenialExplicitly(t *testing.T) {
	u := theUser()
	u.Identity = []Attached{
		{Document: mustParse(t, `{"Version":"2012-10-17","Statement":[
			{"Sid":"AllowGetList","Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"},
			{"Sid":"DenyReports","Effect":"Deny","Action":"iam:*Report","Resource":"*"}]}`, Identity)},
		{Document: mustParse(t, statement(`"Effect":"Allow","Action":"iam:GenerateCredentialReport","Resource":"*"`), Identity)},
	}
	for action, want := range map[string]Reason{
		"iam:GetUser":                      AllowedByIdentity,
		"IAM:listusers":                    AllowedByIdentity,
		"iam:CreatePolicy":                 ImplicitIdentity,
		"iam:GetOrganizationsAccessReport": ExplicitIdentity,
		"iam:GenerateCredentialReport":     ExplicitIdentity,
		"iamx:GetUser":                     ImplicitIdentity,
		"":                                 ImplicitIdentity,
	} {
		decided(t, &Query{Subject: u, Action: action, Resource: "*"}, want)
	}
}
