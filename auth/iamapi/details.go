package iamapi

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

// GetAccountAuthorizationDetails shows everything that decides what the users,
// groups and roles of the account may do. Its pages go through one kind of record
// after the other; a marker holds the kind and the place in it.
func (s *Service) GetAccountAuthorizationDetails(ctx context.Context, in *iam.GetAccountAuthorizationDetailsInput) (*iam.GetAccountAuthorizationDetailsOutput, error) {
	l := list(ctx, "GetAccountAuthorizationDetails", in.Filter)
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &iam.GetAccountAuthorizationDetailsOutput{
		UserDetailList: []types.UserDetail{}, GroupDetailList: []types.GroupDetail{},
		RoleDetailList: []types.RoleDetail{}, Policies: []types.ManagedPolicyDetail{},
	}
	kind, after, resumed := strings.Cut(page.After, " ")
	left := page.Limit
	for _, c := range []struct {
		kind types.EntityType
		add  func(context.Context, *iam.GetAccountAuthorizationDetailsOutput, identity.Page) (n int, next string, err error)
	}{
		{types.EntityTypeUser, s.addUsers},
		{types.EntityTypeGroup, s.addGroups},
		{types.EntityTypeRole, s.addRoles},
		{types.EntityTypeLocalManagedPolicy, s.addLocalPolicies},
		{types.EntityTypeAWSManagedPolicy, s.addAWSPolicies},
	} {
		if len(in.Filter) > 0 && !slices.Contains(in.Filter, c.kind) || resumed && string(c.kind) != kind {
			continue
		}
		if left == 0 {
			out.IsTruncated, out.Marker = true, l.marker(string(c.kind)+" ")
			break
		}
		n, next, err := c.add(ctx, out, identity.Page{After: after, Limit: left})
		if err != nil {
			return nil, err
		}
		if next != "" {
			out.IsTruncated, out.Marker = true, l.marker(string(c.kind)+" "+next)
			break
		}
		left -= n
		after, resumed = "", false
	}
	return out, nil
}

func needsGetAccountAuthorizationDetails(ctx context.Context, _ *iam.GetAccountAuthorizationDetailsInput) ([]awsapi.Need, error) {
	return anything().needs(ctx, "GetAccountAuthorizationDetails", nil), nil
}

func (s *Service) addUsers(ctx context.Context, out *iam.GetAccountAuthorizationDetailsOutput, p identity.Page) (int, string, error) {
	found, next, err := s.store.Users(ctx, account(ctx), "", p)
	if err != nil {
		return 0, "", exception(err)
	}
	for _, u := range found {
		of := identity.Entity{Kind: identity.KindUser, Name: u.Name}
		d := types.UserDetail{Arn: text(u.ARN()), UserName: text(u.Name), UserId: text(u.ID), Path: text(u.Path), CreateDate: &u.CreatedAt,
			PermissionsBoundary: boundary(u.Boundary), GroupList: []string{}}
		if d.AttachedManagedPolicies, d.UserPolicyList, err = s.policiesOf(ctx, of); err != nil {
			return 0, "", err
		}
		groups, _, err := s.store.GroupsOf(ctx, account(ctx), u.Name, identity.Page{Limit: maxItems})
		if err != nil {
			return 0, "", exception(err)
		}
		for _, g := range groups {
			d.GroupList = append(d.GroupList, g.Name)
		}
		if d.Tags, err = s.tagsOf(ctx, of); err != nil {
			return 0, "", err
		}
		out.UserDetailList = append(out.UserDetailList, d)
	}
	return len(found), next, nil
}

func (s *Service) addGroups(ctx context.Context, out *iam.GetAccountAuthorizationDetailsOutput, p identity.Page) (int, string, error) {
	found, next, err := s.store.Groups(ctx, account(ctx), "", p)
	if err != nil {
		return 0, "", exception(err)
	}
	for _, g := range found {
		d := types.GroupDetail{Arn: text(g.ARN()), GroupName: text(g.Name), GroupId: text(g.ID), Path: text(g.Path), CreateDate: &g.CreatedAt}
		if d.AttachedManagedPolicies, d.GroupPolicyList, err = s.policiesOf(ctx, identity.Entity{Kind: identity.KindGroup, Name: g.Name}); err != nil {
			return 0, "", err
		}
		out.GroupDetailList = append(out.GroupDetailList, d)
	}
	return len(found), next, nil
}

func (s *Service) addRoles(ctx context.Context, out *iam.GetAccountAuthorizationDetailsOutput, p identity.Page) (int, string, error) {
	found, next, err := s.store.Roles(ctx, account(ctx), "", p)
	if err != nil {
		return 0, "", exception(err)
	}
	for _, r := range found {
		of := identity.Entity{Kind: identity.KindRole, Name: r.Name}
		d := types.RoleDetail{Arn: text(r.ARN()), RoleName: text(r.Name), RoleId: text(r.ID), Path: text(r.Path), CreateDate: &r.CreatedAt,
			AssumeRolePolicyDocument: encoded(r.Trust), PermissionsBoundary: boundary(r.Boundary), RoleLastUsed: lastUsed(r)}
		if d.AttachedManagedPolicies, d.RolePolicyList, err = s.policiesOf(ctx, of); err != nil {
			return 0, "", err
		}
		profiles, _, err := s.store.InstanceProfilesOf(ctx, account(ctx), r.Name, identity.Page{Limit: maxItems})
		if err != nil {
			return 0, "", exception(err)
		}
		if d.InstanceProfileList, err = s.listProfiles(ctx, profiles); err != nil {
			return 0, "", err
		}
		if d.Tags, err = s.tagsOf(ctx, of); err != nil {
			return 0, "", err
		}
		out.RoleDetailList = append(out.RoleDetailList, d)
	}
	return len(found), next, nil
}

func (s *Service) addLocalPolicies(ctx context.Context, out *iam.GetAccountAuthorizationDetailsOutput, p identity.Page) (int, string, error) {
	return s.addPolicies(ctx, out, identity.PolicyFilter{Local: true}, p)
}

// Of AWS's policies those are shown that somebody in the account has.
func (s *Service) addAWSPolicies(ctx context.Context, out *iam.GetAccountAuthorizationDetailsOutput, p identity.Page) (int, string, error) {
	return s.addPolicies(ctx, out, identity.PolicyFilter{AWS: true, Attached: true}, p)
}

func (s *Service) addPolicies(ctx context.Context, out *iam.GetAccountAuthorizationDetailsOutput, f identity.PolicyFilter, p identity.Page) (int, string, error) {
	found, next, err := s.store.Policies(ctx, account(ctx), f, p)
	if err != nil {
		return 0, "", exception(err)
	}
	for _, m := range found {
		versions, _, err := s.store.PolicyVersions(ctx, account(ctx), m.ARN(), identity.Page{Limit: maxItems})
		if err != nil {
			return 0, "", exception(err)
		}
		out.Policies = append(out.Policies, types.ManagedPolicyDetail{
			Arn: text(m.ARN()), PolicyName: text(m.Name), PolicyId: text(m.ID), Path: text(m.Path), Description: text(m.Description),
			DefaultVersionId: to(versionID(m.DefaultVersion)), IsAttachable: true, AttachmentCount: to(int32(m.Attachments)),
			PermissionsBoundaryUsageCount: to(int32(m.Boundaries)), CreateDate: &m.CreatedAt, UpdateDate: &m.UpdatedAt,
			PolicyVersionList: each(versions, describeVersion),
		})
	}
	return len(found), next, nil
}

// policiesOf are the managed and the embedded policies of a user, group or role.
func (s *Service) policiesOf(ctx context.Context, of identity.Entity) ([]types.AttachedPolicy, []types.PolicyDetail, error) {
	managed, _, err := s.attached(ctx, of, nil, nil, to(int32(maxItems)))
	if err != nil {
		return nil, nil, err
	}
	inline := []types.PolicyDetail{}
	err = s.eachInline(ctx, of, func(name, document string) error {
		inline = append(inline, types.PolicyDetail{PolicyName: &name, PolicyDocument: encoded(document)})
		return nil
	})
	return managed, inline, err
}

func (s *Service) tagsOf(ctx context.Context, of identity.Entity) ([]types.Tag, error) {
	tags, err := s.store.TagsOf(ctx, account(ctx), of)
	if err != nil {
		return nil, exception(err)
	}
	return tagList(tags), nil
}
