package ecrapi

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/auth/policy"
	"drydock/auth/servicerole"
	"drydock/awsapi"
	"drydock/ecrapi/template"
	"drydock/internal/arn"
	"drydock/storage"
)

// CreateRepositoryCreationTemplate says what repositories of a prefix are to be like
// that are made on behalf of others.
func (s *Service) CreateRepositoryCreationTemplate(ctx context.Context, in *ecr.CreateRepositoryCreationTemplateInput) (*ecr.CreateRepositoryCreationTemplateOutput, error) {
	of := scopeOf(ctx, nil)
	t := template.Template{Prefix: deref(in.Prefix), Description: deref(in.Description)}
	m, err := mutabilityOf(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
	if err != nil {
		return nil, err
	}
	t.Mutability = m
	change := templateChange{
		encryption: in.EncryptionConfiguration, tags: in.ResourceTags, policy: in.RepositoryPolicy, lifecycle: in.LifecyclePolicy,
		appliedFor: in.AppliedFor, role: in.CustomRoleArn,
	}
	if err := s.changeTemplate(ctx, &t, change); err != nil {
		return nil, err
	}
	document, err := t.Document()
	if err != nil {
		return nil, err
	}
	set, err := s.engine.CreateSetting(ctx, template.Key(of, t.Prefix), document)
	var exists *storage.SettingExistsError
	if errors.As(err, &exists) {
		return nil, &types.TemplateAlreadyExistsException{Message: sentence(
			"A repository creation template with prefix '%s' already exists in the registry with id '%s'", t.Prefix, of.Account)}
	}
	if err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	t.CreatedAt, t.UpdatedAt = set.CreatedAt, set.UpdatedAt
	return &ecr.CreateRepositoryCreationTemplateOutput{RegistryId: &of.Account, RepositoryCreationTemplate: shownTemplate(t)}, nil
}

func needsCreateRepositoryCreationTemplate(ctx context.Context, in *ecr.CreateRepositoryCreationTemplateInput) ([]awsapi.Need, error) {
	return needsTemplate(ctx, "ecr:CreateRepositoryCreationTemplate", deref(in.Prefix), in.CustomRoleArn, in.RepositoryPolicy, in.LifecyclePolicy), nil
}

// UpdateRepositoryCreationTemplate changes what is given of a template.
func (s *Service) UpdateRepositoryCreationTemplate(ctx context.Context, in *ecr.UpdateRepositoryCreationTemplateInput) (*ecr.UpdateRepositoryCreationTemplateOutput, error) {
	of, prefix := scopeOf(ctx, nil), deref(in.Prefix)
	var t template.Template
	set, err := s.engine.ChangeSetting(ctx, template.Key(of, prefix), func(was string) (string, []storage.Job, error) {
		if was == "" {
			return "", nil, templateNotFound(of, prefix)
		}
		var err error
		if t, err = template.Read(storage.Setting{Document: was}); err != nil {
			return "", nil, err
		}
		if in.Description != nil {
			t.Description = *in.Description
		}
		if in.ImageTagMutability != "" || in.ImageTagMutabilityExclusionFilters != nil {
			if t.Mutability, err = mutabilityOf(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters); err != nil {
				return "", nil, err
			}
		}
		change := templateChange{
			encryption: in.EncryptionConfiguration, tags: in.ResourceTags, policy: in.RepositoryPolicy, lifecycle: in.LifecyclePolicy,
			appliedFor: in.AppliedFor, role: in.CustomRoleArn,
		}
		if err := s.changeTemplate(ctx, &t, change); err != nil {
			return "", nil, err
		}
		document, err := t.Document()
		return document, nil, err
	})
	if err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	t.CreatedAt, t.UpdatedAt = set.CreatedAt, set.UpdatedAt
	return &ecr.UpdateRepositoryCreationTemplateOutput{RegistryId: &of.Account, RepositoryCreationTemplate: shownTemplate(t)}, nil
}

func needsUpdateRepositoryCreationTemplate(ctx context.Context, in *ecr.UpdateRepositoryCreationTemplateInput) ([]awsapi.Need, error) {
	return needsTemplate(ctx, "ecr:UpdateRepositoryCreationTemplate", deref(in.Prefix), in.CustomRoleArn, in.RepositoryPolicy, in.LifecyclePolicy), nil
}

// needsTemplate is what it takes to set a template: what is made by it later is
// made on behalf of who set it.
func needsTemplate(ctx context.Context, action, prefix string, role, repositoryPolicy, lifecyclePolicy *string) []awsapi.Need {
	needs := needAny(ctx, action)
	of := scopeOf(ctx, nil)
	name := strings.TrimSuffix(prefix, "/") + "/*"
	if prefix == template.Root {
		name = "*"
	}
	on := func(action string) {
		needs = append(needs, awsapi.Need{Action: action, Resource: arn.Repository(of.Account, of.Region, name), ResourceAccount: of.Account})
	}
	on("ecr:CreateRepository")
	if deref(repositoryPolicy) != "" {
		on("ecr:SetRepositoryPolicy")
	}
	if deref(lifecyclePolicy) != "" {
		on("ecr:PutLifecyclePolicy")
	}
	if deref(role) != "" {
		needs = append(needs, awsapi.Need{
			Action: "iam:PassRole", Resource: *role, ResourceAccount: of.Account, Keys: map[string][]string{"iam:passedtoservice": {servicerole.ForECR}},
		})
	}
	return needs
}

// templateChange is what requests have in common. What is nil stays as it is.
type templateChange struct {
	encryption *types.EncryptionConfigurationForRepositoryCreationTemplate
	tags       []types.Tag
	policy     *string
	lifecycle  *string
	appliedFor []types.RCTAppliedFor
	role       *string
}

func (s *Service) changeTemplate(ctx context.Context, t *template.Template, c templateChange) error {
	if c.encryption != nil {
		return invalidParameter("encryptionConfiguration",
			"this registry does not encrypt what it stores, with %s or otherwise: leave encryptionConfiguration out and encrypt the disk", c.encryption.EncryptionType)
	}
	if c.tags != nil {
		tags, err := resourceTags(c.tags)
		if err != nil {
			return err
		}
		t.Tags = tags
	}
	if c.policy != nil {
		if t.Policy = *c.policy; t.Policy != "" {
			if _, err := s.parsePolicy(ctx, t.Policy, policy.Repository, "repository"); err != nil {
				return err
			}
		}
	}
	if c.lifecycle != nil {
		if t.Lifecycle = *c.lifecycle; t.Lifecycle != "" {
			return invalidParameter("lifecyclePolicy", "this registry has no lifecycle policies")
		}
	}
	if c.appliedFor != nil {
		t.For = nil
		for _, f := range c.appliedFor {
			if r := template.Reason(f); !slices.Contains(t.For, r) {
				t.For = append(t.For, r)
			}
		}
	}
	if c.role != nil {
		t.Role = *c.role
	}
	if t.Role != "" {
		if a, err := arn.Parse(t.Role); err != nil || a.Service != "iam" || a.Account != scopeOf(ctx, nil).Account || !strings.HasPrefix(a.Resource, "role/") {
			return invalidParameter("customRoleArn", "'%s' is not the ARN of a role of this account", t.Role)
		}
	}
	switch {
	case len(t.For) == 0:
		return invalidParameter("appliedFor", "appliedFor must name at least one of %s", template.PullThroughCache+", "+template.Replication+", "+template.CreateOnPush)
	case len(t.Tags) > 0 && t.Role == "":
		return invalidParameter("customRoleArn", "A custom role is required when resource tags are specified")
	}
	return nil
}

// DescribeRepositoryCreationTemplates describes the templates of the prefixes named,
// or all of the registry in the order of their prefixes.
func (s *Service) DescribeRepositoryCreationTemplates(ctx context.Context, in *ecr.DescribeRepositoryCreationTemplatesInput) (*ecr.DescribeRepositoryCreationTemplatesOutput, error) {
	of := scopeOf(ctx, nil)
	out := &ecr.DescribeRepositoryCreationTemplatesOutput{RegistryId: &of.Account, RepositoryCreationTemplates: []types.RepositoryCreationTemplate{}}
	if len(in.Prefixes) > 0 {
		for _, prefix := range in.Prefixes {
			t, err := s.template(ctx, of, prefix)
			if err != nil {
				return nil, err
			}
			out.RepositoryCreationTemplates = append(out.RepositoryCreationTemplates, *shownTemplate(t))
		}
		return out, nil
	}
	list := listing{operation: "DescribeRepositoryCreationTemplates", ref: storage.Ref{Scope: of}}
	after, err := list.after(in.NextToken, 1)
	if err != nil {
		return nil, err
	}
	size := pageSize(in.MaxResults)
	found, err := s.engine.Settings(ctx, of, template.Kind, storage.SettingKey{Key: after[0]}, size+1)
	if err != nil {
		return nil, exception(err, about{ref: list.ref})
	}
	found, more := cut(found, size)
	for _, set := range found {
		t, err := template.Read(set)
		if err != nil {
			return nil, err
		}
		out.RepositoryCreationTemplates = append(out.RepositoryCreationTemplates, *shownTemplate(t))
	}
	if more {
		out.NextToken = list.token(found[len(found)-1].Key)
	}
	return out, nil
}

func needsDescribeRepositoryCreationTemplates(ctx context.Context, _ *ecr.DescribeRepositoryCreationTemplatesInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:DescribeRepositoryCreationTemplates"), nil
}

// DeleteRepositoryCreationTemplate deletes a template. What was made by it stays.
func (s *Service) DeleteRepositoryCreationTemplate(ctx context.Context, in *ecr.DeleteRepositoryCreationTemplateInput) (*ecr.DeleteRepositoryCreationTemplateOutput, error) {
	of := scopeOf(ctx, nil)
	set, err := s.engine.DeleteSetting(ctx, template.Key(of, deref(in.Prefix)))
	t, err := readTemplate(of, deref(in.Prefix), set, err)
	if err != nil {
		return nil, err
	}
	return &ecr.DeleteRepositoryCreationTemplateOutput{RegistryId: &of.Account, RepositoryCreationTemplate: shownTemplate(t)}, nil
}

func needsDeleteRepositoryCreationTemplate(ctx context.Context, _ *ecr.DeleteRepositoryCreationTemplateInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:DeleteRepositoryCreationTemplate"), nil
}

func (s *Service) template(ctx context.Context, of storage.Scope, prefix string) (template.Template, error) {
	set, err := s.engine.Setting(ctx, template.Key(of, prefix))
	return readTemplate(of, prefix, set, err)
}

func readTemplate(of storage.Scope, prefix string, set storage.Setting, err error) (template.Template, error) {
	var unknown *storage.SettingUnknownError
	if errors.As(err, &unknown) {
		return template.Template{}, templateNotFound(of, prefix)
	}
	if err != nil {
		return template.Template{}, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	return template.Read(set)
}

func templateNotFound(of storage.Scope, prefix string) error {
	return &types.TemplateNotFoundException{Message: sentence(
		"The repository creation template with prefix '%s' does not exist in the registry with id '%s'", prefix, of.Account)}
}

// shownTemplate is a template as ECR shows it.
func shownTemplate(t template.Template) *types.RepositoryCreationTemplate {
	mode, filters := mutabilityAs(t.Mutability)
	shown := &types.RepositoryCreationTemplate{
		Prefix: &t.Prefix, Description: text(t.Description), ImageTagMutability: mode, ImageTagMutabilityExclusionFilters: filters,
		RepositoryPolicy: text(t.Policy), LifecyclePolicy: text(t.Lifecycle), CustomRoleArn: text(t.Role),
		CreatedAt: &t.CreatedAt, UpdatedAt: &t.UpdatedAt,
	}
	for _, f := range t.For {
		shown.AppliedFor = append(shown.AppliedFor, types.RCTAppliedFor(f))
	}
	for k, v := range t.Tags {
		shown.ResourceTags = append(shown.ResourceTags, types.Tag{Key: &k, Value: &v})
	}
	slices.SortFunc(shown.ResourceTags, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return shown
}
