package logsapi

import (
	"context"
	"strings"

	"drydock/awsapi"
	"drydock/deploy/logs"
	"drydock/internal/arn"
)

// groupARN is the ARN of a log group without the asterisk that some answers end it
// with.
func groupARN(s logs.Scope, group string) string {
	return arn.ARN{Service: "logs", Region: s.Region, Account: s.Account, Resource: "log-group:" + group}.String()
}

func streamARN(s logs.Scope, group, stream string) string {
	return groupARN(s, group) + ":log-stream:" + stream
}

// groupOf is the group that a request names, by a name or by an identifier, which is
// a name or an ARN.
func groupOf(ctx context.Context, name, identifier *string) (string, error) {
	switch {
	case name != nil && identifier != nil:
		return "", invalidParameter("Only one of logGroupName and logGroupIdentifier may be specified.")
	case name != nil:
		return *name, nil
	case identifier == nil:
		return "", invalidParameter("Either logGroupName or logGroupIdentifier must be specified.")
	case !strings.HasPrefix(*identifier, "arn:"):
		return *identifier, nil
	}
	return groupOfARN(ctx, *identifier)
}

// groupOfARN is the group of an ARN, with or without an asterisk at its end. It must
// belong to the account and the region of the call.
func groupOfARN(ctx context.Context, given string) (string, error) {
	a, err := arn.Parse(given)
	name, isGroup := strings.CutPrefix(a.Resource, "log-group:")
	name = strings.TrimSuffix(name, ":*")
	scope := scopeOf(ctx)
	switch {
	case err != nil || a.Service != "logs" || !isGroup || name == "" || strings.ContainsAny(name, ":*"):
		return "", invalidParameter("The ARN %q is not that of a log group.", given)
	case a.Account != scope.Account || a.Region != scope.Region:
		return "", invalidParameter("The log group %q belongs to another account or region.", given)
	}
	return name, nil
}

// Refusals of CloudWatch Logs show what is acted upon as a stream, be its name empty:
// so policies match that end a group's ARN with ":*", and only these.

func needOnGroup(ctx context.Context, action, group string) []awsapi.Need {
	return needOnStream(ctx, action, group, "")
}

func needOnStream(ctx context.Context, action, group, stream string) []awsapi.Need {
	s := scopeOf(ctx)
	return []awsapi.Need{{Action: "logs:" + action, Resource: streamARN(s, group, stream), ResourceAccount: s.Account}}
}

// needOnTags is the permission for an operation on a group's tags, whose policies name
// the group's ARN as it is.
func needOnTags(ctx context.Context, action, group string, keys map[string][]string) []awsapi.Need {
	s := scopeOf(ctx)
	return []awsapi.Need{{Action: "logs:" + action, Resource: groupARN(s, group), ResourceAccount: s.Account, Keys: keys}}
}
