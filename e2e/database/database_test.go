// Package database holds the tests of a server whose records are in PostgreSQL: the
// main job with docker and the aws CLI, what several servers share without being told
// of each other, and what clients see while the database is killed under them.
package database

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drydock/e2e/harness"
	"drydock/storage/blob/s3/s3test"
	"drydock/storage/meta/testdb"
)

// onPostgres are the options of servers that share a database, and nothing else that
// they were told of but the key of its secrets.
func onPostgres(address string) harness.Options {
	var key [32]byte
	_, _ = rand.Read(key[:]) // documented never to fail
	return harness.Options{Env: []string{
		"DRYDOCK_DB=" + address,
		"DRYDOCK_SEAL_KEY=" + base64.StdEncoding.EncodeToString(key[:]),
	}}
}

// withBucket adds a bucket of an S3 server of the test's own.
func withBucket(t *testing.T, o harness.Options) harness.Options {
	t.Helper()
	service := s3test.Start(t)
	o.Args = append(o.Args, "--blobs", fmt.Sprintf("s3://%s/drydock?endpoint=%s&region=%s&path-style=true", service.Bucket(t), url.QueryEscape(service.Endpoint), s3test.Region))
	o.Env = append(o.Env, "DRYDOCK_S3_ACCESS_KEY_ID="+service.AccessKeyID, "DRYDOCK_S3_SECRET_ACCESS_KEY="+service.SecretAccessKey)
	return o
}

// machine is this one with the tools that people have, and the key of somebody.
type machine struct {
	harness.Runner
	aws string // stands before a command line with the aws CLI
}

func newMachine(t *testing.T, env []string) machine {
	t.Helper()
	aws, err := harness.Script(t, "ensure-aws")
	if err != nil {
		harness.Unavailable(t, "%v", err)
	}
	return machine{harness.Docker(t, env), aws}
}

// at is the machine with the aws CLI calling one server.
func (m machine) at(s *harness.Server) machine {
	m.Runner = m.With("AWS_ENDPOINT_URL=" + s.URL())
	return m
}

// cli runs the aws CLI and returns what it prints.
func (m machine) cli(t *testing.T, line string) string {
	t.Helper()
	return strings.TrimSpace(m.Shell(t, m.aws+"aws "+line+" --output text"))
}

func (m machine) login(t *testing.T, s *harness.Server) {
	t.Helper()
	m.Shell(t, m.aws+"aws ecr get-login-password | docker login --username AWS --password-stdin "+s.Host())
}

// image builds an image whose layers nothing makes smaller and returns its id.
func (m machine) image(t *testing.T, name string, layers, size int) string {
	t.Helper()
	dir := t.TempDir()
	file := "FROM scratch\n"
	for i := range layers {
		content := make([]byte, size)
		_, _ = rand.Read(content)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("layer%d", i)), content, 0o644); err != nil {
			t.Fatal(err)
		}
		file += fmt.Sprintf("COPY layer%d /layer%d\n", i, i)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	m.Run(t, "docker", "build", "-q", "-t", name, dir)
	t.Cleanup(func() { _, _ = m.Try("", "docker", "rmi", "-f", name) })
	return m.id(t, name)
}

func (m machine) id(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(m.Run(t, "docker", "image", "inspect", "--format", "{{.Id}}", name))
}

// pulled pulls an image that is not here and returns its id.
func (m machine) pulled(t *testing.T, name string) string {
	t.Helper()
	m.Run(t, "docker", "pull", "-q", name)
	t.Cleanup(func() { _, _ = m.Try("", "docker", "rmi", "-f", name) })
	return m.id(t, name)
}

func TestTheMainJobOnTwoServersThatWereToldNothingButWhereTheirRecordsAre(t *testing.T) {
	harness.EndToEnd(t)
	o := withBucket(t, onPostgres(testdb.Postgres(t).URL))
	// No root key: the first server makes one.
	o.Env = append(o.Env, "DRYDOCK_ROOT_ACCESS_KEY_ID=", "DRYDOCK_ROOT_SECRET_ACCESS_KEY=")
	a, b := harness.Start(t, o), harness.Start(t, o)

	// What either prints works with the other.
	plain := harness.Runner{Env: harness.Environ()}
	exports := plain.Run(t, harness.Binary(t), "env", "--data", b.Data)
	settings := []string{"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER="}
	for line := range strings.Lines(exports) {
		settings = append(settings, strings.Trim(strings.TrimPrefix(strings.TrimSpace(line), "export "), "'"))
	}
	m := newMachine(t, harness.Environ(settings...))
	m.at(a).cli(t, "ecr create-repository --repository-name team/hello")
	if got := m.at(b).cli(t, "ecr describe-repositories --query repositories[].repositoryName"); got != "team/hello" {
		t.Errorf("the other server knows the repositories %q", got)
	}
	first, second := a.Host()+"/team/hello:v1", b.Host()+"/team/hello:v1"
	id := m.image(t, first, 2, 1<<20)
	m.at(b).login(t, a) // a password from one for the other
	m.at(a).login(t, b)
	m.Run(t, "docker", "push", "-q", first)
	m.Run(t, "docker", "rmi", "-f", first)
	if got := m.pulled(t, second); got != id {
		t.Errorf("the image that the other server gives is %s, the one pushed was %s", got, id)
	}
	digest := m.at(b).cli(t, "ecr describe-images --repository-name team/hello --query imageDetails[0].imageDigest")
	if got := m.at(a).cli(t, "ecr batch-get-image --repository-name team/hello --image-ids imageTag=v1 --query images[0].imageId.imageDigest"); got != digest || digest == "" {
		t.Errorf("one server says %s, the other %s", got, digest)
	}

	// Who trusts the one trusts the other.
	authority := plain.Run(t, harness.Binary(t), "trust", "--data", a.Data)
	if other := plain.Run(t, harness.Binary(t), "trust", "--data", b.Data); other != authority {
		t.Error("the servers have different authorities")
	}
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, []byte(authority), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*harness.Server{a, b} {
		who := m.With("AWS_ENDPOINT_URL=https://"+s.Host(), "AWS_CA_BUNDLE="+bundle).Shell(t, m.aws+"aws sts get-caller-identity --query Arn --output text")
		if !strings.HasSuffix(strings.TrimSpace(who), ":root") {
			t.Errorf("over TLS the caller is %s", who)
		}
	}

	// A third, with another key of the secrets, is told so.
	o.Env = append(o.Env, "DRYDOCK_SEAL_KEY="+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err := harness.New(t, o).Start(); err == nil || !strings.Contains(err.Error(), "DRYDOCK_SEAL_KEY: give the key that the database's other servers have") {
		t.Errorf("with another seal key: %v", err)
	}
	password, _ := url.Parse(databaseOf(o))
	secret, _ := password.User.Password()
	for _, s := range []*harness.Server{a, b} {
		arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.Pid()))
		if err != nil {
			t.Fatal(err)
		}
		if secret == "" || strings.Contains(string(arguments), secret) || strings.Contains(s.Log(), secret) {
			t.Error("the password of the database is to be seen")
		}
		if status, text, err := s.Get("/metrics"); err != nil || status != 200 || !strings.Contains(text, "\ndrydock_database_size_bytes ") {
			t.Errorf("/metrics: %d, %v, and no size of the database", status, err)
		}
	}
}

func databaseOf(o harness.Options) string {
	for _, kv := range o.Env {
		if address, ok := strings.CutPrefix(kv, "DRYDOCK_DB="); ok {
			return address
		}
	}
	return ""
}

func TestWhoMayDoWhatIsKnownToTheOtherServerAtItsNextRequest(t *testing.T) {
	harness.EndToEnd(t)
	o := onPostgres(testdb.Postgres(t).URL)
	o = withBucket(t, o)
	a, b := harness.Start(t, o), harness.Start(t, o)
	m := newMachine(t, a.AWSEnv())
	at := m.at(a)
	at.cli(t, "ecr create-repository --repository-name demo")
	at.login(t, a)
	image := b.Host() + "/demo:v1"
	m.image(t, a.Host()+"/demo:v1", 1, 1000)
	m.Run(t, "docker", "push", "-q", a.Host()+"/demo:v1")

	at.cli(t, "iam create-user --user-name dev")
	key := strings.Fields(at.cli(t, "iam create-access-key --user-name dev --query AccessKey.[AccessKeyId,SecretAccessKey]"))
	if len(key) != 2 {
		t.Fatalf("the key is %q", key)
	}
	at.cli(t, "iam attach-user-policy --user-name dev --policy-arn arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly")
	dev := m.at(b)
	dev.Runner = dev.With("AWS_ACCESS_KEY_ID="+key[0], "AWS_SECRET_ACCESS_KEY="+key[1], "DOCKER_CONFIG="+t.TempDir())
	dev.login(t, b)
	pulls := func() error {
		_, _ = dev.Try("", "docker", "rmi", "-f", image)
		_, err := dev.Try("", "docker", "pull", "-q", image)
		return err
	}
	if err := pulls(); err != nil {
		t.Fatal(err)
	}
	// Each of these is done at one server while the other has just answered, and so
	// remembers how it was.
	const onlyKey = "iam update-access-key --user-name dev --access-key-id "
	for _, c := range []struct{ change, refused string }{
		{"iam put-user-policy --user-name dev --policy-name no --policy-document '" + `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"ecr:BatchGetImage","Resource":"*"}}` + "'", "with an explicit deny"},
		{"iam detach-user-policy --user-name dev --policy-arn arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly", "with an explicit deny"},
		{"iam delete-user-policy --user-name dev --policy-name no", "no identity-based policy allows"},
		{"ecr set-repository-policy --repository-name demo --policy-text '" + `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/dev"},"Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"]}}` + "'", ""},
		{onlyKey + key[0] + " --status Inactive", "authentication required"},
	} {
		at.cli(t, c.change)
		if err := pulls(); c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("after %s, docker pull at the other server: %v\nwant %q", c.change, err, c.refused)
		}
	}
}
