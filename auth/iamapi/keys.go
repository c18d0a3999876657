package iamapi

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) keyOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateAccessKey", s.CreateAccessKey, s.needsCreateAccessKey),
		awsapi.Op("ListAccessKeys", s.ListAccessKeys, s.needsListAccessKeys),
		awsapi.Op("UpdateAccessKey", s.UpdateAccessKey, s.needsUpdateAccessKey),
		awsapi.Op("DeleteAccessKey", s.DeleteAccessKey, s.needsDeleteAccessKey),
		awsapi.Op("GetAccessKeyLastUsed", s.GetAccessKeyLastUsed, s.needsGetAccessKeyLastUsed),
	}
}

// rootName is how IAM calls the root of an account where it names whose an access
// key is.
const rootName = "root"

func keyUser(name string) *string {
	if name == "" {
		name = rootName
	}
	return &name
}

// CreateAccessKey makes an access key of a user, of the caller where none is
// named. Its secret is shown this once.
func (s *Service) CreateAccessKey(ctx context.Context, in *iam.CreateAccessKeyInput) (*iam.CreateAccessKeyOutput, error) {
	user, err := ownUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := s.store.CreateAccessKey(ctx, account(ctx), user)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.CreateAccessKeyOutput{AccessKey: &types.AccessKey{
		UserName: keyUser(k.User), AccessKeyId: &k.ID, SecretAccessKey: &k.Secret, Status: status(k.Active), CreateDate: &k.CreatedAt,
	}}, nil
}

func (s *Service) needsCreateAccessKey(ctx context.Context, in *iam.CreateAccessKeyInput) ([]awsapi.Need, error) {
	return s.onOwnUser(ctx, "CreateAccessKey", in.UserName)
}

// ListAccessKeys lists the access keys of a user, of the caller where none is
// named. Root keys that are given to the server by file are not among them.
func (s *Service) ListAccessKeys(ctx context.Context, in *iam.ListAccessKeysInput) (*iam.ListAccessKeysOutput, error) {
	user, err := ownUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	l := list(ctx, "ListAccessKeys", user)
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.AccessKeys(ctx, account(ctx), user, page)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.ListAccessKeysOutput{AccessKeyMetadata: each(found, describeKey), IsTruncated: next != "", Marker: l.marker(next)}, nil
}

func (s *Service) needsListAccessKeys(ctx context.Context, in *iam.ListAccessKeysInput) ([]awsapi.Need, error) {
	return s.onOwnUser(ctx, "ListAccessKeys", in.UserName)
}

// UpdateAccessKey switches an access key on or off, from the next request on.
func (s *Service) UpdateAccessKey(ctx context.Context, in *iam.UpdateAccessKeyInput) (*iam.UpdateAccessKeyOutput, error) {
	user, err := ownUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	if in.Status == types.StatusTypeExpired {
		return nil, invalidInput("An access key is made Active or Inactive; Expired is none of the states that it can be given.")
	}
	err = s.store.SetAccessKeyActive(ctx, account(ctx), user, deref(in.AccessKeyId), in.Status == types.StatusTypeActive)
	return &iam.UpdateAccessKeyOutput{}, exception(err)
}

func (s *Service) needsUpdateAccessKey(ctx context.Context, in *iam.UpdateAccessKeyInput) ([]awsapi.Need, error) {
	return s.onOwnUser(ctx, "UpdateAccessKey", in.UserName)
}

// DeleteAccessKey deletes an access key.
func (s *Service) DeleteAccessKey(ctx context.Context, in *iam.DeleteAccessKeyInput) (*iam.DeleteAccessKeyOutput, error) {
	user, err := ownUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return &iam.DeleteAccessKeyOutput{}, exception(s.store.DeleteAccessKey(ctx, account(ctx), user, deref(in.AccessKeyId)))
}

func (s *Service) needsDeleteAccessKey(ctx context.Context, in *iam.DeleteAccessKeyInput) ([]awsapi.Need, error) {
	return s.onOwnUser(ctx, "DeleteAccessKey", in.UserName)
}

// GetAccessKeyLastUsed tells when an access key of the account was last used, and
// for what.
func (s *Service) GetAccessKeyLastUsed(ctx context.Context, in *iam.GetAccessKeyLastUsedInput) (*iam.GetAccessKeyLastUsedOutput, error) {
	k, err := s.store.AccessKey(ctx, account(ctx), deref(in.AccessKeyId))
	if err != nil {
		return nil, exception(err)
	}
	// Of a key that was never used, IAM says so in these words.
	used := &types.AccessKeyLastUsed{Region: to("N/A"), ServiceName: to("N/A")}
	if !k.At.IsZero() {
		used = &types.AccessKeyLastUsed{LastUsedDate: &k.At, Region: text(k.Region), ServiceName: text(k.Service)}
	}
	return &iam.GetAccessKeyLastUsedOutput{UserName: keyUser(k.User), AccessKeyLastUsed: used}, nil
}

// The permission is taken on whose key it is, on all users where nobody in the
// account has such a key.
func (s *Service) needsGetAccessKeyLastUsed(ctx context.Context, in *iam.GetAccessKeyLastUsedInput) ([]awsapi.Need, error) {
	k, err := s.store.AccessKey(ctx, account(ctx), deref(in.AccessKeyId))
	var missing *identity.NoSuchError
	switch {
	case errors.As(err, &missing):
		return anything().needs(ctx, "GetAccessKeyLastUsed", nil), nil
	case err != nil:
		return nil, err
	case k.User == "":
		return target{arn: "arn:aws:iam::" + account(ctx) + ":root"}.needs(ctx, "GetAccessKeyLastUsed", nil), nil
	}
	return s.onExisting(ctx, "GetAccessKeyLastUsed", identity.KindUser, &k.User, nil)
}

func describeKey(k identity.AccessKey) types.AccessKeyMetadata {
	return types.AccessKeyMetadata{UserName: keyUser(k.User), AccessKeyId: &k.ID, Status: status(k.Active), CreateDate: &k.CreatedAt}
}

func status(active bool) types.StatusType {
	if active {
		return types.StatusTypeActive
	}
	return types.StatusTypeInactive
}
