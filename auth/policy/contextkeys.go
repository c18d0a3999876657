package policy

import (
	"sort"
	"strings"
)

// ContextKeys are the condition keys that documents refer to, in conditions and
// as policy variables, as they spell them, sorted. Keys that differ in case only
// are one; the first spelling is taken.
func ContextKeys(documents ...*Document) []string {
	var all []string
	for _, d := range documents {
		for _, st := range d.Statements {
			for i := range st.resources {
				all = st.resources[i].variables(all)
			}
			for i := range st.conditions {
				all = append(all, st.conditions[i].name)
				for _, v := range st.conditions[i].values {
					all = v.variables(all)
				}
			}
		}
	}
	seen := make(map[string]bool, len(all))
	out := all[:0]
	for _, name := range all {
		if key := strings.ToLower(name); !seen[key] {
			seen[key] = true
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}
