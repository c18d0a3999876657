package iamapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"drydock/awsapi"
)

func (s *Service) aliasOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateAccountAlias", s.CreateAccountAlias, needsCreateAccountAlias),
		awsapi.Op("ListAccountAliases", s.ListAccountAliases, needsListAccountAliases),
		awsapi.Op("DeleteAccountAlias", s.DeleteAccountAlias, needsDeleteAccountAlias),
	}
}

// CreateAccountAlias gives the account an alias, in the place of the one it has.
// Nothing here is reached by it.
func (s *Service) CreateAccountAlias(ctx context.Context, in *iam.CreateAccountAliasInput) (*iam.CreateAccountAliasOutput, error) {
	return &iam.CreateAccountAliasOutput{}, exception(s.store.SetAlias(ctx, account(ctx), deref(in.AccountAlias)))
}

func needsCreateAccountAlias(ctx context.Context, _ *iam.CreateAccountAliasInput) ([]awsapi.Need, error) {
	return anything().needs(ctx, "CreateAccountAlias", nil), nil
}

// ListAccountAliases lists the alias of the account, which has one at most.
func (s *Service) ListAccountAliases(ctx context.Context, _ *iam.ListAccountAliasesInput) (*iam.ListAccountAliasesOutput, error) {
	alias, err := s.store.Alias(ctx, account(ctx))
	out := &iam.ListAccountAliasesOutput{AccountAliases: []string{}}
	if alias != "" {
		out.AccountAliases = append(out.AccountAliases, alias)
	}
	return out, exception(err)
}

func needsListAccountAliases(ctx context.Context, _ *iam.ListAccountAliasesInput) ([]awsapi.Need, error) {
	return anything().needs(ctx, "ListAccountAliases", nil), nil
}

// DeleteAccountAlias takes the alias of the account away.
func (s *Service) DeleteAccountAlias(ctx context.Context, in *iam.DeleteAccountAliasInput) (*iam.DeleteAccountAliasOutput, error) {
	return &iam.DeleteAccountAliasOutput{}, exception(s.store.DeleteAlias(ctx, account(ctx), deref(in.AccountAlias)))
}

func needsDeleteAccountAlias(ctx context.Context, _ *iam.DeleteAccountAliasInput) ([]awsapi.Need, error) {
	return anything().needs(ctx, "DeleteAccountAlias", nil), nil
}
