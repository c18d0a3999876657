package iamapi

import (
	"context"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// sdkOperations are the operations that the SDK's client knows, with the types of
// their inputs and outputs.
func sdkOperations() map[string][2]reflect.Type {
	ctx, failure := reflect.TypeFor[context.Context](), reflect.TypeFor[error]()
	ops := map[string][2]reflect.Type{}
	client := reflect.TypeFor[*iam.Client]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		t := m.Type // func(receiver, context.Context, *Input, ...func(*Options)) (*Output, error)
		if t.NumIn() == 4 && t.IsVariadic() && t.In(1) == ctx && t.NumOut() == 2 && t.Out(1) == failure {
			ops[m.Name] = [2]reflect.Type{t.In(2), t.Out(0)}
		}
	}
	return ops
}

// The list of what is missing is read by people, so it must be true.
func TestTheListOfUnbuiltOperationsIsTrue(t *testing.T) {
	known := sdkOperations()
	if len(known) < 170 {
		t.Fatalf("found only %d operations in the SDK's client", len(known))
	}
	service := reflect.TypeFor[*Service]()
	built := map[string]bool{}
	for _, op := range (&Service{}).Operations() {
		if built[op.Name] {
			t.Errorf("%s is registered twice", op.Name)
		}
		built[op.Name] = true
		want, ok := known[op.Name]
		if !ok {
			t.Errorf("%s is registered but the SDK's client has no such operation", op.Name)
			continue
		}
		m, ok := service.MethodByName(op.Name)
		if !ok || m.Type.In(2) != want[0] || m.Type.Out(0) != want[1] {
			t.Errorf("%s is registered under a name that is not its method's, or takes other types than the SDK's client", op.Name)
		}
	}
	var unbuilt []string
	for name := range known {
		if !built[name] {
			unbuilt = append(unbuilt, name)
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

func TestNewNeedsTheRecords(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("an API without records was made")
	}
}
