package deploy

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"drydock/deploy/record"
	"drydock/internal/arn"
)

// defaultCluster is the cluster of requests that name none.
const defaultCluster = "default"

// name is the form of the names of clusters, families, services and providers: up
// to 255 letters, digits, hyphens and underscores.
var name = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

func resource(s record.Scope, kind, rest string) string {
	return arn.ARN{Service: "ecs", Region: s.Region, Account: s.Account, Resource: kind + "/" + rest}.String()
}

func clusterARN(s record.Scope, cluster string) string { return resource(s, "cluster", cluster) }

func definitionARN(s record.Scope, family string, revision int64) string {
	return resource(s, "task-definition", family+":"+strconv.FormatInt(revision, 10))
}

func capacityProviderARN(s record.Scope, name string) string {
	return resource(s, "capacity-provider", name)
}

// named takes the name out of what a request calls something of a kind by: its ARN,
// or the name itself, which may have the kind's path before it in the ARN. Other
// accounts and regions have nothing here.
func named(s record.Scope, kind, given string) (rest string, err error) {
	if !strings.HasPrefix(given, "arn:") {
		return given, nil
	}
	a, err := arn.Parse(given)
	if err != nil {
		return "", invalidParameter("Invalid arn syntax.")
	}
	rest, ok := strings.CutPrefix(a.Resource, kind+"/")
	switch {
	case a.Service != "ecs" || !ok || rest == "":
		return "", invalidParameter("Unexpected resource type: %q is not the ARN of a %s.", given, kind)
	case a.Account != s.Account:
		return "", invalidParameter("Identifier is for %s. Your accountId is %s", a.Account, s.Account)
	case a.Region != s.Region:
		return "", invalidParameter("Identifier is for %s. Your region is %s", a.Region, s.Region)
	}
	return rest, nil
}

// clusterOf is the name of the cluster that a request means.
func clusterOf(ctx context.Context, given *string) (string, error) {
	if deref(given) == "" {
		return defaultCluster, nil
	}
	c, err := named(scopeOf(ctx), "cluster", *given)
	if err == nil && !name.MatchString(c) {
		err = invalidParameter("Invalid identifier: Identifier is for cluster. Names of clusters have letters, digits, hyphens and underscores.")
	}
	return c, err
}

// parseRevision takes a task definition's family and revision from a request:
// family, family:revision or the ARN. revision is 0 where none is given.
func parseRevision(s record.Scope, given string) (family string, revision int64, err error) {
	rest, err := named(s, "task-definition", given)
	if err != nil {
		return "", 0, err
	}
	family, number, numbered := strings.Cut(rest, ":")
	if numbered {
		if revision, err = strconv.ParseInt(number, 10, 64); err != nil || revision < 1 {
			return "", 0, clientError("Invalid revision number. Number: %s", number)
		}
	}
	if !name.MatchString(family) {
		return "", 0, clientError("The family of the task definition %s", fmt.Sprintf("%q is not valid: it has letters, digits, hyphens and underscores.", family))
	}
	return family, revision, nil
}

func instanceARN(s record.Scope, cluster, id string) string {
	return resource(s, "container-instance", cluster+"/"+id)
}

func taskARN(s record.Scope, cluster, id string) string { return resource(s, "task", cluster+"/"+id) }

// within is the id of something that belongs to a cluster: the last part of a short
// or a long ARN, or the id itself. A long ARN of another cluster is an error.
func within(s record.Scope, kind, cluster, given string) (id string, err error) {
	rest, err := named(s, kind, given)
	if err != nil {
		return "", err
	}
	in, id, long := strings.Cut(rest, "/")
	switch {
	case !long:
		return rest, nil
	case in != cluster:
		return "", invalidParameter("Identifier is for cluster %s. Request is for cluster %s.", in, cluster)
	}
	return id, nil
}
