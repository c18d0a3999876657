package ecrapi

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"drydock/awsapi"
	"drydock/storage"
)

const (
	// accountSettingKind is what account settings are called among the settings of a
	// registry; their name is their key.
	accountSettingKind = "account-setting"
	// blobMounting says whether a push may take layers from other repositories.
	blobMounting = "BLOB_MOUNTING"
	disabled     = "DISABLED"
)

// accountSetting is a setting with its values. The first is that which holds until
// another is put; those that only Amazon can obey are refused.
type accountSetting struct {
	name   string
	values []string
	// refused says why other values that ECR has known are refused.
	refused map[string]string
}

// accountSettings are those that ECR knows.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutAccountSetting.html
func accountSettings() []accountSetting {
	return []accountSetting{
		{"BASIC_SCAN_TYPE_VERSION", []string{"AWS_NATIVE"}, map[string]string{"CLAIR": "images are not scanned by Clair here"}},
		{"REGISTRY_POLICY_SCOPE", []string{"V2"}, map[string]string{"V1": "a registry policy holds for all actions here"}},
		// Unlike in ECR it is enabled at first: what is pushed twice is sent once.
		{blobMounting, []string{"ENABLED", disabled}, nil},
	}
}

func findAccountSetting(name *string) (accountSetting, error) {
	all := accountSettings()
	i := slices.IndexFunc(all, func(a accountSetting) bool { return a.name == deref(name) })
	if i < 0 {
		return accountSetting{}, invalidParameter("name", "there is no account setting %s", deref(name))
	}
	return all[i], nil
}

// GetAccountSetting tells the value of an account setting.
func (s *Service) GetAccountSetting(ctx context.Context, in *ecr.GetAccountSettingInput) (*ecr.GetAccountSettingOutput, error) {
	a, err := findAccountSetting(in.Name)
	if err != nil {
		return nil, err
	}
	k := accountSettingKey(scopeOf(ctx, nil), a.name)
	set, err := s.engine.Setting(ctx, k)
	if unknown := new(storage.SettingUnknownError); errors.As(err, &unknown) {
		set.Document, err = a.values[0], nil
	}
	if err != nil {
		return nil, exception(err, about{ref: k.Ref})
	}
	return &ecr.GetAccountSettingOutput{Name: &a.name, Value: &set.Document}, nil
}

func needsGetAccountSetting(ctx context.Context, _ *ecr.GetAccountSettingInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:GetAccountSetting"), nil
}

// PutAccountSetting changes an account setting.
func (s *Service) PutAccountSetting(ctx context.Context, in *ecr.PutAccountSettingInput) (*ecr.PutAccountSettingOutput, error) {
	a, err := findAccountSetting(in.Name)
	if err != nil {
		return nil, err
	}
	value := deref(in.Value)
	if why := a.refused[value]; why != "" {
		return nil, invalidParameter("value", "%s cannot be %s: %s", a.name, value, why)
	}
	if !slices.Contains(a.values, value) {
		return nil, invalidParameter("value", "%s must be one of %q", a.name, a.values)
	}
	k := accountSettingKey(scopeOf(ctx, nil), a.name)
	if _, err := s.engine.SetSetting(ctx, k, value); err != nil {
		return nil, exception(err, about{ref: k.Ref})
	}
	return &ecr.PutAccountSettingOutput{Name: &a.name, Value: &value}, nil
}

func needsPutAccountSetting(ctx context.Context, _ *ecr.PutAccountSettingInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:PutAccountSetting"), nil
}

func accountSettingKey(of storage.Scope, name string) storage.SettingKey {
	return storage.SettingKey{Ref: storage.Ref{Scope: of}, Kind: accountSettingKind, Key: name}
}

// Mounts tells whether pushes to a registry may take layers from other repositories.
func Mounts(engine *storage.Registry) func(context.Context, storage.Scope) (bool, error) {
	return func(ctx context.Context, of storage.Scope) (bool, error) {
		set, err := engine.Setting(ctx, accountSettingKey(of, blobMounting))
		if unknown := new(storage.SettingUnknownError); errors.As(err, &unknown) {
			return true, nil
		}
		return set.Document != disabled, err
	}
}
