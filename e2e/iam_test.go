package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"drydock/e2e/harness"
)

// person is somebody with an access key and a docker of their own.
type person struct {
	harness.Runner
	aws string // stands before a command line with the aws CLI
}

// aws runs the aws CLI and returns what it prints.
func (p person) cli(t *testing.T, line string) string {
	t.Helper()
	return strings.TrimSpace(p.Shell(t, p.aws+"aws "+line+" --output text"))
}

// refused runs a command line that has to fail and checks what it says.
func (p person) refused(t *testing.T, line, says string) {
	t.Helper()
	_, err := p.Try("", "bash", "-euo", "pipefail", "-c", p.aws+line)
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v\nwant it to say: %s", line, err, says)
	}
}

func (p person) login(t *testing.T, registry string) {
	t.Helper()
	p.Shell(t, p.aws+"aws ecr get-login-password | docker login --username AWS --password-stdin "+registry)
}

// as is the same machine with another key, and with a docker that knows no
// password yet.
func (p person) as(t *testing.T, id, secret, token string) person {
	t.Helper()
	settings := []string{"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret, "DOCKER_CONFIG=" + t.TempDir()}
	if token != "" {
		settings = append(settings, "AWS_SESSION_TOKEN="+token)
	}
	p.Runner = p.With(settings...)
	return p
}

// user creates a user with a key.
func (p person) user(t *testing.T, name string) person {
	t.Helper()
	p.cli(t, "iam create-user --user-name "+name)
	key := strings.Fields(p.cli(t, "iam create-access-key --user-name "+name+" --query 'AccessKey.[AccessKeyId,SecretAccessKey]'"))
	if len(key) != 2 {
		t.Fatalf("no key for %s: %q", name, key)
	}
	return p.as(t, key[0], key[1], "")
}

func document(t *testing.T, statements ...map[string]any) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	return "'" + string(b) + "'"
}

func allow(resource string, actions ...string) map[string]any {
	return map[string]any{"Effect": "Allow", "Action": actions, "Resource": resource}
}

var pulling = []string{"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"}

func refusal(who, action, repository string) string {
	return fmt.Sprintf("User: arn:aws:iam::123456789012:user/%s is not authorized to perform: %s on resource: arn:aws:ecr:us-east-1:123456789012:repository/%s because no identity-based policy allows the %s action",
		who, action, repository, action)
}

func TestAUserMayPullWhatAPolicySaysAndNothingElse(t *testing.T) {
	harness.EndToEnd(t)
	s := harness.Start(t, harness.Options{})
	root := person{harness.Docker(t, s.AWSEnv()), ensureAWS(t)}
	host := s.Host()
	root.login(t, host)
	for _, name := range []string{"team-a/x", "team-b/x"} {
		root.cli(t, "ecr create-repository --repository-name "+name)
		helloImage(t, root.Runner, host+"/"+name)
		root.Run(t, "docker", "push", host+"/"+name)
	}

	dev := root.user(t, "dev")
	policy := root.cli(t, "iam create-policy --policy-name pull-team-a --query Policy.Arn --policy-document "+document(t,
		allow("*", "ecr:GetAuthorizationToken"), allow("arn:aws:ecr:us-east-1:123456789012:repository/team-a/*", pulling...)))
	dev.refused(t, "aws ecr get-login-password", "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action")
	root.cli(t, "iam attach-user-policy --user-name dev --policy-arn "+policy)
	dev.login(t, host)

	dev.Run(t, "docker", "pull", host+"/team-a/x")
	dev.refused(t, "docker pull "+host+"/team-b/x", refusal("dev", "ecr:BatchGetImage", "team-b/x"))
	dev.refused(t, "docker push "+host+"/team-a/x", refusal("dev", "ecr:PutImage", "team-a/x"))
	dev.refused(t, "aws ecr describe-repositories", "AccessDeniedException")
	dev.refused(t, "aws iam list-users", "AccessDenied")

	// What changes takes effect at the next request of a docker that is logged in.
	version := root.cli(t, "iam create-policy-version --set-as-default --query PolicyVersion.VersionId --policy-arn "+policy+" --policy-document "+document(t,
		allow("arn:aws:ecr:us-east-1:123456789012:repository/team-b/*", pulling...)))
	if version != "v2" {
		t.Errorf("the second version is %s", version)
	}
	dev.Run(t, "docker", "pull", host+"/team-b/x")
	dev.refused(t, "docker pull "+host+"/team-a/x", refusal("dev", "ecr:BatchGetImage", "team-a/x"))

	key := root.cli(t, "iam list-access-keys --user-name dev --query AccessKeyMetadata[0].AccessKeyId")
	root.cli(t, "iam update-access-key --user-name dev --status Inactive --access-key-id "+key)
	dev.refused(t, "docker pull "+host+"/team-b/x", "unauthorized: authentication required")
	root.cli(t, "iam update-access-key --user-name dev --status Active --access-key-id "+key)
	dev.Run(t, "docker", "pull", host+"/team-b/x")

	root.cli(t, "iam delete-access-key --user-name dev --access-key-id "+key)
	root.cli(t, "iam detach-user-policy --user-name dev --policy-arn "+policy)
	root.cli(t, "iam delete-user --user-name dev")
	_, err := dev.Try("", "docker", "pull", host+"/team-b/x")
	if err == nil {
		t.Error("a user who was deleted still pulls")
	}
	dev.refused(t, "aws sts get-caller-identity", "InvalidClientTokenId")
}

func TestARepositoryPolicyLetsAnotherAccountPull(t *testing.T) {
	harness.EndToEnd(t)
	s := harness.Start(t, harness.Options{})
	root := person{harness.Docker(t, s.AWSEnv()), ensureAWS(t)}
	host := s.Host()
	root.login(t, host)
	root.cli(t, "ecr create-repository --repository-name shared")
	helloImage(t, root.Runner, host+"/shared")
	root.Run(t, "docker", "push", host+"/shared")

	var made struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
	}
	out := root.Run(t, harness.Binary(t), "account", "create", "222233334444", "--data", s.Data)
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	other := root.as(t, made.ID, made.Secret, "")
	other.login(t, host)
	other.refused(t, "docker pull "+host+"/shared", "User: arn:aws:iam::222233334444:root is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:us-east-1:123456789012:repository/shared because no resource-based policy allows the ecr:BatchGetImage action")

	grant := map[string]any{"Effect": "Allow", "Principal": map[string]string{"AWS": "arn:aws:iam::222233334444:root"}, "Action": pulling}
	root.cli(t, "ecr set-repository-policy --repository-name shared --policy-text "+document(t, grant))
	other.Run(t, "docker", "pull", host+"/shared")
	other.refused(t, "docker push "+host+"/shared", "because no resource-based policy allows the ecr:PutImage action")

	// The other account's own policies have to allow it as well.
	worker := other.user(t, "worker")
	other.cli(t, "iam put-user-policy --user-name worker --policy-name login --policy-document "+document(t, allow("*", "ecr:GetAuthorizationToken")))
	worker.login(t, host)
	worker.refused(t, "docker pull "+host+"/shared", "because no identity-based policy allows the ecr:BatchGetImage action")
	other.cli(t, "iam attach-user-policy --user-name worker --policy-arn arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly")
	worker.Run(t, "docker", "pull", host+"/shared")

	root.cli(t, "ecr delete-repository-policy --repository-name shared")
	worker.refused(t, "docker pull "+host+"/shared", "because no resource-based policy allows the ecr:BatchGetImage action")
}

func TestARolesCredentialsDriveTheLogin(t *testing.T) {
	harness.EndToEnd(t)
	s := harness.Start(t, harness.Options{})
	root := person{harness.Docker(t, s.AWSEnv()), ensureAWS(t)}
	host := s.Host()
	root.cli(t, "ecr create-repository --repository-name demo")
	ci := root.user(t, "ci")
	trust := document(t, map[string]any{"Effect": "Allow", "Principal": map[string]string{"AWS": "arn:aws:iam::123456789012:user/ci"}, "Action": "sts:AssumeRole"})
	role := root.cli(t, "iam create-role --role-name pusher --query Role.Arn --assume-role-policy-document "+trust)
	ci.refused(t, "aws ecr get-login-password", "is not authorized to perform: ecr:GetAuthorizationToken")
	root.cli(t, "iam attach-role-policy --role-name pusher --policy-arn arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser")

	assumed := strings.Fields(ci.cli(t, "sts assume-role --role-session-name build-7 --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --role-arn "+role))
	if len(assumed) != 3 {
		t.Fatalf("assume-role answers %q", assumed)
	}
	pusher := ci.as(t, assumed[0], assumed[1], assumed[2])
	if who := pusher.cli(t, "sts get-caller-identity --query Arn"); who != "arn:aws:sts::123456789012:assumed-role/pusher/build-7" {
		t.Errorf("the caller is %s", who)
	}
	pusher.login(t, host)
	helloImage(t, pusher.Runner, host+"/demo")
	pusher.Run(t, "docker", "push", host+"/demo")
	pusher.refused(t, "aws ecr delete-repository --force --repository-name demo",
		"User: arn:aws:sts::123456789012:assumed-role/pusher/build-7 is not authorized to perform: ecr:DeleteRepository on resource: arn:aws:ecr:us-east-1:123456789012:repository/demo because no identity-based policy allows the ecr:DeleteRepository action")
	ci.as(t, assumed[0], assumed[1], "").refused(t, "aws sts get-caller-identity", "InvalidClientTokenId")

	// Only whom the role trusts may assume it.
	stranger := root.user(t, "stranger")
	root.cli(t, "iam put-user-policy --user-name stranger --policy-name all --policy-document "+document(t, allow("*", "*")))
	stranger.refused(t, "aws sts assume-role --role-session-name xx --role-arn "+role, "is not authorized to perform: sts:AssumeRole on resource: "+role)
}
