package keeper

import (
	"maps"
	"net/netip"
	"strings"
	"testing"

	"drydock/deploy/inside"
	"drydock/deploy/machine"
	"drydock/deploy/secret"
)

func (w *world) put(name, text string) secret.Secret {
	w.t.Helper()
	k := got[secret.Key](w.t)(secret.ParseKey(home, region, name))
	return got[secret.Secret](w.t)(w.secrets.Put(w.t.Context(), k, text))
}

func TestSecretsAreReadAsTheExecutionRole(t *testing.T) {
	w := newWorld(t)
	w.put("/prod/password", "old")
	w.put("/prod/password", "hunter2")
	db := w.put("db", `{"user":"joe","port":5432}`)
	w.put("s3://config/first.env", "LEVEL=first\nONLY=first\n")
	w.put("s3://config/second.env", "LEVEL=second\nPASSWORD=file\nEXTRA=second\n")
	tk := task(w.role("read", trustsTasks, allow("ssm:GetParameters secretsmanager:GetSecretValue s3:GetObject")))
	arn := db.ARN(secret.SecretsManager)
	tk.Containers[0].Secrets = map[string]string{
		"PASSWORD": "/prod/password", "AGAIN": "arn:aws:ssm:eu-west-1:1234567890:parameter/prod/password", "DB": arn, "PORT": arn + ":port::", "USER": arn + ":user:AWSCURRENT:",
		"BEFORE": "arn:aws:secretsmanager:eu-west-1:1234567890:secret:prod/password::AWSPREVIOUS:",
	}
	tk.Containers[0].EnvironmentFiles = []string{"arn:aws:s3:::config/first.env", "arn:aws:s3:::config/second.env"}
	tk.Containers[0].Log = &machine.Log{Driver: "splunk", SecretOptions: map[string]string{"splunk-token": "db"}}
	env, logs, err := w.Secrets(t.Context(), tk, "app")
	want := map[string]string{
		"PASSWORD": "hunter2", "AGAIN": "hunter2", "DB": `{"user":"joe","port":5432}`, "PORT": "5432", "USER": "joe", "BEFORE": "old",
		"LEVEL": "first", "ONLY": "first", "EXTRA": "second",
	}
	if err != nil || !maps.Equal(env, want) || logs["splunk-token"] != db.Current.Text || len(logs) != 1 {
		t.Errorf("%v, %v, %v", env, logs, err)
	}
	if env, logs, err := w.Secrets(t.Context(), task(""), "app"); err != nil || len(env)+len(logs) != 0 {
		t.Errorf("a task that asks for none: %v, %v, %v", env, logs, err)
	}
}

func TestASecretThatCannotBeHadStopsTheTaskInTheWordsOfECS(t *testing.T) {
	w := newWorld(t)
	db := w.put("db", `{"user":"joe"}`).ARN(secret.SecretsManager)
	w.put("text", "not JSON")
	w.put("s3://config/bad.env", "no variable")
	all := w.role("all", trustsTasks, allow("ssm:GetParameters secretsmanager:GetSecretValue s3:GetObject"))
	none := w.role("none", trustsTasks, "")
	one := w.role("one", trustsTasks, allowOn("secretsmanager:GetSecretValue", db))
	const (
		secrets = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
		asm     = secrets + "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret "
		ssm     = secrets + "unable to retrieve secrets from ssm: "
		files   = "ResourceInitializationError: failed to download env files: "
		user    = "AccessDeniedException: User: arn:aws:sts::" + home + ":assumed-role/none/" + taskID + " is not authorized to perform: "
		text    = "arn:aws:secretsmanager:eu-west-1:1234567890:secret:text"
	)
	for name, c := range map[string]struct{ role, secret, file, want string }{
		"no role":               {"", "db", "", secrets + "the task has no execution role"},
		"a refused secret":      {none, db, "", asm + db + " from secrets manager: " + user + "secretsmanager:GetSecretValue on resource: " + db + " because no identity-based policy allows"},
		"a refused parameter":   {none, "/db", "", ssm + "service call has been retried 1 time(s): " + user + "ssm:GetParameters on resource: arn:aws:ssm:eu-west-1:1234567890:parameter/db because"},
		"a refused file":        {none, "", "arn:aws:s3:::config/bad.env", files + user + "s3:GetObject on resource: arn:aws:s3:::config/bad.env because"},
		"a refused unknown one": {none, "nothing", "", user + "ssm:GetParameters"},
		"an unknown secret":     {all, db[:len(db)-6] + "wrongs", "", "from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret."},
		"an unknown version":    {all, db + "::AWSPREVIOUS:", "", "can't find the specified secret value for staging label: AWSPREVIOUS"},
		"an unknown key":        {all, db + ":password::", "", secrets + "retrieved secret from Secrets Manager did not contain json key password"},
		"no JSON":               {all, text + ":key::", "", secrets + "the secret " + text + " is not a JSON object"},
		"an unknown parameter":  {all, "/nothing", "", ssm + "invalid ssm parameters: /nothing"},
		"an unknown file":       {all, "", "arn:aws:s3:::config/none.env", files + "NoSuchKey: there is no file s3://config/none.env here"},
		"a file of nonsense":    {all, "", "arn:aws:s3:::config/bad.env", files + "s3://config/bad.env: line 1"},
		"a foreign secret":      {all, "arn:aws:secretsmanager:eu-west-1:" + other + ":secret:db", "", "is not authorized to perform: secretsmanager:GetSecretValue"},
		"another service":       {all, "arn:aws:iam::1234567890:role/x", "", "is the ARN of neither a parameter nor a secret"},
		"another secret":        {one, text, "", "is not authorized to perform: secretsmanager:GetSecretValue on resource: " + text},
	} {
		tk := task(c.role)
		if c.secret != "" {
			tk.Containers[0].Secrets = map[string]string{"X": c.secret}
		}
		if c.file != "" {
			tk.Containers[0].EnvironmentFiles = []string{c.file}
		}
		_, _, err := w.Secrets(t.Context(), tk, "app")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "not JSON") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	tk := task(one)
	tk.Containers[0].Secrets = map[string]string{"X": db}
	if env, _, err := w.Secrets(t.Context(), tk, "app"); err != nil || env["X"] != `{"user":"joe"}` {
		t.Errorf("the one that it may read: %v, %v", env, err)
	}
}

func TestTheEnvironmentTellsWhereToAsk(t *testing.T) {
	w := newWorld(t)
	tk := task("")
	tk.RoleARN = w.role("app", trustsTasks, "")
	tk.LaunchType = "FARGATE"
	env, err := w.Environment(t.Context(), tk, "app")
	if err != nil {
		t.Fatal(err)
	}
	base := w.options.Place.MetadataURL()
	id, ok := strings.CutPrefix(env["ECS_CONTAINER_METADATA_URI_V4"], base+"/v4/")
	credentials, ok2 := strings.CutPrefix(env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"], "/v2/credentials/")
	if !ok || !ok2 || len(id) != 36 || len(credentials) != 36 || id == credentials {
		t.Errorf("%v", env)
	}
	want := map[string]string{
		"ECS_CONTAINER_METADATA_URI": base + "/v3/" + id, "ECS_CONTAINER_METADATA_URI_V4": base + "/v4/" + id, "ECS_AGENT_URI": base + "/api/" + id,
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/" + credentials, "AWS_REGION": region, "AWS_DEFAULT_REGION": region,
		"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_ENDPOINT_URL": w.options.Place.APIURL(),
	}
	if !maps.Equal(env, want) {
		t.Errorf("%v, want %v", env, want)
	}
	if again, err := w.Environment(t.Context(), tk, "app"); err != nil || !maps.Equal(again, env) {
		t.Errorf("the second time: %v, %v", again, err)
	}

	tk = task("")
	tk.Containers[0].Environment = map[string]string{"AWS_ENDPOINT_URL": "https://elsewhere.example", "AWS_REGION": ""}
	tk.Containers[0].Secrets = map[string]string{"AWS_DEFAULT_REGION": "x"}
	env, err = w.Environment(t.Context(), tk, "app")
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		if v, there := env[name]; there {
			t.Errorf("%s is %s", name, v)
		}
	}
	if err != nil || env["AWS_EXECUTION_ENV"] != "AWS_ECS_EC2" {
		t.Errorf("%v, %v", env, err)
	}
}

func TestATaskWhoseRoleIsOfNoUseDoesNotStart(t *testing.T) {
	w := newWorld(t)
	tk := task(w.role("logs", trustsTasks, ""))
	tk.RoleARN = w.role("distrust", strings.Replace(trustsTasks, "ecs-tasks", "lambda", 1), "")
	if _, err := w.Environment(t.Context(), tk, "app"); err == nil || !strings.HasPrefix(err.Error(), "ECS was unable to assume the role '"+tk.RoleARN) {
		t.Error(err)
	}
	// A port that is taken stands for all reasons why there is no such address.
	taken := got[netip.AddrPort](t)(netip.ParseAddrPort(strings.TrimPrefix(w.options.Place.MetadataURL(), "http://")))
	w.options.Place = inside.Open(t.Context(), inside.PlaceOptions{Address: taken.Addr(), MetadataPort: int(taken.Port())})
	k := got[*Keeper](t)(New(w.options))
	const why = "ResourceInitializationError: the task has a role, whose credentials its containers could not get: the address 127.0.0.1, at which containers find their credentials, could not be opened on this machine: another program listens on its port "
	if _, err := k.Environment(t.Context(), tk, "app"); err == nil || !strings.HasPrefix(err.Error(), why) {
		t.Error(err)
	}
	if _, err := k.LogOptions(t.Context(), tk, "app"); err == nil || !strings.HasPrefix(err.Error(), "ResourceInitializationError: the awslogs driver could not get credentials") {
		t.Error(err)
	}
	tk.RoleARN = ""
	env, err := k.Environment(t.Context(), tk, "app")
	if _, there := env["ECS_CONTAINER_METADATA_URI_V4"]; err != nil || there || env["AWS_REGION"] != region {
		t.Errorf("a task without roles: %v, %v", env, err)
	}
}

func TestTheLogDriverIsToldWhereLogsGo(t *testing.T) {
	w := newWorld(t)
	tk := task(w.role("logs", trustsTasks, ""))
	tk.Containers[0].Log = &machine.Log{Driver: "awslogs", Options: map[string]string{"awslogs-group": "g"}}
	o, err := w.LogOptions(t.Context(), tk, "app")
	id := strings.TrimPrefix(o["awslogs-credentials-endpoint"], "/v2/credentials/")
	if err != nil || o["awslogs-endpoint"] != "http://localhost:5000" || len(id) != 36 || o["awslogs-region"] != region || len(o) != 3 {
		t.Errorf("%v, %v", o, err)
	}
	tk.Containers[0].Log.Options["awslogs-region"] = "us-east-1"
	if o, err := w.LogOptions(t.Context(), tk, "app"); err != nil || len(o) != 2 {
		t.Errorf("its own region: %v, %v", o, err)
	}
	must(t, w.store.DeleteRole(t.Context(), home, "logs"))
	for role, want := range map[string]string{"": "set executionRoleArn", tk.ExecutionRoleARN: "unable to assume"} {
		tk.ExecutionRoleARN = role
		if _, err := w.LogOptions(t.Context(), tk, "app"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", role, err)
		}
	}
}
