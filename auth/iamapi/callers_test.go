package iamapi

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"drydock/auth/identity"
)

func TestSessionsOfUsersAndRootsMayNotCallIAM(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.user(t, "bob")
	bob := must(h.store.CreateAccessKey(ctx, accountID, "bob"))(t).ID
	role := must(h.store.CreateRole(ctx, accountID, identity.NewRole{Name: "ci", Trust: trustDocument}))(t).ARN()
	const invalid = "InvalidClientTokenId: The security token included in the request is invalid."
	for about, c := range map[string]struct {
		session identity.NewSession
		want    string
	}{
		"a user's":           {identity.NewSession{As: bob}, invalid},
		"a root's":           {identity.NewSession{As: rootKey}, invalid},
		"a federated user's": {identity.NewSession{Federated: bob, Name: "dave", Terms: identity.Terms{Policy: anyDocument}}, invalid},
		"a role's":           {identity.NewSession{Role: role, Name: "me"}, ""},
	} {
		c.session.Lifetime = time.Hour
		made := must(h.store.CreateSession(ctx, c.session))(t)
		client := iam.New(iam.Options{
			Region: "us-east-1", BaseEndpoint: &h.url, RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(made.AccessKeyID, made.SecretAccessKey, made.SessionToken),
		})
		wantRefusal(t, about, refused(client.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("bob")})), c.want)
	}
}
