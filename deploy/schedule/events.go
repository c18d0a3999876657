package schedule

import (
	"fmt"
	"strings"
)

// seeAlso ends events that tell of trouble.
const seeAlso = "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."

func (d *decision) event(message string) {
	d.plan.Events = append(d.plan.Events, "(service "+d.Name+") "+message)
}

// trouble tells of what is in the way, once.
func (d *decision) trouble(message string) { d.obstacle("(service " + d.Name + ") " + message) }

func (d *decision) obstacle(message string) {
	if d.st.Trouble != message {
		d.st.Trouble = message
		d.plan.Events = append(d.plan.Events, message)
	}
}

// tell tells of stops. Starts are told of by Started, for their ids are not known yet.
func (d *decision) tell() {
	if len(d.plan.Stop) == 0 {
		return
	}
	ids := make([]string, 0, len(d.plan.Stop))
	for _, s := range d.plan.Stop {
		ids = append(ids, s.Task)
	}
	d.event(fmt.Sprintf("has stopped %d running tasks: %s.", len(ids), listed(ids)))
}

// Started is the event of tasks that were started.
func Started(service string, ids []string) string {
	return fmt.Sprintf("(service %s) has started %d tasks: %s.", service, len(ids), listed(ids))
}

func listed(ids []string) string { return "(task " + strings.Join(ids, ") (task ") + ")" }
