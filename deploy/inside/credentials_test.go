package inside

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"drydock/auth/identity"
	"drydock/deploy/machine"
)

// sdk are the credentials of the task's role as AWS's SDK gets them.
func (w *world) sdk(st machine.State) aws.CredentialsProvider {
	w.t.Helper()
	return endpointcreds.New(w.place.MetadataURL()+"/v2/credentials/"+got[string](w.t)(w.ids.Role(st.ARN)), func(o *endpointcreds.Options) {
		o.Retryer = aws.NopRetryer{}
	})
}

func TestTheSDKInAContainerActsAsTheTasksRole(t *testing.T) {
	w := newWorld(t)
	st := w.task("0123", local, func(t *machine.Task) { t.RoleARN = w.role("app", "ecs:ListClusters") })
	keys := w.sdk(st)
	c := got[aws.Credentials](t)(keys.Retrieve(t.Context()))
	if !c.CanExpire || time.Until(c.Expires) < time.Hour {
		t.Errorf("they end at %v", c.Expires)
	}
	url := w.place.APIURL()
	who := got[*sts.GetCallerIdentityOutput](t)(sts.New(sts.Options{Region: region, BaseEndpoint: &url, Credentials: keys}).GetCallerIdentity(t.Context(), nil))
	if *who.Arn != "arn:aws:sts::1234567890:assumed-role/app/0123" {
		t.Errorf("the container is %s", *who.Arn)
	}
	api := ecs.New(ecs.Options{Region: region, BaseEndpoint: &url, Credentials: keys})
	if _, err := api.ListClusters(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := api.CreateCluster(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "assumed-role/app/0123 is not authorized to perform: ecs:CreateCluster") {
		t.Errorf("more than its role: %v", err)
	}
	if again := got[aws.Credentials](t)(keys.Retrieve(t.Context())); again.AccessKeyID != c.AccessKeyID {
		t.Error("each time they are other ones")
	}
}

func TestCredentialsEndWithTheTask(t *testing.T) {
	w := newWorld(t)
	st := w.task("0123", local, func(t *machine.Task) { t.RoleARN = w.role("app") })
	c := got[aws.Credentials](t)(w.sdk(st).Retrieve(t.Context()))
	if _, err := w.store.Lookup(t.Context(), c.AccessKeyID); err != nil {
		t.Fatal(err)
	}
	st.Status = machine.Stopped
	w.fleet.set(st)
	w.fleet.watcher <- st
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := w.store.Lookup(t.Context(), c.AccessKeyID); err != nil {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the credentials outlive the task")
		}
	}
	if _, err := w.sdk(st).Retrieve(t.Context()); err == nil {
		t.Error("a task that has stopped gets new ones")
	}
	// What the machine has forgotten to tell makes no difference to its role.
	st.Status = machine.Running
	w.fleet.set(st)
	if _, err := w.sdk(st).Retrieve(t.Context()); err == nil {
		t.Error("a role is taken on again for a task that has ended")
	}
}

func TestTasksThatStoppedWhileNobodyLookedHaveNoCredentials(t *testing.T) {
	w := newWorld(t)
	st := w.task("0123", local, func(t *machine.Task) { t.RoleARN = w.role("app") })
	c := got[aws.Credentials](t)(w.sdk(st).Retrieve(t.Context()))
	w.stop()
	st.Status = machine.Stopped
	w.fleet.set(st)
	must(t, w.end(t.Context(), st.ARN))
	if _, err := w.store.Lookup(t.Context(), c.AccessKeyID); err == nil {
		t.Error("the credentials outlive the task")
	}
}

func TestCredentialsAreGivenToWhomTheyAreFor(t *testing.T) {
	w := newWorld(t)
	none := w.task("0123", "172.17.0.2")
	st := w.task("4567", "172.17.0.3", func(t *machine.Task) { t.RoleARN, t.ExecutionRoleARN = w.role("app"), w.role("pull") })
	gone := w.task("89ab", "172.17.0.4", func(t *machine.Task) { t.RoleARN = "arn:aws:iam::" + home + ":role/gone" })
	role := func(st machine.State) string { return got[string](t)(w.ids.Role(st.ARN)) }
	execution := got[string](t)(w.ids.ExecutionRole(st.ARN))
	const unknown = `{"code":"InvalidIdInRequest","message":"CredentialsV2Request: Credentials not found"}`
	for name, c := range map[string]struct {
		id, from string
		status   int
		want     string
	}{
		"the task":                       {role(st), "172.17.0.3", 200, `"RoleArn":"arn:aws:iam::1234567890:role/app"`},
		"another task":                   {role(st), "172.17.0.2", 400, unknown},
		"the machine":                    {role(st), local, 400, unknown},
		"the log driver":                 {execution, local, 200, `"RoleArn":"arn:aws:iam::1234567890:role/pull"`},
		"the task, its execution role":   {execution, "172.17.0.3", 400, unknown},
		"a task without a role":          {role(none), "172.17.0.2", 400, unknown},
		"a task without a execution one": {got[string](t)(w.ids.ExecutionRole(none.ARN)), local, 400, unknown},
		"the id of its metadata":         {w.id(st), "172.17.0.3", 400, unknown},
		"a role that is gone":            {role(gone), "172.17.0.4", 400, `"code":"AccessDenied","message":"ECS was unable to assume the role`},
	} {
		status, body := from(t, w.Metadata(), c.from, http.MethodGet, "/v2/credentials/"+c.id)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestATaskProtectsItselfAsItsRole(t *testing.T) {
	w := newWorld(t)
	inService := func(role string) func(*machine.Task) {
		return func(t *machine.Task) { t.Service, t.RoleARN = "shop", role }
	}
	_, err := ecs.New(ecs.Options{Region: region, Credentials: aws.CredentialsProviderFunc(root), HTTPClient: within{w.o.API, local + ":1"}}).CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("default")})
	must(t, err)
	st := w.task("0123", local, inService(w.role("app", "ecs:GetTaskProtection", "ecs:UpdateTaskProtection")))
	ask := func(st machine.State, body string) (int, string) {
		method := http.MethodPut
		if body == "" {
			method = http.MethodGet
		}
		return w.ask(method, "/api/"+w.id(st)+"/task-protection/v1/state", body)
	}
	for _, c := range []struct{ body, want string }{
		{"", `{"protection":{"ProtectionEnabled":false,"TaskArn":"arn:aws:ecs:eu-west-1:1234567890:task/default/0123"}}`},
		{`{"ProtectionEnabled":true,"ExpiresInMinutes":60}`, `{"protection":{"ExpirationDate":"`},
		{"", `","ProtectionEnabled":true,"TaskArn":"`},
		{`{"ProtectionEnabled":true,"ExpiresInMinutes":9999}`, `{"error":{"Arn":"arn:aws:ecs:eu-west-1:1234567890:task/default/0123","Code":"InvalidParameterException"`},
		{`{"ProtectionEnabled":false}`, `{"protection":{"ProtectionEnabled":false`},
		{`{}`, `"Message":"Invalid request: does not contain 'ProtectionEnabled' field"`},
		{`{"Protection":1}`, `"Message":"UpdateTaskProtection: failed to decode request"`},
	} {
		if status, got := ask(st, c.body); !strings.Contains(got, c.want) || (status == 200) != strings.Contains(got, `"protection"`) {
			t.Errorf("%s: %d %s", c.body, status, got)
		}
	}
	must(t, w.store.DeleteInline(t.Context(), home, identity.Entity{Kind: identity.KindRole, Name: "app"}, "may"))
	if _, got := ask(st, ""); !strings.Contains(got, `"Code":"AccessDeniedException","Message":"User: arn:aws:sts::1234567890:assumed-role/app/0123 is not authorized to perform: ecs:GetTaskProtection`) {
		t.Error(got)
	}
	if status, got := ask(w.task("4567", local, inService("")), ""); status != http.StatusForbidden || !strings.Contains(got, "the task has no role") {
		t.Error(got)
	}
	loner := w.task("89ab", local, func(t *machine.Task) { t.RoleARN = w.role("loner", "ecs:*") })
	if status, got := ask(loner, ""); status != 200 || !strings.Contains(got, `{"failure":{"Arn":"`+loner.ARN+`","Reason":"TASK_NOT_VALID"`) {
		t.Error(got)
	}
}
