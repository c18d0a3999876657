package constraints

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// services are those that a table is shipped of, with the SDK's client, whose
// methods are the operations.
var services = map[string]any{"ecr": &ecr.Client{}, "ecs": &ecs.Client{}, "logs": &cloudwatchlogs.Client{}, "iam": &iam.Client{}, "sts": &sts.Client{}}

func load(t testing.TB, service string) *Model {
	t.Helper()
	m, err := Load(service)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// newer are operations that the SDK knows and the models that the tables were
// made from do not yet.
var newer = map[string][]string{
	"ecr": {"DescribeReplicationBackfillResults", "ListReplicationBackfills", "StartReplicationBackfill", "StopReplicationBackfill"},
	"ecs": {
		"AssociateGatewayWithCluster", "CreateGateway", "DeleteGateway", "DescribeGateway", "DescribeGatewayResources", "DescribeGatewayRoute",
		"DisassociateGatewayFromCluster", "ListGatewayClusterAssociations", "ListGatewayRoutes", "ListGateways", "UpdateGateway",
	},
	"iam":  {"AcquireRole", "GetAccountProperties", "GetRoleTemplateVersion", "PutAccountProperties"},
	"logs": {"DeleteSyslogConfiguration", "GetStorageTierPolicy", "ListSyslogConfigurations", "PutStorageTierPolicy", "PutSyslogConfiguration"},
}

// unions are operations whose input has a union, which the checker does not know.
// They are not offered.
var unions = map[string]bool{"logs PutIntegration": true}

func TestTablesAndSDKKnowTheSameOperations(t *testing.T) {
	for service, client := range services {
		m := load(t, service)
		methods := map[string]reflect.Type{}
		c := reflect.TypeOf(client)
		for i := range c.NumMethod() {
			method := c.Method(i)
			if method.Type.NumIn() == 4 && strings.HasSuffix(method.Type.In(2).String(), "."+method.Name+"Input") {
				methods[method.Name] = method.Type.In(2).Elem()
			}
		}
		for name := range m.Operations {
			if methods[name] == nil {
				t.Errorf("%s: the SDK has no operation %s", service, name)
			} else if _, err := m.Checker(name, methods[name]); (err != nil) != unions[service+" "+name] {
				t.Errorf("%s: %v", service, err)
			}
			delete(methods, name)
		}
		if got := slices.Sorted(maps.Keys(methods)); !slices.Equal(got, newer[service]) {
			t.Errorf("%s: the table lacks %v, expected to lack %v", service, got, newer[service])
		}
	}
}

// message checks an input and words what is wrong with it, "" when nothing is.
func message(t *testing.T, service string, input any) string {
	t.Helper()
	m := load(t, service)
	typ := reflect.TypeOf(input).Elem()
	c, err := m.Checker(strings.TrimSuffix(typ.Name(), "Input"), typ)
	if err != nil {
		t.Fatal(err)
	}
	v := c.Check(input)
	if len(v) == 0 {
		return ""
	}
	return m.Explain(v)
}

func TestECRWordsWhatIsWrongAsItsRefusalsDo(t *testing.T) {
	const name = `Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*''`
	image := func(ids ...ecrtypes.ImageIdentifier) *ecr.BatchGetImageInput {
		return &ecr.BatchGetImageInput{RepositoryName: aws.String("demo"), ImageIds: ids}
	}
	for name, c := range map[string]struct {
		input any
		want  string
	}{
		"a good name":                       {&ecr.CreateRepositoryInput{RepositoryName: aws.String("team/a__b--c.d")}, ""},
		"no name":                           {&ecr.CreateRepositoryInput{}, "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must not be null'"},
		"a short name":                      {&ecr.CreateRepositoryInput{RepositoryName: aws.String("a")}, "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must have length greater than or equal to 2'"},
		"a long name":                       {&ecr.CreateRepositoryInput{RepositoryName: aws.String(strings.Repeat("a", 257))}, "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must have length less than or equal to 256'"},
		"capitals in a name":                {&ecr.CreateRepositoryInput{RepositoryName: aws.String("Team/App")}, name},
		"a name with a line end":            {&ecr.CreateRepositoryInput{RepositoryName: aws.String("team\n")}, name},
		"a name that only holds a good one": {&ecr.CreateRepositoryInput{RepositoryName: aws.String("!team!")}, name},
		"a bad name in a list":              {&ecr.DescribeRepositoriesInput{RepositoryNames: []string{"demo", "Demo"}}, name},
		"ten digits of account":             {&ecr.DescribeRepositoriesInput{RegistryId: aws.String("1234567890")}, ""},
		"nine digits of account":            {&ecr.DescribeRepositoriesInput{RegistryId: aws.String("123456789")}, "Invalid parameter at 'registryId' failed to satisfy constraint: 'must satisfy regular expression '[0-9]{10,12}''"},
		//lint:ignore SA1019 deprecated, but docker's credential helper still sends it
		"a bad account in a list": {&ecr.GetAuthorizationTokenInput{RegistryIds: []string{" 123456789012"}},
			"Invalid parameter at 'registryIds' failed to satisfy constraint: 'Member must satisfy constraint: [Member must satisfy regular expression pattern: [0-9]{10,12}]'"},
		"an unknown mutability": {&ecr.CreateRepositoryInput{RepositoryName: aws.String("demo"), ImageTagMutability: "SOMETIMES"},
			"Invalid parameter at 'imageTagMutability' failed to satisfy constraint: 'Member must satisfy enum value set: [MUTABLE, IMMUTABLE, IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION]'"},
		"no mutability": {&ecr.PutImageTagMutabilityInput{RepositoryName: aws.String("demo")},
			"Invalid parameter at 'imageTagMutability' failed to satisfy constraint: 'Member must not be null'"},
		"a tag without a key": {&ecr.CreateRepositoryInput{RepositoryName: aws.String("demo"), Tags: []ecrtypes.Tag{{Key: aws.String("a"), Value: aws.String("")}, {Value: aws.String("b")}}},
			"Invalid parameter at 'tags.2.member.key' failed to satisfy constraint: 'Member must not be null'"},
		"no images": {image(), "Invalid parameter at 'imageIds' failed to satisfy constraint: 'Member must not be null'"},
		"an empty list": {&ecr.BatchGetImageInput{RepositoryName: aws.String("demo"), ImageIds: []ecrtypes.ImageIdentifier{}},
			"Invalid parameter at 'imageIds' failed to satisfy constraint: 'Member must have length greater than or equal to 1'"},
		"too many images":  {image(make([]ecrtypes.ImageIdentifier, 101)...), "Invalid parameter at 'imageIds' failed to satisfy constraint: 'Member must have length less than or equal to 100'"},
		"an empty tag":     {image(ecrtypes.ImageIdentifier{ImageTag: aws.String("")}), "Invalid parameter at 'imageTag' failed to satisfy constraint: 'must have length greater than or equal to 1'"},
		"too many results": {&ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1001)}, "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value less than or equal to 1000'"},
		"no results":       {&ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(0)}, "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value greater than or equal to 1'"},
		"a malformed digest": {&ecr.GetDownloadUrlForLayerInput{RepositoryName: aws.String("demo"), LayerDigest: aws.String("latest")},
			"Invalid parameter at 'layerDigest' failed to satisfy constraint: 'must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+''"},
		"a layer part too large": {&ecr.UploadLayerPartInput{RepositoryName: aws.String("demo"), UploadId: aws.String("00000000-0000-4000-8000-000000000000"),
			PartFirstByte: aws.Int64(0), PartLastByte: aws.Int64(20971520), LayerPartBlob: make([]byte, 20971521)},
			"Invalid parameter at 'layerPartBlob' failed to satisfy constraint: 'Member must have length less than or equal to 20971520'"},
		"an unknown filter, nested": {&ecr.ListImagesInput{RepositoryName: aws.String("demo"), Filter: &ecrtypes.ListImagesFilter{TagStatus: "SOME"}},
			"Invalid parameter at 'filter.tagStatus' failed to satisfy constraint: 'Member must satisfy enum value set: [TAGGED, UNTAGGED, ANY]'"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := message(t, "ecr", c.input); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestOtherServicesCountWhatIsWrong(t *testing.T) {
	good := aws.String("arn:aws:iam::123456789012:role/demo")
	for name, c := range map[string]struct {
		input any
		want  string
	}{
		"nothing wrong":               {&sts.AssumeRoleInput{RoleArn: good, RoleSessionName: aws.String("demo")}, ""},
		"characters count, not bytes": {&sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::123456789012:role/" + strings.Repeat("é", 2000)), RoleSessionName: aws.String("demo")}, ""},
		"a session name too long": {&sts.AssumeRoleInput{RoleArn: good, RoleSessionName: aws.String(strings.Repeat("s", 65))},
			"1 validation error detected: Value '" + strings.Repeat("s", 65) + "' at 'roleSessionName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		"two things": {&sts.AssumeRoleInput{RoleArn: good, DurationSeconds: aws.Int32(1)},
			"2 validation errors detected: Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null; Value '1' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		"twice the same value": {&sts.GetAccessKeyInfoInput{AccessKeyId: aws.String("é")},
			`2 validation errors detected: Value 'é' at 'accessKeyId' failed to satisfy constraint: Member must have length greater than or equal to 16; Value 'é' at 'accessKeyId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w]*`},
		"a tag's value": {&sts.AssumeRoleInput{RoleArn: good, RoleSessionName: aws.String("demo"), Tags: []ststypes.Tag{{Key: aws.String("a"), Value: aws.String("D&T")}}},
			`1 validation error detected: Value 'D&T' at 'tags.1.member.value' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`},
		"an element of a list": {&sts.AssumeRoleInput{RoleArn: good, RoleSessionName: aws.String("demo"), TransitiveTagKeys: []string{"a", ""}},
			`1 validation error detected: Value '[a, ]' at 'transitiveTagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+]`},
		"a secret": {&sts.AssumeRoleWithWebIdentityInput{RoleArn: good, RoleSessionName: aws.String("demo"), WebIdentityToken: aws.String("abc")},
			"1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := message(t, "sts", c.input); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestIAMChecksNamesAndPathsByHand(t *testing.T) {
	const (
		names = "It must contain only alphanumeric characters and/or the following: +=,.@_-"
		paths = "It must begin and end with / and contain only alphanumeric characters and/or / characters."
	)
	name, path := aws.String("dev@example.com"), aws.String("/team/a/")
	for about, c := range map[string]struct {
		input any
		want  string
	}{
		"nothing wrong":                          {&iam.CreateUserInput{UserName: name, Path: path}, ""},
		"the path of all":                        {&iam.CreateUserInput{UserName: name, Path: aws.String("/")}, ""},
		"a blank in a name":                      {&iam.CreateUserInput{UserName: aws.String("the dev")}, "The specified value for userName is invalid. " + names},
		"the ARN of a role for its name":         {&iam.GetRoleInput{RoleName: aws.String("arn:aws:iam::123456789012:role/a")}, "The specified value for roleName is invalid. " + names},
		"a path that does not end":               {&iam.CreateUserInput{UserName: name, Path: aws.String("/team")}, "The specified value for path is invalid. " + paths},
		"a path of a policy that does not begin": {&iam.CreatePolicyInput{PolicyName: name, PolicyDocument: aws.String("{}"), Path: aws.String("team/")}, "The specified value for path is invalid. " + paths},
		"a prefix that does not begin": {&iam.ListRolesInput{PathPrefix: aws.String("team")},
			"The specified value for pathPrefix is invalid. It must begin with the / character and contain only alphanumeric characters and/or / characters."},
		"a name too long, which the framework sees first": {&iam.CreateUserInput{UserName: aws.String(strings.Repeat("ä", 65)), Path: aws.String("team")},
			"1 validation error detected: Value '" + strings.Repeat("ä", 65) + "' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		"an ARN too short": {&iam.GetPolicyInput{PolicyArn: aws.String("ReadOnly")},
			"1 validation error detected: Value 'ReadOnly' at 'policyArn' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		"an alias": {&iam.CreateAccountAliasInput{AccountAlias: aws.String("my-lab")}, ""},
		"an alias with two dashes in a row": {&iam.CreateAccountAliasInput{AccountAlias: aws.String("my--lab")},
			"1 validation error detected: Value 'my--lab' at 'accountAlias' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$"},
	} {
		t.Run(about, func(t *testing.T) {
			if got := message(t, "iam", c.input); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// The rule for aliases is the model's, which Go cannot read, in other words. Here
// it is told apart into the parts that Go can read.
func TestTheRuleForAliasesIsTheModels(t *testing.T) {
	re := regexp.MustCompile("^(?:" + load(t, "iam").Shapes["accountAliasType"].Compiled + ")$")
	ends := regexp.MustCompile(`^[a-z0-9][a-z0-9-]+[a-z0-9]$`)
	var try func(s string)
	try = func(s string) {
		if want := ends.MatchString(s) && !strings.Contains(s, "--"); re.MatchString(s) != want {
			t.Errorf("%q: got %v", s, !want)
		}
		if len(s) < 7 {
			for _, next := range []string{"a", "0", "-", "A"} {
				try(s + next)
			}
		}
	}
	try("")
}

func TestAnInputWrongThroughoutIsNotFollowedToItsEnd(t *testing.T) {
	m := load(t, "ecr")
	c, err := m.Checker("TagResource", reflect.TypeFor[ecr.TagResourceInput]())
	if err != nil {
		t.Fatal(err)
	}
	found := c.Check(&ecr.TagResourceInput{Tags: make([]ecrtypes.Tag, 1_000_000)})
	if len(found) < 2 || len(found) > 2*maxViolations {
		t.Errorf("%d violations", len(found))
	}
}

func TestMapsAreChecked(t *testing.T) {
	two := 2.0
	m := &Model{&Facts{Operations: map[string]string{"Op": "In"}, Shapes: map[string]Shape{
		"In":   {Type: "structure", Members: []Member{{Name: "options", Shape: "Map"}, {Name: "nested", Shape: "Nest"}}},
		"Map":  {Type: "map", Max: &two, Key: "Word", Value: "Word"},
		"Nest": {Type: "map", Value: "In"},
		"Word": {Type: "string", Max: &two},
	}}}
	type in struct {
		Options map[string]string
		Nested  map[string]in
	}
	c, err := m.Checker("Op", reflect.TypeFor[in]())
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]struct {
		input in
		want  string
	}{
		"good":     {in{Options: map[string]string{"a": "b"}}, ""},
		"too many": {in{Options: map[string]string{"a": "", "b": "", "c": ""}}, "1 validation error detected: Value at 'options' failed to satisfy constraint: Member must have length less than or equal to 2"},
		"a key":    {in{Options: map[string]string{"abc": ""}}, "1 validation error detected: Value at 'options' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 2]"},
		"a value":  {in{Options: map[string]string{"a": "abc"}}, "1 validation error detected: Value at 'options' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 2]"},
		"something deeper": {in{Nested: map[string]in{"x": {Options: map[string]string{"a": "abc"}}}},
			"1 validation error detected: Value at 'nested.x.options' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 2]"},
	} {
		got := ""
		if v := c.Check(&k.input); len(v) > 0 {
			got = m.Explain(v)
		}
		if got != k.want {
			t.Errorf("%s: got %q, want %q", name, got, k.want)
		}
	}
}

func TestATableThatDoesNotFitTheSDKIsRefused(t *testing.T) {
	m := load(t, "ecr")
	for name, c := range map[string]struct {
		operation string
		input     reflect.Type
		want      string
	}{
		"an operation that does not exist": {"Explode", reflect.TypeFor[struct{}](), "no operation Explode"},
		"a field that is missing":          {"DeleteRepository", reflect.TypeFor[struct{ RegistryId *string }](), "no field RepositoryName"},
		"a field of another type":          {"DeleteRepository", reflect.TypeFor[struct{ RegistryId *int32 }](), "a string cannot be a Go int32"},
	} {
		if _, err := m.Checker(c.operation, c.input); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if _, err := Load("none"); err == nil {
		t.Error("a table that does not exist was loaded")
	}
}

func TestTheLargestBlobIsKnown(t *testing.T) {
	m := load(t, "ecr")
	for input, want := range map[any]int64{&ecr.UploadLayerPartInput{}: 20971520, &ecr.PutImageInput{}: 0, &ecr.DescribeRegistryInput{}: 0} {
		typ := reflect.TypeOf(input).Elem()
		c, err := m.Checker(strings.TrimSuffix(typ.Name(), "Input"), typ)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.MaxBlob(); got != want {
			t.Errorf("%s: %d, want %d", typ.Name(), got, want)
		}
	}
}

func TestSpellingFollowsTheModel(t *testing.T) {
	for _, c := range []struct{ service, typ, field, want string }{
		{"ecr", "CreateRepositoryInput", "RepositoryName", "repositoryName"},
		{"ecr", "Tag", "Key", "Key"},
		{"sts", "AssumeRoleInput", "RoleArn", "RoleArn"},
		{"sts", "PolicyDescriptorType", "Arn", "arn"},
	} {
		if got := load(t, c.service).Spell(c.typ, c.field); got != c.want {
			t.Errorf("%s %s.%s is spelled %q, want %q", c.service, c.typ, c.field, got, c.want)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		load(b, "ecr")
	}
}

func BenchmarkCheck(b *testing.B) {
	m := load(b, "ecr")
	c, err := m.Checker("BatchGetImage", reflect.TypeFor[ecr.BatchGetImageInput]())
	if err != nil {
		b.Fatal(err)
	}
	in := &ecr.BatchGetImageInput{RepositoryName: aws.String("team/demo"), ImageIds: []ecrtypes.ImageIdentifier{{ImageTag: aws.String("latest")}}}
	b.ReportAllocs()
	for b.Loop() {
		if c.Check(in) != nil {
			b.Fatal("found something")
		}
	}
}
