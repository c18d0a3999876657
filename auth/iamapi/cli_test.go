package iamapi

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheAWSCommandLineReadsWhatItIsAnswered goes the way of somebody who sets up a
// user that may pull, with the aws command line where the machine has one.
func TestTheAWSCommandLineReadsWhatItIsAnswered(t *testing.T) {
	program, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("this machine has no aws command line")
	}
	if testing.Short() {
		t.Skip("the aws command line takes its time")
	}
	h := newHouse(t)
	document := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(document, []byte(pullDocument), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"iam", "--output", "json"}, args...)...)
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_ENDPOINT_URL=" + h.url, "AWS_DEFAULT_REGION=eu-west-1", "AWS_PAGER=",
			"AWS_ACCESS_KEY_ID=" + rootKey, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_EC2_METADATA_DISABLED=true",
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	answer := func(into any, args ...string) {
		t.Helper()
		out, err := run(args...)
		if err != nil {
			t.Fatalf("aws iam %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		if into != nil {
			if err := json.Unmarshal([]byte(out), into); err != nil {
				t.Fatalf("aws iam %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
	}
	var made struct {
		Policy struct{ Arn, CreateDate string }
	}
	answer(&made, "create-policy", "--policy-name", "pull", "--policy-document", "file://"+document)
	answer(nil, "create-user", "--user-name", "dev", "--tags", "Key=team,Value=a")
	answer(nil, "attach-user-policy", "--user-name", "dev", "--policy-arn", made.Policy.Arn)

	var version struct {
		PolicyVersion struct{ Document map[string]any }
	}
	answer(&version, "get-policy-version", "--policy-arn", made.Policy.Arn, "--version-id", "v1")
	if version.PolicyVersion.Document["Version"] != "2012-10-17" {
		t.Errorf("the policy was read as %+v", version.PolicyVersion.Document)
	}
	var users struct {
		Users []struct{ UserName, Arn string }
	}
	answer(&users, "list-users", "--page-size", "1")
	if len(users.Users) != 1 || users.Users[0].Arn != "arn:aws:iam::123456789012:user/dev" {
		t.Errorf("the users were read as %+v", users)
	}
	var simulated struct {
		EvaluationResults []struct{ EvalDecision string }
	}
	answer(&simulated, "simulate-principal-policy", "--policy-source-arn", users.Users[0].Arn, "--action-names", "ecr:BatchGetImage", "ecr:PutImage")
	if r := simulated.EvaluationResults; len(r) != 2 || r[0].EvalDecision != "allowed" || r[1].EvalDecision != "implicitDeny" {
		t.Errorf("the simulation was read as %+v", r)
	}
	for _, c := range []struct{ args, want string }{
		{"get-user --user-name nobody", "An error occurred (NoSuchEntity) when calling the GetUser operation: The user with name nobody cannot be found."},
		{"list-mfa-devices", "(InvalidAction) when calling the ListMFADevices operation: drydock does not provide the operation ListMFADevices of iam."},
	} {
		if out, err := run(strings.Fields(c.args)...); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("aws iam %s: %v\n%s", c.args, err, out)
		}
	}
}
