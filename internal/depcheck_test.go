// Package internal_test holds the direction of the project's imports.
package internal_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPackagesKnowOnlyWhatIsBelowThem holds docs/architecture.md to the code: for
// each package, the packages of ours that it must not reach, however indirectly.
func TestPackagesKnowOnlyWhatIsBelowThem(t *testing.T) {
	for pkg, above := range map[string][]string{
		"drydock/auth":               {"drydock/awsapi", "drydock/registry", "drydock/ecrapi", "drydock/storage"},
		"drydock/auth/sigv4":         {"drydock/awsapi", "drydock/registry", "drydock/ecrapi", "drydock/storage"},
		"drydock/auth/policy":        {"drydock/auth/identity", "drydock/auth/enforce", "drydock/awsapi", "drydock/storage", "drydock/registry", "drydock/ecrapi", "net/http", "database/sql"},
		"drydock/auth/identity":      {"drydock/auth/enforce", "drydock/awsapi", "drydock/registry", "drydock/ecrapi", "drydock/storage/blob"},
		"drydock/auth/enforce":       {"drydock/awsapi", "drydock/registry", "drydock/ecrapi"},
		"drydock/auth/token":         {"drydock/awsapi", "drydock/registry", "drydock/ecrapi", "drydock/storage"},
		"drydock/auth/token/keyring": {"drydock/auth/identity", "drydock/awsapi", "drydock/registry", "drydock/ecrapi", "drydock/storage/blob"},
		"drydock/auth/shared":        {"drydock/auth/identity", "drydock/awsapi", "drydock/registry", "drydock/ecrapi", "drydock/storage/blob", "drydock/storage/meta/postgres", "drydock/storage/meta/sqlite", "net/http"},
		"drydock/auth/throttle":      {"drydock/auth/token", "drydock/auth/sigv4", "drydock/awsapi", "drydock/registry", "drydock/storage", "net/http"},
		"drydock/awsapi":             {"drydock/registry", "drydock/ecrapi", "drydock/storage", "github.com/aws/aws-sdk-go-v2/service/ecr"},
		"drydock/storage":            {"drydock/auth", "drydock/awsapi", "drydock/registry", "drydock/ecrapi", "net/http/httputil", "github.com/aws/aws-sdk-go-v2", "github.com/jackc/pgx", "modernc.org/sqlite"},
		"drydock/storage/blob":       {"drydock/storage/meta", "drydock/auth"},
		"drydock/storage/meta":       {"drydock/storage/blob", "drydock/auth"},
		"drydock/internal/leases":    {"drydock/storage/blob", "drydock/auth", "drydock/awsapi", "drydock/registry", "drydock/ecrapi"},
		"drydock/registry":           {"drydock/awsapi", "drydock/ecrapi", "github.com/aws/aws-sdk-go-v2"},
		"drydock/ecrapi":             {"drydock/registry", "drydock/deploy", "drydock/cmd"},
		"drydock/deploy":             {"drydock/registry", "drydock/ecrapi", "drydock/deploy/docker", "drydock/deploy/reconcile", "github.com/docker"},
		"drydock/deploy/machine":     {"drydock/storage", "drydock/auth", "drydock/awsapi", "github.com"},
		"drydock/deploy/placement":   {"drydock/storage", "drydock/auth", "drydock/awsapi", "drydock/deploy/record", "github.com"},
		"drydock/deploy/secret":      {"drydock/auth/identity", "drydock/auth/enforce", "drydock/awsapi", "drydock/deploy/record", "drydock/deploy/machine", "github.com/aws"},
		"drydock/deploy/role":        {"drydock/auth/enforce", "drydock/awsapi", "drydock/deploy/record", "drydock/deploy/docker", "drydock/storage/blob"},
		"drydock/deploy/keeper":      {"drydock/auth/enforce", "drydock/awsapi", "drydock/registry", "drydock/ecrapi", "drydock/deploy/docker", "drydock/deploy/reconcile"},
		"drydock/deploy/inside":      {"drydock/auth/enforce", "drydock/awsapi", "drydock/registry", "drydock/ecrapi", "drydock/deploy/docker", "drydock/deploy/reconcile", "drydock/deploy/keeper"},
		"drydock/deploy/docker":      {"drydock/storage", "drydock/auth", "drydock/awsapi", "drydock/deploy/record", "drydock/deploy/reconcile"},
	} {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatalf("list what %s imports: %v", pkg, err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			for _, a := range above {
				if dep != pkg && (dep == a || strings.HasPrefix(dep, a+"/")) {
					t.Errorf("%s reaches %s", pkg, dep)
				}
			}
		}
	}
}
