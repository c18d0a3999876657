package record

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/machine"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

var here = Scope{"123456789012", "eu-west-1"}

// do runs fn in a transaction, and fails the test with it.
func do(t *testing.T, db meta.DB, fn func(ctx context.Context, q meta.Querier) error) {
	t.Helper()
	if err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error { return fn(t.Context(), q) }); err != nil {
		t.Fatal(err)
	}
}

func refuses(t *testing.T, db meta.DB, want error, fn func(ctx context.Context, q meta.Querier) error) {
	t.Helper()
	if err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error { return fn(t.Context(), q) }); !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func TestARecordThatHasMovedIsNotOverwritten(t *testing.T) {
	db := testdb.New(t).Open(t)
	name := "default"
	c := Cluster{Scope: here, Name: name, Status: "ACTIVE", Detail: types.Cluster{ClusterName: &name}}
	do(t, db, func(ctx context.Context, q meta.Querier) error { return AddCluster(ctx, q, c) })
	refuses(t, db, meta.ErrExists, func(ctx context.Context, q meta.Querier) error { return AddCluster(ctx, q, c) })
	read, err := FindCluster(t.Context(), db.Reader(), here, name)
	if err != nil || *read.Detail.ClusterName != name || read.Version != 1 {
		t.Fatalf("%+v, %v", read, err)
	}
	read.Status = "INACTIVE"
	do(t, db, func(ctx context.Context, q meta.Querier) error { return UpdateCluster(ctx, q, read) })
	refuses(t, db, ErrMoved, func(ctx context.Context, q meta.Querier) error { return UpdateCluster(ctx, q, read) })
	if names, err := ClusterNames(t.Context(), db.Reader(), here, Page{Limit: 10}); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := FindCluster(t.Context(), db.Reader(), Scope{"123456789012", "eu-west-2"}, name); !errors.Is(err, meta.ErrNotFound) {
		t.Error(err)
	}
}

func TestRevisionsOfAFamilyAreNeverUsedTwice(t *testing.T) {
	db := testdb.New(t).Open(t)
	register := func(family string) (n int64) {
		do(t, db, func(ctx context.Context, q meta.Querier) (err error) {
			if n, err = NextRevision(ctx, q, here, family); err != nil {
				return err
			}
			return AddTaskDefinition(ctx, q, TaskDefinition{Scope: here, Family: family, Revision: n, Status: "ACTIVE"})
		})
		return n
	}
	for want := int64(1); want <= 3; want++ {
		if n := register("web"); n != want {
			t.Fatalf("revision %d, want %d", n, want)
		}
	}
	register("batch")
	do(t, db, func(ctx context.Context, q meta.Querier) error { return DeleteTaskDefinition(ctx, q, here, "web", 3) })
	if n := register("web"); n != 4 {
		t.Errorf("after the last was deleted comes %d", n)
	}
	d, err := LatestTaskDefinition(t.Context(), db.Reader(), here, "web")
	if err != nil || d.Revision != 4 {
		t.Errorf("%+v, %v", d, err)
	}
	d.Status = "INACTIVE"
	do(t, db, func(ctx context.Context, q meta.Querier) error { return UpdateTaskDefinition(ctx, q, d) })
	if d, err = LatestTaskDefinition(t.Context(), db.Reader(), here, "web"); err != nil || d.Revision != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	up, err := Revisions(t.Context(), db.Reader(), here, "ACTIVE", "", Revision{"batch", 1}, 10)
	if err != nil || !slices.Equal(up, []Revision{{"web", 1}, {"web", 2}}) {
		t.Errorf("%v, %v", up, err)
	}
	down, err := RevisionsDown(t.Context(), db.Reader(), here, "ACTIVE", "", Revision{}, 2)
	if err != nil || !slices.Equal(down, []Revision{{"web", 2}, {"web", 1}}) {
		t.Errorf("%v, %v", down, err)
	}
	if down, err = RevisionsDown(t.Context(), db.Reader(), here, "ACTIVE", "", down[1], 2); err != nil || !slices.Equal(down, []Revision{{"batch", 1}}) {
		t.Errorf("%v, %v", down, err)
	}
	for status, want := range map[string][]string{"": {"batch", "web"}, "ACTIVE": {"batch", "web"}, "INACTIVE": nil} {
		if got, err := Families(t.Context(), db.Reader(), here, status, "", Page{Limit: 10}); err != nil || !slices.Equal(got, want) {
			t.Errorf("families that are %q: %v, %v", status, got, err)
		}
	}
	if got, err := Families(t.Context(), db.Reader(), here, "", "we", Page{Limit: 10}); err != nil || !slices.Equal(got, []string{"web"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTasksAreListedByWhatTheyBelongTo(t *testing.T) {
	db := testdb.New(t).Open(t)
	add := func(id, instance, service string, stopped int64) {
		do(t, db, func(ctx context.Context, q meta.Querier) error {
			return AddTask(ctx, q, Task{Scope: here, Cluster: "default", ID: id, Instance: instance, Machine: "m-" + instance, Service: service,
				Family: "web", Desired: "RUNNING", Status: "PENDING", StoppedAt: stopped,
				Detail: TaskDetail{Spec: machine.Task{ARN: id, Containers: []machine.Container{{Name: "one", Environment: map[string]string{"A": "b"}}}}}})
		})
	}
	add("1", "a", "web", 0)
	add("2", "a", "", 0)
	add("3", "b", "web", 0)
	add("4", "b", "web", 7)
	ids := func(list []Task, err error) (ids []string) {
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			ids = append(ids, v.ID)
		}
		return ids
	}
	q, ctx := db.Reader(), t.Context()
	for name, c := range map[string]struct{ got, want []string }{
		"all":      {ids(Tasks(ctx, q, here, TaskFilter{Cluster: "default"}, Page{Limit: 10})), []string{"1", "2", "3", "4"}},
		"a page":   {ids(Tasks(ctx, q, here, TaskFilter{Cluster: "default"}, Page{After: "1", Limit: 2})), []string{"2", "3"}},
		"filtered": {ids(Tasks(ctx, q, here, TaskFilter{Cluster: "default", Instance: "b", Service: "web"}, Page{Limit: 10})), []string{"3", "4"}},
		"instance": {ids(TasksOfInstance(ctx, q, here, "default", "b")), []string{"3"}},
		"service":  {ids(TasksOfService(ctx, q, here, "default", "web")), []string{"1", "3"}},
		"machine":  {ids(TasksOfMachine(ctx, q, "m-a")), []string{"1", "2"}},
		"stopped":  {ids(StoppedTasks(ctx, q, 8, 10)), []string{"4"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	one, err := FindTask(ctx, q, here, "default", "1")
	if err != nil || one.Detail.Spec.Containers[0].Environment["A"] != "b" {
		t.Fatalf("%+v, %v", one, err)
	}
	one.Status = "RUNNING"
	do(t, db, func(ctx context.Context, q meta.Querier) error { return UpdateTask(ctx, q, one) })
	if counts, err := CountTasks(ctx, q, here, "default"); err != nil || counts["RUNNING"] != 1 || counts["PENDING"] != 2 {
		t.Errorf("%v, %v", counts, err)
	}
	refuses(t, db, ErrMoved, func(ctx context.Context, q meta.Querier) error { return UpdateTask(ctx, q, one) })
}

func TestServicesAreFoundWhenTheyAreDue(t *testing.T) {
	db := testdb.New(t).Open(t)
	do(t, db, func(ctx context.Context, q meta.Querier) error {
		for name, due := range map[string]int64{"early": 10, "late": 30} {
			if err := AddService(ctx, q, Service{Scope: here, Cluster: "default", Name: name, Status: "ACTIVE", DueAt: due}); err != nil {
				return err
			}
		}
		return nil
	})
	names := func(list []Service, err error) (names []string) {
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			names = append(names, v.Name)
		}
		return names
	}
	if got := names(DueServices(t.Context(), db.Reader(), 20, 10)); !slices.Equal(got, []string{"early"}) {
		t.Error(got)
	}
	do(t, db, func(ctx context.Context, q meta.Querier) error { return Wake(ctx, q, here, "default", "late", 5) })
	if got := names(DueServices(t.Context(), db.Reader(), 20, 10)); !slices.Equal(got, []string{"late", "early"}) {
		t.Error(got)
	}
	if got := names(Services(t.Context(), db.Reader(), here, "default", Page{After: "early", Limit: 5})); !slices.Equal(got, []string{"late"}) {
		t.Error(got)
	}
	for n, id := range []string{"x", "y", "z"} {
		do(t, db, func(ctx context.Context, q meta.Querier) error {
			r := ServiceRevision{Scope: here, Cluster: "default", Service: "late", ID: id, CreatedAt: int64(n)}
			d := ServiceDeployment{Scope: here, Cluster: "default", Service: "late", ID: id, Status: "PENDING", CreatedAt: int64(n / 2)}
			return errors.Join(AddServiceRevision(ctx, q, r), AddServiceDeployment(ctx, q, d))
		})
	}
	list, err := ServiceDeployments(t.Context(), db.Reader(), here, "default", "late", 1<<62, "", 10)
	if err != nil || len(list) != 3 || list[0].ID != "z" || list[1].ID != "y" || list[2].ID != "x" {
		t.Fatalf("%+v, %v", list, err)
	}
	if list, err = ServiceDeployments(t.Context(), db.Reader(), here, "default", "late", 0, "y", 10); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	d, err := FindServiceDeployment(t.Context(), db.Reader(), here, "default", "late", "x")
	if err != nil {
		t.Fatal(err)
	}
	d.Status = "SUCCESSFUL"
	do(t, db, func(ctx context.Context, q meta.Querier) error { return UpdateServiceDeployment(ctx, q, d) })
	if _, err := FindServiceRevision(t.Context(), db.Reader(), here, "default", "late", "z"); err != nil {
		t.Error(err)
	}
}

func TestWhatIsSmallIsKeptToo(t *testing.T) {
	db := testdb.New(t).Open(t)
	ctx, q := t.Context(), db.Reader()
	token := ClientToken{Scope: here, Operation: "RunTask", Token: "once", Fingerprint: "f", Result: "arn", ExpiresAt: 100}
	do(t, db, func(ctx context.Context, q meta.Querier) error { return AddClientToken(ctx, q, token, 1) })
	refuses(t, db, meta.ErrExists, func(ctx context.Context, q meta.Querier) error { return AddClientToken(ctx, q, token, 99) })
	if got, err := FindClientToken(ctx, q, here, "RunTask", "once", 99); err != nil || got != token {
		t.Errorf("%+v, %v", got, err)
	}
	do(t, db, func(ctx context.Context, q meta.Querier) error { return AddClientToken(ctx, q, token, 100) })

	setting := Setting{here, "", "containerInsights", "enabled"}
	do(t, db, func(ctx context.Context, q meta.Querier) error {
		return errors.Join(PutSetting(ctx, q, Setting{here, "", "containerInsights", "disabled"}), PutSetting(ctx, q, setting))
	})
	if got, err := Settings(ctx, q, here, ""); err != nil || !slices.Equal(got, []Setting{setting}) {
		t.Errorf("%v, %v", got, err)
	}
	do(t, db, func(ctx context.Context, q meta.Querier) error { return DeleteSetting(ctx, q, setting) })
	refuses(t, db, meta.ErrNotFound, func(ctx context.Context, q meta.Querier) error { return DeleteSetting(ctx, q, setting) })

	do(t, db, func(ctx context.Context, q meta.Querier) error {
		return AddCapacityProvider(ctx, q, CapacityProvider{Scope: here, Name: "own", Status: "ACTIVE"})
	})
	if list, err := CapacityProviders(ctx, q, here, Page{Limit: 5}); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	do(t, db, func(ctx context.Context, q meta.Querier) error {
		return AddInstance(ctx, q, Instance{Scope: here, Cluster: "default", ID: "i", Machine: "m", Status: "ACTIVE"})
	})
	if i, err := InstanceOf(ctx, q, "m"); err != nil || i.ID != "i" {
		t.Errorf("%+v, %v", i, err)
	}
	if list, err := Instances(ctx, q, here, "default", "DRAINING", Page{Limit: 5}); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}
