package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/auth"
	"drydock/awsapi"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// accountSetting is a setting of an account: what it is when nobody has set it, and
// what it can be. A value that nothing here would obey is not among them.
type accountSetting struct {
	name   types.SettingName
	values []string // the first is the default
	why    string   // the other values that ECS knows are refused
}

// Source: Amazon ECS Developer Guide, "Account settings".
var accountSettings = []accountSetting{
	{types.SettingNameAwsvpcTrunking, []string{"disabled"}, "there are no elastic network interfaces here to be shared"},
	{types.SettingNameContainerInsights, []string{"disabled"}, "there is no Container Insights here"},
	{types.SettingNameContainerInstanceLongArnFormat, []string{"enabled"}, "container instances have long ARNs only"},
	{types.SettingNameDefaultLogDriverMode, []string{"non-blocking", "blocking"}, ""},
	{types.SettingNameFargateFipsMode, []string{"disabled"}, "tasks run on this machine's own kernel and engine"},
	{types.SettingNameFargateTaskRetirementWaitPeriod, []string{"7"}, "tasks are not retired"},
	{types.SettingNameGuardDutyActivate, []string{"off"}, "there is no GuardDuty here"},
	{types.SettingNameServiceLongArnFormat, []string{"enabled"}, "services have long ARNs only"},
	{types.SettingNameTagResourceAuthorization, []string{"on"}, "tags at creation always take the permission to tag"},
	{types.SettingNameTaskLongArnFormat, []string{"enabled"}, "tasks have long ARNs only"},
}

func (s *Service) settingOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("ListAccountSettings", s.ListAccountSettings, func(ctx context.Context, _ *ecs.ListAccountSettingsInput) ([]awsapi.Need, error) {
			return []awsapi.Need{need(ctx, "ecs:ListAccountSettings", "*")}, nil
		}),
		awsapi.Op("PutAccountSetting", s.PutAccountSetting, func(ctx context.Context, in *ecs.PutAccountSettingInput) ([]awsapi.Need, error) {
			return needsSetting(ctx, "ecs:PutAccountSetting", in.Name), nil
		}),
		awsapi.Op("PutAccountSettingDefault", s.PutAccountSettingDefault, func(ctx context.Context, in *ecs.PutAccountSettingDefaultInput) ([]awsapi.Need, error) {
			return needsSetting(ctx, "ecs:PutAccountSettingDefault", in.Name), nil
		}),
		awsapi.Op("DeleteAccountSetting", s.DeleteAccountSetting, func(ctx context.Context, in *ecs.DeleteAccountSettingInput) ([]awsapi.Need, error) {
			return needsSetting(ctx, "ecs:DeleteAccountSetting", in.Name), nil
		}),
	}
}

func needsSetting(ctx context.Context, action string, name types.SettingName) []awsapi.Need {
	n := need(ctx, action, "*")
	n.Keys = map[string][]string{"ecs:account-setting": {string(name)}}
	return []awsapi.Need{n}
}

func findSetting(n types.SettingName) (accountSetting, error) {
	i := slices.IndexFunc(accountSettings, func(a accountSetting) bool { return a.name == n })
	if i < 0 {
		return accountSetting{}, invalidParameter("%s is not a setting of accounts here.", n)
	}
	return accountSettings[i], nil
}

// takes checks a value of a setting.
func (a accountSetting) takes(value string) error {
	if slices.Contains(a.values, value) {
		return nil
	}
	if a.why == "" {
		return invalidParameter("Invalid value %q for the setting %s: it can be %q.", value, a.name, a.values)
	}
	return invalidParameter("Invalid value %q for the setting %s: it is always %q here, for %s.", value, a.name, a.values[0], a.why)
}

// settingOwner is the principal whose setting a request means: the caller, or the
// one that it names, for which only the account's root may speak.
func settingOwner(ctx context.Context, given *string) (string, error) {
	call := awsapi.CallFrom(ctx)
	own := call.Principal.ARN
	switch g := deref(given); {
	case g == "" || g == own:
		return own, nil
	case own == auth.RootARN(call.Principal.Account):
		return g, nil
	}
	return "", invalidParameter("Only the root user can set the settings of another principal.")
}

// PutAccountSetting sets a setting of a principal.
func (s *Service) PutAccountSetting(ctx context.Context, in *ecs.PutAccountSettingInput) (*ecs.PutAccountSettingOutput, error) {
	owner, err := settingOwner(ctx, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	v, err := s.putSetting(ctx, owner, in.Name, deref(in.Value))
	return &ecs.PutAccountSettingOutput{Setting: v}, err
}

// PutAccountSettingDefault sets a setting for all principals of the account that
// have not set it.
func (s *Service) PutAccountSettingDefault(ctx context.Context, in *ecs.PutAccountSettingDefaultInput) (*ecs.PutAccountSettingDefaultOutput, error) {
	v, err := s.putSetting(ctx, "", in.Name, deref(in.Value))
	return &ecs.PutAccountSettingDefaultOutput{Setting: v}, err
}

func (s *Service) putSetting(ctx context.Context, owner string, name types.SettingName, value string) (*types.Setting, error) {
	a, err := findSetting(name)
	if err == nil {
		err = a.takes(value)
	}
	if err != nil {
		return nil, err
	}
	scope := scopeOf(ctx)
	err = s.write(ctx, func(q meta.Querier) error {
		return record.PutSetting(ctx, q, record.Setting{Scope: scope, Principal: owner, Name: string(name), Value: value})
	})
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", name, err)
	}
	if owner == "" {
		owner = auth.RootARN(scope.Account)
	}
	return &types.Setting{Name: name, Value: &value, PrincipalArn: &owner, Type: types.SettingTypeUser}, nil
}

// DeleteAccountSetting takes a setting of a principal back.
func (s *Service) DeleteAccountSetting(ctx context.Context, in *ecs.DeleteAccountSettingInput) (*ecs.DeleteAccountSettingOutput, error) {
	owner, err := settingOwner(ctx, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	if _, err := findSetting(in.Name); err != nil {
		return nil, err
	}
	err = s.write(ctx, func(q meta.Querier) error {
		return record.DeleteSetting(ctx, q, record.Setting{Scope: scopeOf(ctx), Principal: owner, Name: string(in.Name)})
	})
	if errors.Is(err, meta.ErrNotFound) {
		return nil, &types.ResourceNotFoundException{Message: to("The principal has not set " + string(in.Name) + ".")}
	}
	return &ecs.DeleteAccountSettingOutput{Setting: &types.Setting{Name: in.Name, PrincipalArn: &owner, Type: types.SettingTypeUser}}, err
}

// ListAccountSettings lists the settings of a principal; with effectiveSettings
// also those that hold because the account or ECS has them so.
func (s *Service) ListAccountSettings(ctx context.Context, in *ecs.ListAccountSettingsInput) (*ecs.ListAccountSettingsOutput, error) {
	owner, err := settingOwner(ctx, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	if in.Name != "" {
		if _, err := findSetting(in.Name); err != nil {
			return nil, err
		}
	}
	set, err := s.settingsOf(ctx, owner, in.EffectiveSettings)
	if err != nil {
		return nil, err
	}
	out := &ecs.ListAccountSettingsOutput{Settings: []types.Setting{}}
	for _, a := range accountSettings {
		v, known := set[a.name]
		if !known || in.Name != "" && in.Name != a.name || in.Value != nil && *in.Value != v {
			continue
		}
		kind := types.SettingTypeUser
		if len(a.values) == 1 {
			kind = types.SettingTypeAwsManaged
		}
		out.Settings = append(out.Settings, types.Setting{Name: a.name, Value: to(v), PrincipalArn: &owner, Type: kind})
	}
	return out, nil
}

// settingsOf are the settings of a principal: its own or, when effective, all.
func (s *Service) settingsOf(ctx context.Context, owner string, effective bool) (map[types.SettingName]string, error) {
	set := map[types.SettingName]string{}
	principals := []string{owner}
	if effective {
		principals = []string{"", owner}
		for _, a := range accountSettings {
			set[a.name] = a.values[0]
		}
	}
	for _, p := range principals {
		list, err := record.Settings(ctx, s.reader(), scopeOf(ctx), p)
		if err != nil {
			return nil, fmt.Errorf("list the settings of %s: %w", owner, err)
		}
		for _, v := range list {
			set[types.SettingName(v.Name)] = v.Value
		}
	}
	return set, nil
}
