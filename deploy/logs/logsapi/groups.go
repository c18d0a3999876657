package logsapi

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"drydock/awsapi"
	"drydock/deploy/logs"
	"drydock/storage/meta"
)

// describeSize is how many groups or streams a page has unless a request says so.
const describeSize = 50

// CreateLogGroup makes a group that keeps its events for ever.
func (s *Service) CreateLogGroup(ctx context.Context, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	class := in.LogGroupClass
	switch {
	case class == "":
		class = types.LogGroupClassStandard
	case class == types.LogGroupClassDelivery:
		return nil, invalidParameter("There are no log groups of the class DELIVERY here: leave logGroupClass out.")
	}
	if in.KmsKeyId != nil {
		return nil, invalidParameter("There is no KMS here: leave kmsKeyId out.")
	}
	if deref(in.DeletionProtectionEnabled) {
		return nil, invalidParameter("Log groups cannot be protected from deletion here: leave deletionProtectionEnabled out.")
	}
	name := *in.LogGroupName
	if strings.HasPrefix(strings.ToLower(name), "aws/") {
		return nil, invalidParameter("Log groups starting with AWS/ are reserved for AWS.")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	scope := scopeOf(ctx)
	err := s.store.CreateGroup(ctx, logs.Group{Scope: scope, Name: name, Class: string(class)}, func(q meta.Querier) error {
		return putTags(ctx, q, groupARN(scope, name), in.Tags)
	})
	return &cloudwatchlogs.CreateLogGroupOutput{}, exception(err)
}

// As in IAM, tags at creation take the permission to tag as well; otherwise conditions
// on tags could be gone round.
func needsCreateLogGroup(ctx context.Context, in *cloudwatchlogs.CreateLogGroupInput) ([]awsapi.Need, error) {
	needs := needOnGroup(ctx, "CreateLogGroup", *in.LogGroupName)
	if len(in.Tags) > 0 {
		needs[0].Keys = tagKeys(in.Tags)
		needs = append(needs, needOnTags(ctx, "TagResource", *in.LogGroupName, tagKeys(in.Tags))...)
	}
	return needs, nil
}

// DeleteLogGroup deletes a group with its streams and events.
func (s *Service) DeleteLogGroup(ctx context.Context, in *cloudwatchlogs.DeleteLogGroupInput) (*cloudwatchlogs.DeleteLogGroupOutput, error) {
	scope := scopeOf(ctx)
	err := s.store.DeleteGroup(ctx, scope, *in.LogGroupName, func(q meta.Querier) error {
		return meta.DeleteResourceTags(ctx, q, groupARN(scope, *in.LogGroupName))
	})
	return &cloudwatchlogs.DeleteLogGroupOutput{}, exception(err)
}

func needsDeleteLogGroup(ctx context.Context, in *cloudwatchlogs.DeleteLogGroupInput) ([]awsapi.Need, error) {
	return needOnGroup(ctx, "DeleteLogGroup", *in.LogGroupName), nil
}

// DescribeLogGroups describes groups by name.
func (s *Service) DescribeLogGroups(ctx context.Context, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	scope := scopeOf(ctx)
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalidParameter("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	out := &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{}}
	if foreign(scope, in.AccountIdentifiers) {
		return out, nil
	}
	if len(in.LogGroupIdentifiers) > 0 {
		return s.describeIdentified(ctx, in)
	}
	l := listing{scope, "DescribeLogGroups", []any{deref(in.LogGroupNamePrefix), deref(in.LogGroupNamePattern), in.LogGroupClass}}
	after, err := place(l, in.NextToken, "")
	if err != nil {
		return nil, err
	}
	size := describeSize
	if in.Limit != nil {
		size = int(*in.Limit)
	}
	filter := logs.GroupFilter{Prefix: deref(in.LogGroupNamePrefix), Containing: deref(in.LogGroupNamePattern), Class: string(in.LogGroupClass)}
	found, err := s.store.Groups(ctx, scope, filter, after, size+1)
	if err != nil {
		return nil, exception(err)
	}
	found, more := cut(found, size)
	for _, g := range found {
		out.LogGroups = append(out.LogGroups, describe(g))
	}
	if more {
		out.NextToken = token(l, found[len(found)-1].Name)
	}
	return out, nil
}

// describeIdentified describes the groups named; those that do not exist are left out.
func (s *Service) describeIdentified(ctx context.Context, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	if in.LogGroupNamePrefix != nil || in.LogGroupNamePattern != nil || in.NextToken != nil || in.Limit != nil {
		return nil, invalidParameter("logGroupIdentifiers cannot be used together with a prefix, a pattern, a limit or a nextToken.")
	}
	var names []string
	for _, identifier := range in.LogGroupIdentifiers {
		name, err := groupOf(ctx, nil, &identifier)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	out := &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{}}
	for _, name := range slices.Compact(names) {
		found, err := s.store.Groups(ctx, scopeOf(ctx), logs.GroupFilter{Prefix: name, Class: string(in.LogGroupClass)}, "", 1)
		if err != nil {
			return nil, exception(err)
		}
		if len(found) == 1 && found[0].Name == name {
			out.LogGroups = append(out.LogGroups, describe(found[0]))
		}
	}
	return out, nil
}

func needsDescribeLogGroups(ctx context.Context, _ *cloudwatchlogs.DescribeLogGroupsInput) ([]awsapi.Need, error) {
	return needOnGroup(ctx, "DescribeLogGroups", ""), nil
}

// foreign reports whether a list of accounts leaves out the caller's.
func foreign(s logs.Scope, accounts []string) bool {
	return len(accounts) > 0 && !slices.Contains(accounts, s.Account)
}

func describe(g logs.Group) types.LogGroup {
	arn := groupARN(g.Scope, g.Name)
	d := types.LogGroup{
		LogGroupName: to(g.Name), LogGroupArn: to(arn), Arn: to(arn + ":*"), LogGroupClass: types.LogGroupClass(g.Class),
		CreationTime: to(g.CreatedAt), StoredBytes: to(g.Stored), MetricFilterCount: to(int32(0)),
	}
	if g.Retention > 0 {
		d.RetentionInDays = to(int32(g.Retention))
	}
	return d
}

// ListLogGroups lists groups by name. Of its filters there are pattern and class.
func (s *Service) ListLogGroups(ctx context.Context, in *cloudwatchlogs.ListLogGroupsInput) (*cloudwatchlogs.ListLogGroupsOutput, error) {
	if len(in.DataSources) > 0 || len(in.FieldIndexNames) > 0 || len(in.LogGroupTags) > 0 {
		return nil, invalidParameter("Log groups are listed by logGroupNamePattern and logGroupClass here: leave other filters out.")
	}
	scope := scopeOf(ctx)
	out := &cloudwatchlogs.ListLogGroupsOutput{LogGroups: []types.LogGroupSummary{}}
	if foreign(scope, in.AccountIdentifiers) {
		return out, nil
	}
	named, err := regexp.Compile(deref(in.LogGroupNamePattern))
	if err != nil {
		return nil, invalidParameter("The logGroupNamePattern is invalid.")
	}
	l := listing{scope, "ListLogGroups", []any{deref(in.LogGroupNamePattern), in.LogGroupClass}}
	after, err := place(l, in.NextToken, "")
	if err != nil {
		return nil, err
	}
	size := describeSize
	if in.Limit != nil {
		size = int(*in.Limit)
	}
	for {
		found, err := s.store.Groups(ctx, scope, logs.GroupFilter{Class: string(in.LogGroupClass)}, after, describeSize)
		if err != nil {
			return nil, exception(err)
		}
		for _, g := range found {
			if !named.MatchString(g.Name) {
				continue
			}
			if len(out.LogGroups) == size {
				out.NextToken = token(l, *out.LogGroups[size-1].LogGroupName)
				return out, nil
			}
			d := describe(g)
			out.LogGroups = append(out.LogGroups, types.LogGroupSummary{LogGroupName: d.LogGroupName, LogGroupArn: d.LogGroupArn, LogGroupClass: d.LogGroupClass})
		}
		if len(found) < describeSize {
			return out, nil
		}
		after = found[len(found)-1].Name
	}
}

func needsListLogGroups(ctx context.Context, _ *cloudwatchlogs.ListLogGroupsInput) ([]awsapi.Need, error) {
	return needOnGroup(ctx, "ListLogGroups", ""), nil
}

// retentions are the days that CloudWatch keeps events for.
// Source: API Reference, PutRetentionPolicy.
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// PutRetentionPolicy sets for how many days a group keeps its events.
func (s *Service) PutRetentionPolicy(ctx context.Context, in *cloudwatchlogs.PutRetentionPolicyInput) (*cloudwatchlogs.PutRetentionPolicyOutput, error) {
	if !slices.Contains(retentions, *in.RetentionInDays) {
		return nil, invalidParameter("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %s",
			*in.RetentionInDays, strings.ReplaceAll(fmt.Sprint(retentions), " ", ", "))
	}
	err := s.store.SetRetention(ctx, scopeOf(ctx), *in.LogGroupName, int(*in.RetentionInDays))
	return &cloudwatchlogs.PutRetentionPolicyOutput{}, exception(err)
}

func needsPutRetentionPolicy(ctx context.Context, in *cloudwatchlogs.PutRetentionPolicyInput) ([]awsapi.Need, error) {
	return needOnGroup(ctx, "PutRetentionPolicy", *in.LogGroupName), nil
}

// DeleteRetentionPolicy has a group keep its events for ever.
func (s *Service) DeleteRetentionPolicy(ctx context.Context, in *cloudwatchlogs.DeleteRetentionPolicyInput) (*cloudwatchlogs.DeleteRetentionPolicyOutput, error) {
	err := s.store.SetRetention(ctx, scopeOf(ctx), *in.LogGroupName, 0)
	return &cloudwatchlogs.DeleteRetentionPolicyOutput{}, exception(err)
}

func needsDeleteRetentionPolicy(ctx context.Context, in *cloudwatchlogs.DeleteRetentionPolicyInput) ([]awsapi.Need, error) {
	return needOnGroup(ctx, "DeleteRetentionPolicy", *in.LogGroupName), nil
}
