package keeper

import (
	"context"
	"errors"
	"strings"
	"testing"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/deploy/machine"
	"drydock/deploy/role"
	"drydock/internal/registryhost"
	"drydock/storage"
)

const pulls = "ecr:GetAuthorizationToken ecr:BatchGetImage ecr:GetDownloadUrlForLayer"

var app = machine.RepositoryImage{Account: home, Region: region, Name: "app", Reference: "1"}

func TestAnImageIsPulledByDigestAsTheExecutionRole(t *testing.T) {
	w := newWorld(t)
	digest := w.image("app", "1")
	tk := task(w.role("pull", trustsTasks, allow(pulls)))
	for _, reference := range []string{"1", digest.String()} {
		image := app
		image.Reference = reference
		p, err := w.Image(t.Context(), tk, image)
		if err != nil {
			t.Fatal(err)
		}
		if p.Address != "localhost:5000/app@"+digest.String() || p.Digest != digest.String() || p.Host != "localhost:5000" || p.User != "AWS" {
			t.Errorf("%+v", p)
		}
		who, err := w.tokens.Verify(t.Context(), p.Password)
		if err != nil || who.ARN != "arn:aws:sts::"+home+":assumed-role/pull/"+taskID {
			t.Errorf("the password is of %s, %v", who.ARN, err)
		}
	}
	assumed := 0
	for _, d := range w.decided {
		if d.Action == "sts:AssumeRole" {
			assumed++
			if d.Principal.ARN != role.ForTasks || d.Keys["aws:sourcearn"][0] != tk.ARN || d.Keys["aws:sourceaccount"][0] != home {
				t.Errorf("%+v", d)
			}
		}
	}
	if assumed != 1 {
		t.Errorf("the role was taken on %d times", assumed)
	}
	w.now = w.now.Add(5*3600e9 + 1e9)
	if _, err := w.Image(t.Context(), tk, app); err != nil {
		t.Error(err)
	}
	if a, err := w.roles.Take(t.Context(), &tk, tk.ExecutionRoleARN, role.ForTasks); err != nil || a.Expires.Sub(w.now) < 5*3600e9 {
		t.Errorf("credentials that are about to end are not made anew: until %v, %v", a.Expires, err)
	}
}

// upstream has one image, for those who may import it.
type upstream struct {
	t *testing.T
	w *world
}

func (u upstream) Manifest(ctx context.Context, ref storage.Ref, which storage.Reference, missing error, allow func(string) error) (storage.Manifest, error) {
	if ref.Name != "hub/app" {
		return storage.Manifest{}, missing
	}
	if err := allow("ecr:BatchImportUpstreamImage"); err != nil {
		return storage.Manifest{}, err
	}
	u.w.image("hub/app", which.Tag)
	return u.w.engine.Manifest(ctx, ref, which)
}

func (u upstream) Fresh(_ context.Context, _ storage.Ref, _ string, held storage.Manifest, _ func(string) error) storage.Manifest {
	held.Digest = "sha256:fresh"
	return held
}

func TestAnImageThatIsMissingComesFromUpstreamForThoseWhoMayImportIt(t *testing.T) {
	w := newWorld(t)
	o := w.options
	o.Upstream = upstream{t, w}
	k, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	theirs := app
	theirs.Name = "hub/app"
	_, err = k.Image(t.Context(), task(w.role("pull", trustsTasks, allow(pulls))), theirs)
	if err == nil || !strings.Contains(err.Error(), "ecr:BatchImportUpstreamImage on resource: arn:aws:ecr:"+region+":"+home+":repository/hub/app because") {
		t.Errorf("who may not import got %v", err)
	}
	importer := task(w.role("import", trustsTasks, allow(pulls+" ecr:BatchImportUpstreamImage")))
	p, err := k.Image(t.Context(), importer, theirs)
	if err != nil || !strings.HasPrefix(p.Address, "localhost:5000/hub/app@sha256:") || p.Digest == "sha256:fresh" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = k.Image(t.Context(), importer, theirs); err != nil || p.Digest != "sha256:fresh" {
		t.Errorf("a tag that is here is not held against upstream's: %+v, %v", p, err)
	}
	_, err = k.Image(t.Context(), importer, app)
	var unknown *storage.RepositoryUnknownError
	if !errors.As(err, &unknown) {
		t.Errorf("what is nowhere: %v", err)
	}
}

func TestARefusedPullSaysWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	w.image("app", "1")
	const unable = "ECS was unable to assume the role '"
	who := func(name string) string {
		return "User: arn:aws:sts::" + home + ":assumed-role/" + name + "/" + taskID + " is not authorized to perform: "
	}
	repository := "arn:aws:ecr:" + region + ":" + home + ":repository/app"
	unknown := app
	unknown.Reference = "2"
	nowhere := app
	nowhere.Name = "nowhere"
	for name, c := range map[string]struct {
		role  string
		image machine.RepositoryImage
		want  string
	}{
		"no role":      {"", app, "the task has no execution role, without which it cannot pull from this registry: set executionRoleArn"},
		"nothing":      {w.role("nothing", trustsTasks, ""), app, who("nothing") + "ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action"},
		"token only":   {w.role("token", trustsTasks, allow("ecr:GetAuthorizationToken")), app, who("token") + "ecr:BatchGetImage on resource: " + repository + " because"},
		"no layers":    {w.role("layers", trustsTasks, allow("ecr:GetAuthorizationToken ecr:BatchGetImage")), app, who("layers") + "ecr:GetDownloadUrlForLayer on resource: " + repository + " because"},
		"no trust":     {w.role("distrust", strings.Replace(trustsTasks, "ecs-tasks", "ec2", 1), allow("*")), app, unable + "arn:aws:iam::" + home + ":role/distrust'"},
		"no such role": {"arn:aws:iam::" + home + ":role/nobody", app, unable + "arn:aws:iam::" + home + ":role/nobody'"},
		"another account's role": {
			w.roleIn(other, "foreign", trustsTasks, allow("*")), app, unable + "arn:aws:iam::" + other + ":role/foreign'",
		},
		"no such tag":        {w.role("tags", trustsTasks, allow(pulls)), unknown, "Requested image not found"},
		"no such repository": {w.role("repositories", trustsTasks, allow(pulls)), nowhere, "The repository with name 'nowhere' does not exist in the registry with id '" + home + "'"},
		"nothing is told of what may not be asked": {
			w.role("blind", trustsTasks, allow("ecr:GetAuthorizationToken")), nowhere, who("blind") + "ecr:BatchGetImage",
		},
	} {
		_, err := w.Image(t.Context(), task(c.role), c.image)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestATrustPolicyCanAskWhichAccountsTasksTheyAre(t *testing.T) {
	w := newWorld(t)
	w.image("app", "1")
	on := func(condition string) string {
		return strings.Replace(trustsTasks, `"Action":"sts:AssumeRole"`, `"Action":"sts:AssumeRole","Condition":`+condition, 1)
	}
	for condition, want := range map[string]bool{
		`{"StringEquals":{"aws:SourceAccount":"` + home + `"},"ArnLike":{"aws:SourceArn":"arn:aws:ecs:` + region + `:` + home + `:*"}}`: true,
		`{"StringEquals":{"aws:SourceAccount":"` + other + `"}}`:                                                                        false,
		`{"ArnLike":{"aws:SourceArn":"arn:aws:ecs:*:` + other + `:*"}}`:                                                                 false,
		`{"Bool":{"aws:PrincipalIsAWSService":"true"}}`:                                                                                 true,
	} {
		arn := w.role("conditional", on(condition), allow(pulls))
		_, err := w.Image(t.Context(), task(arn), app)
		if (err == nil) != want {
			t.Errorf("%s: %v", condition, err)
		}
		must(t, w.store.DeleteInline(t.Context(), home, identity.Entity{Kind: identity.KindRole, Name: "conditional"}, "may"))
		must(t, w.store.DeleteRole(t.Context(), home, "conditional"))
	}
}

func TestARoleThatIsDeletedPullsNoMore(t *testing.T) {
	w := newWorld(t)
	w.image("app", "1")
	tk := task(w.role("pull", trustsTasks, allow(pulls)))
	p, err := w.Image(t.Context(), tk, app)
	if err != nil {
		t.Fatal(err)
	}
	gone := func() {
		t.Helper()
		must(t, w.store.DeleteInline(t.Context(), home, identity.Entity{Kind: identity.KindRole, Name: "pull"}, "may"))
		must(t, w.store.DeleteRole(t.Context(), home, "pull"))
	}
	gone()
	var refused *role.RefusedError
	if _, err := w.Image(t.Context(), tk, app); !errors.As(err, &refused) {
		t.Error(err)
	}
	if _, err := w.tokens.Verify(t.Context(), p.Password); err == nil {
		t.Error("the password outlives the role")
	}
	// Nor do the old credentials come back with a role of the same name.
	w.role("pull", trustsTasks, allow(pulls))
	p, err = w.Image(t.Context(), tk, app)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.tokens.Verify(t.Context(), p.Password); err != nil {
		t.Error(err)
	}
	must(t, w.store.DeleteInline(t.Context(), home, identity.Entity{Kind: identity.KindRole, Name: "pull"}, "may"))
	var denied *auth.DeniedError
	if _, err := w.Image(t.Context(), tk, app); !errors.As(err, &denied) {
		t.Errorf("its policy is gone: %v", err)
	}
}

func TestTheMachinesRolePullsWhereTasksHaveNone(t *testing.T) {
	w := newWorld(t)
	w.image("app", "1")
	w.options.MachineRole = w.role("ecsInstanceRole", strings.Replace(trustsTasks, "ecs-tasks", "ec2", 1), allow(pulls))
	k := got[*Keeper](t)(New(w.options))
	fargate := task("")
	fargate.LaunchType = "FARGATE"
	foreign := task("")
	foreign.Account = other
	for name, c := range map[string]struct {
		task machine.Task
		want string
	}{
		"on EC2": {task(""), ""}, "on Fargate": {fargate, "set executionRoleArn"}, "another account's": {foreign, "unable to assume"},
	} {
		_, err := k.Image(t.Context(), c.task, app)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOwnImagesAreToldFromOthers(t *testing.T) {
	sha := "sha256:" + strings.Repeat("a", 64)
	plain := got[*registryhost.Names](t)(registryhost.New(home, region, "localhost", "5000"))
	lab := got[*registryhost.Names](t)(registryhost.New(home, region, "{account}.ecr.lab.example", "443"))
	own := Repository(plain, 5000, 6000)
	for _, c := range []struct {
		of          func(string) *machine.RepositoryImage
		image, want string
	}{
		{own, "localhost:5000/app:1", home + " eu-west-1 app 1"},
		{own, "localhost:6000/team/app", home + " eu-west-1 team/app latest"},
		{own, "127.0.0.1:5000/app@" + sha, home + " eu-west-1 app " + sha},
		{own, "[::1]:5000/app:1@" + sha, home + " eu-west-1 app " + sha},
		{own, "localhost:5000/111122223333.us-east-1/app:1", "111122223333 us-east-1 app 1"},
		{own, "111122223333.dkr.ecr.us-east-1.amazonaws.com/app:v2", "111122223333 us-east-1 app v2"},
		{own, "1234567890.dkr.ecr.eu-west-1.amazonaws.com:5000/app", "1234567890 eu-west-1 app latest"},
		{own, "localhost:7000/app:1", ""},
		{own, "localhost/app:1", ""},
		{own, "app:1", ""},
		{own, "docker.io/library/httpd", ""},
		{own, "public.ecr.aws/docker/library/httpd", ""},
		{own, "registry.example:5000/app", ""},
		{own, "10.0.0.1:5000/app", ""},
		{own, "not an image", ""},
		{Repository(lab, 443), "111122223333.ecr.lab.example/app:1", "111122223333 eu-west-1 app 1"},
		{Repository(lab, 443), "localhost/app:1", home + " eu-west-1 app 1"},
		{Repository(lab, 443), "111122223333.ecr.lab.example:8443/app:1", ""},
	} {
		got := ""
		if v := c.of(c.image); v != nil {
			got = strings.Join([]string{v.Account, v.Region, v.Name, v.Reference}, " ")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.image, got, c.want)
		}
	}
}
