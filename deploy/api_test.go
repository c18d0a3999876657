package deploy

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/auth"
	"drydock/awsapi"
	"drydock/storage/meta/testdb"
)

var now = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

const account = "123456789012"

// newService is the API over an empty database, called by the account's root.
func newService(t *testing.T) (*Service, context.Context) {
	t.Helper()
	s, err := New(Options{DB: testdb.New(t).Open(t), Now: func() time.Time { return now }, Random: rand.Reader, Chance: mathrand.New(mathrand.NewPCG(1, 1)), Wake: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	return s, awsapi.WithCall(t.Context(), &awsapi.Call{
		Principal: auth.Principal{ARN: auth.RootARN(account), Account: account, UserID: account}, Region: "eu-west-1",
	})
}

// must fails the test with an error.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused checks that an error is an exception, and what it says.
func refused[E error](t *testing.T, err error, says string) {
	t.Helper()
	var e E
	if !errors.As(err, &e) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want a %T that says %q", err, e, says)
	}
}

// The list of what is missing is read by people, so it must be true.
func TestTheListOfUnbuiltOperationsIsTrue(t *testing.T) {
	built := map[string]bool{}
	for _, op := range (&Service{}).Operations() {
		if built[op.Name] {
			t.Errorf("%s is registered twice", op.Name)
		}
		built[op.Name] = true
	}
	var unbuilt []string
	client := reflect.TypeFor[*ecs.Client]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Type.NumIn() != 4 || !m.Type.IsVariadic() || !strings.HasSuffix(m.Type.In(2).String(), "."+m.Name+"Input") {
			continue
		}
		own, ok := reflect.TypeFor[*Service]().MethodByName(m.Name)
		if built[m.Name] && (!ok || own.Type.In(2) != m.Type.In(2)) {
			t.Errorf("%s is registered under a name that is not its method's", m.Name)
		}
		if !built[m.Name] {
			unbuilt = append(unbuilt, m.Name)
		}
	}
	slices.Sort(unbuilt)
	golden, err := os.ReadFile("testdata/unbuilt.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(unbuilt, "\n") + "\n"; got != string(golden) {
		t.Errorf("testdata/unbuilt.txt should read:\n%s", got)
	}
}

func TestAClusterLivesAndDies(t *testing.T) {
	s, ctx := newService(t)
	made := must(s.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: to("lab"), Tags: []types.Tag{{Key: to("team"), Value: to("a")}}}))(t).Cluster
	if *made.ClusterArn != "arn:aws:ecs:eu-west-1:123456789012:cluster/lab" || *made.Status != "ACTIVE" || len(made.Tags) != 1 {
		t.Errorf("%+v", made)
	}
	must(s.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: to("lab")}))(t)
	must(s.CreateCluster(ctx, &ecs.CreateClusterInput{}))(t)
	out := must(s.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{"lab", *made.ClusterArn, "none"}, Include: []types.ClusterField{"STATISTICS"}}))(t)
	if len(out.Clusters) != 2 || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" || len(out.Clusters[0].Statistics) != 12 {
		t.Errorf("%+v", out)
	}
	page := must(s.ListClusters(ctx, &ecs.ListClustersInput{MaxResults: to(int32(1))}))(t)
	rest := must(s.ListClusters(ctx, &ecs.ListClustersInput{NextToken: page.NextToken}))(t)
	if len(page.ClusterArns) != 1 || len(rest.ClusterArns) != 1 || rest.NextToken != nil {
		t.Errorf("%+v, %+v", page, rest)
	}
	_, err := s.ListClusters(ctx, &ecs.ListClustersInput{NextToken: to("nonsense")})
	refused[*types.InvalidParameterException](t, err, "Invalid token")
	gone := must(s.DeleteCluster(ctx, &ecs.DeleteClusterInput{Cluster: to("lab")}))(t)
	if *gone.Cluster.Status != "INACTIVE" {
		t.Errorf("%+v", gone.Cluster)
	}
	_, err = s.DeleteCluster(ctx, &ecs.DeleteClusterInput{Cluster: to("lab")})
	refused[*types.ClusterNotFoundException](t, err, "Cluster not found.")
	again := must(s.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: to("lab")}))(t).Cluster
	if len(again.Tags) != 0 {
		t.Error("the tags of a deleted cluster are those of the next one of its name")
	}
	_, err = s.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{"arn:aws:ecs:eu-west-1:999999999999:cluster/lab"}})
	refused[*types.InvalidParameterException](t, err, "Identifier is for 999999999999")
	_, err = s.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: to("a b")})
	refused[*types.InvalidParameterException](t, err, "Cluster name")
	_, err = s.UpdateClusterSettings(ctx, &ecs.UpdateClusterSettingsInput{Cluster: to("lab"), Settings: []types.ClusterSetting{{Name: "containerInsights", Value: to("enabled")}}})
	refused[*types.UnsupportedFeatureException](t, err, "Container Insights")
}

func TestCapacityProvidersBelongToClusters(t *testing.T) {
	s, ctx := newService(t)
	must(s.CreateCluster(ctx, &ecs.CreateClusterInput{}))(t)
	group := &types.AutoScalingGroupProvider{AutoScalingGroupArn: to("arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:x:autoScalingGroupName/own")}
	must(s.CreateCapacityProvider(ctx, &ecs.CreateCapacityProviderInput{Name: to("own"), AutoScalingGroupProvider: group}))(t)
	_, err := s.CreateCapacityProvider(ctx, &ecs.CreateCapacityProviderInput{Name: to("own"), AutoScalingGroupProvider: group})
	refused[*types.ClientException](t, err, "already exists")
	_, err = s.CreateCapacityProvider(ctx, &ecs.CreateCapacityProviderInput{Name: to("fargate-own"), AutoScalingGroupProvider: group})
	refused[*types.ClientException](t, err, "cannot be prefixed")
	if all := must(s.DescribeCapacityProviders(ctx, &ecs.DescribeCapacityProvidersInput{}))(t); len(all.CapacityProviders) != 3 {
		t.Errorf("%+v", all.CapacityProviders)
	}
	put := func(strategy []types.CapacityProviderStrategyItem, providers ...string) error {
		_, err := s.PutClusterCapacityProviders(ctx, &ecs.PutClusterCapacityProvidersInput{Cluster: to("default"), CapacityProviders: providers, DefaultCapacityProviderStrategy: strategy})
		return err
	}
	refused[*types.InvalidParameterException](t, put(nil, "other"), "was not found")
	refused[*types.InvalidParameterException](t, put([]types.CapacityProviderStrategyItem{{CapacityProvider: to("FARGATE")}}, "own"), "not associated with the cluster")
	refused[*types.InvalidParameterException](t, put([]types.CapacityProviderStrategyItem{
		{CapacityProvider: to("FARGATE"), Weight: 1}, {CapacityProvider: to("own"), Weight: 1},
	}, "own", "FARGATE"), "mix of capacity providers")
	if err := put([]types.CapacityProviderStrategyItem{{CapacityProvider: to("own"), Weight: 1}}, "own", "FARGATE"); err != nil {
		t.Fatal(err)
	}
	_, err = s.DeleteCapacityProvider(ctx, &ecs.DeleteCapacityProviderInput{CapacityProvider: to("own")})
	refused[*types.ClientException](t, err, "associated with cluster: default")
	if err := put(nil, "FARGATE"); err != nil {
		t.Fatal(err)
	}
	must(s.DeleteCapacityProvider(ctx, &ecs.DeleteCapacityProviderInput{CapacityProvider: to("own")}))(t)
	_, err = s.DeleteCapacityProvider(ctx, &ecs.DeleteCapacityProviderInput{CapacityProvider: to("FARGATE")})
	refused[*types.ClientException](t, err, "reserved")
}

func TestRevisionsAreRegisteredListedAndDeleted(t *testing.T) {
	s, ctx := newService(t)
	register := func(family string) *types.TaskDefinition {
		return must(s.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: &family, ContainerDefinitions: []types.ContainerDefinition{
			{Name: to("app"), Image: to("localhost:5000/app:1"), Memory: to(int32(64))},
		}, Tags: []types.Tag{{Key: to("k"), Value: to("v")}}}))(t).TaskDefinition
	}
	for range 3 {
		register("web")
	}
	d := register("batch")
	if *d.TaskDefinitionArn != "arn:aws:ecs:eu-west-1:123456789012:task-definition/batch:1" || *d.RegisteredBy != auth.RootARN(account) || d.Status != "ACTIVE" {
		t.Errorf("%+v", d)
	}
	arns := func(in *ecs.ListTaskDefinitionsInput) (short []string) {
		for {
			out := must(s.ListTaskDefinitions(ctx, in))(t)
			for _, a := range out.TaskDefinitionArns {
				short = append(short, a[strings.LastIndex(a, "/")+1:])
			}
			if out.NextToken == nil {
				return short
			}
			in.NextToken = out.NextToken
		}
	}
	two := to(int32(2))
	if got := arns(&ecs.ListTaskDefinitionsInput{MaxResults: two}); !slices.Equal(got, []string{"batch:1", "web:1", "web:2", "web:3"}) {
		t.Error(got)
	}
	if got := arns(&ecs.ListTaskDefinitionsInput{MaxResults: two, Sort: "DESC"}); !slices.Equal(got, []string{"web:3", "web:2", "web:1", "batch:1"}) {
		t.Error(got)
	}
	_, err := s.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: to("web")})
	refused[*types.ClientException](t, err, "Missing revision.")
	must(s.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: to("web:3")}))(t)
	latest := must(s.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: to("web"), Include: []types.TaskDefinitionField{"TAGS"}}))(t)
	if latest.TaskDefinition.Revision != 2 || len(latest.Tags) != 1 {
		t.Errorf("%+v", latest)
	}
	deleted := must(s.DeleteTaskDefinitions(ctx, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: []string{"web:3", "web:2", "web:9"}}))(t)
	if len(deleted.TaskDefinitions) != 1 || deleted.TaskDefinitions[0].Status != "DELETE_IN_PROGRESS" || len(deleted.Failures) != 2 {
		t.Errorf("%+v", deleted)
	}
	_, err = s.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: to("none")})
	refused[*types.ClientException](t, err, "Unable to describe task definition.")
	if f := must(s.ListTaskDefinitionFamilies(ctx, &ecs.ListTaskDefinitionFamiliesInput{FamilyPrefix: to("w")}))(t); !slices.Equal(f.Families, []string{"web"}) {
		t.Error(f.Families)
	}
	_, err = s.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: to("web"), ContainerDefinitions: []types.ContainerDefinition{{Name: to("a"), Memory: to(int32(64))}}})
	refused[*types.ClientException](t, err, "Container.image")
}

func TestSettingsHoldForWhoSetThem(t *testing.T) {
	s, ctx := newService(t)
	must(s.PutAccountSettingDefault(ctx, &ecs.PutAccountSettingDefaultInput{Name: "defaultLogDriverMode", Value: to("blocking")}))(t)
	find := func(effective bool) map[types.SettingName]string {
		found := map[types.SettingName]string{}
		for _, v := range must(s.ListAccountSettings(ctx, &ecs.ListAccountSettingsInput{EffectiveSettings: effective}))(t).Settings {
			found[v.Name] = *v.Value
		}
		return found
	}
	if got := find(false); len(got) != 0 {
		t.Error(got)
	}
	if got := find(true); got["defaultLogDriverMode"] != "blocking" || got["taskLongArnFormat"] != "enabled" {
		t.Error(got)
	}
	must(s.PutAccountSetting(ctx, &ecs.PutAccountSettingInput{Name: "defaultLogDriverMode", Value: to("non-blocking")}))(t)
	if got := find(true); got["defaultLogDriverMode"] != "non-blocking" {
		t.Error(got)
	}
	must(s.DeleteAccountSetting(ctx, &ecs.DeleteAccountSettingInput{Name: "defaultLogDriverMode"}))(t)
	_, err := s.DeleteAccountSetting(ctx, &ecs.DeleteAccountSettingInput{Name: "defaultLogDriverMode"})
	refused[*types.ResourceNotFoundException](t, err, "has not set")
	_, err = s.PutAccountSetting(ctx, &ecs.PutAccountSettingInput{Name: "awsvpcTrunking", Value: to("enabled")})
	refused[*types.InvalidParameterException](t, err, "always \"disabled\" here")
}

func TestTagsAreOfResourcesThatExist(t *testing.T) {
	s, ctx := newService(t)
	arn := must(s.CreateCluster(ctx, &ecs.CreateClusterInput{}))(t).Cluster.ClusterArn
	tag := func(arn *string, key string) error {
		_, err := s.TagResource(ctx, &ecs.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: &key, Value: to("v")}}})
		return err
	}
	for _, key := range []string{"b", "a", "c"} {
		if err := tag(arn, key); err != nil {
			t.Fatal(err)
		}
	}
	must(s.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"c", "none"}}))(t)
	tags := must(s.ListTagsForResource(ctx, &ecs.ListTagsForResourceInput{ResourceArn: arn}))(t).Tags
	if len(tags) != 2 || *tags[0].Key != "a" {
		t.Errorf("%+v", tags)
	}
	refused[*types.InvalidParameterException](t, tag(arn, "aws:x"), "reserved")
	refused[*types.ClusterNotFoundException](t, tag(to(*arn+"x"), "a"), "Cluster not found.")
	refused[*types.ResourceNotFoundException](t, tag(to("arn:aws:ecs:eu-west-1:123456789012:task/default/1"), "a"), "not found")
}
