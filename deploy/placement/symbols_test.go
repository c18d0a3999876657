package placement

import (
	"fmt"
	"testing"
)

func TestInstancesThatComeAndGoLeaveNothingBehind(t *testing.T) {
	f := NewFleet(Instance{ID: "stays", Attributes: map[string]string{"serial": "0", "stack": "prod"}})
	for i := range 1000 {
		id := fmt.Sprint(i)
		f.PutInstance(Instance{ID: id, Attributes: map[string]string{"serial": id + "a", "stack": "prod"}})
		f.PutInstance(Instance{ID: id, Attributes: map[string]string{"serial": id + "b"}})
		if err := f.PutTask(id, Task{ID: id, Group: id}); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			f.RemoveTask(id)
		}
		f.RemoveInstance(id)
	}
	for name, c := range f.columnOf {
		if len(f.columns[c].values) > 4 || len(f.columns[c].byText) != 1 {
			t.Errorf("%s: %v", name, f.columns[c].values)
		}
	}
	if len(f.names.values) > 3 || len(f.names.byText) != 0 || len(f.groups) != 0 || len(f.onNode) != 0 || f.Len() != 1 {
		t.Errorf("groups %v, tasks %v, %d instances", f.names.values, f.onNode, f.Len())
	}
}
