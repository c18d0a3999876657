package managed

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func load(t *testing.T) *Set {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheUsualPoliciesAreFoundByTheARNsThatPeopleWrite(t *testing.T) {
	s := load(t)
	for arn, action := range map[string]string{
		"arn:aws:iam::aws:policy/AdministratorAccess":                              `"*"`,
		"arn:aws:iam::aws:policy/PowerUserAccess":                                  `"NotAction"`,
		"arn:aws:iam::aws:policy/IAMFullAccess":                                    `"iam:*"`,
		"arn:aws:iam::aws:policy/IAMReadOnlyAccess":                                `"iam:Get*"`,
		"arn:aws:iam::aws:policy/ReadOnlyAccess":                                   `"ecr:BatchGet*"`,
		"arn:aws:iam::aws:policy/job-function/ViewOnlyAccess":                      `"ecr:ListImages"`,
		"arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly":               `"ecr:BatchGetImage"`,
		"arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly":               `"ecr:BatchImportUpstreamImage"`,
		"arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser":              `"ecr:PutImage"`,
		"arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryFullAccess":             `"ecr:*"`,
		"arn:aws:iam::aws:policy/AmazonElasticContainerRegistryPublicReadOnly":     `"ecr-public:DescribeImages"`,
		"arn:aws:iam::aws:policy/AmazonElasticContainerRegistryPublicPowerUser":    `"ecr-public:PutImage"`,
		"arn:aws:iam::aws:policy/AmazonElasticContainerRegistryPublicFullAccess":   `"ecr-public:*"`,
		"arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy":    `"logs:PutLogEvents"`,
		"arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role": `"ecs:RegisterContainerInstance"`,
		"arn:aws:iam::aws:policy/AmazonECS_FullAccess":                             `"ecs:*"`,
	} {
		if p, ok := s.Find(arn); !ok || !strings.Contains(p.Document, action) {
			t.Errorf("%s: found %v, and in it no %s", arn, ok, action)
		}
	}
	for _, arn := range []string{"", "AdministratorAccess", "arn:aws:iam::aws:policy/AmazonECSTaskExecutionRolePolicy", "arn:aws:iam::123456789012:policy/AdministratorAccess"} {
		if p, ok := s.Find(arn); ok {
			t.Errorf("%q was found to be %s", arn, p.ARN)
		}
	}
}

func TestReadingDoesNotAllowWriting(t *testing.T) {
	writes := regexp.MustCompile(`:(Put|Delete|Create|Initiate|Upload|Complete|Attach|Tag|Set|Update|Run)`)
	s := load(t)
	for _, name := range []string{"ReadOnlyAccess", "job-function/ViewOnlyAccess", "IAMReadOnlyAccess", "AmazonEC2ContainerRegistryReadOnly", "AmazonEC2ContainerRegistryPullOnly"} {
		p, ok := s.Find(Prefix + name)
		if found := writes.FindString(p.Document); !ok || found != "" {
			t.Errorf("%s (found %v) allows %s", name, ok, found)
		}
	}
}

func TestEachPolicyIsComplete(t *testing.T) {
	ids := map[string]bool{}
	all := load(t).All()
	if len(all) < 16 || !slices.IsSortedFunc(all, func(a, b Policy) int { return strings.Compare(a.ARN, b.ARN) }) {
		t.Errorf("%d policies, or not in order", len(all))
	}
	id := regexp.MustCompile(`^ANPA[A-Z2-7]{17}$`)
	for _, p := range all {
		version, err := strconv.Atoi(strings.TrimPrefix(p.Version, "v"))
		if !id.MatchString(p.ID) || ids[p.ID] || err != nil || version < 1 || p.Description == "" ||
			!strings.HasPrefix(p.Path, "/") || !strings.HasSuffix(p.Path, "/") || p.Created.IsZero() || p.Updated.Before(p.Created) {
			t.Errorf("%s is not complete: %+v", p.Name, p)
		}
		ids[p.ID] = true
		var document struct {
			Version   string
			Statement []map[string]any
		}
		if err := json.Unmarshal([]byte(p.Document), &document); err != nil || document.Version != "2012-10-17" || len(document.Statement) == 0 {
			t.Errorf("the document of %s: %v, %+v", p.Name, err, document)
		}
		if !strings.Contains(p.Document, "\n    \"Statement\": [\n        {") {
			t.Errorf("the document of %s is not laid out as AWS does:\n%s", p.Name, p.Document)
		}
	}
}
