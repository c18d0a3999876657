package iamapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/awsapi"
)

func (s *Service) accountOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("GetAccountSummary", s.GetAccountSummary, needsGetAccountSummary),
		awsapi.Op("GetAccountAuthorizationDetails", s.GetAccountAuthorizationDetails, needsGetAccountAuthorizationDetails),
	}
}

// GetAccountSummary counts what there is in the account, beside how much there may
// be. What does not exist here counts 0.
func (s *Service) GetAccountSummary(ctx context.Context, _ *iam.GetAccountSummaryInput) (*iam.GetAccountSummaryOutput, error) {
	n, err := s.store.Summary(ctx, account(ctx))
	if err != nil {
		return nil, exception(err)
	}
	return &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{
		"Users": int32(n.Users), "UsersQuota": identity.UsersPerAccount,
		"Groups": int32(n.Groups), "GroupsQuota": identity.GroupsPerAccount,
		"Roles": int32(n.Roles), "RolesQuota": identity.RolesPerAccount,
		"Policies": int32(n.Policies), "PoliciesQuota": identity.PoliciesPerAccount,
		"PolicyVersionsInUse": int32(n.PolicyVersions), "PolicyVersionsInUseQuota": identity.PoliciesPerAccount * identity.VersionsPerPolicy,
		"VersionsPerPolicyQuota": identity.VersionsPerPolicy,
		"InstanceProfiles":       int32(n.InstanceProfiles), "InstanceProfilesQuota": identity.InstanceProfilesPerAccount,
		"AccessKeysPerUserQuota":        identity.AccessKeysPerUser,
		"GroupsPerUserQuota":            identity.GroupsPerUser,
		"AttachedPoliciesPerUserQuota":  identity.PoliciesPerEntity,
		"AttachedPoliciesPerGroupQuota": identity.PoliciesPerEntity,
		"AttachedPoliciesPerRoleQuota":  identity.PoliciesPerEntity,
		"PolicySizeQuota":               policy.MaxManaged,
		"UserPolicySizeQuota":           policy.MaxUserInline,
		"GroupPolicySizeQuota":          policy.MaxGroupInline,
		"RolePolicySizeQuota":           policy.MaxRoleInline,
		"AssumeRolePolicySizeQuota":     policy.MaxTrust,
		"AccountAccessKeysPresent":      min(int32(n.RootKeys), 1),
		"AccountMFAEnabled":             0, "AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0,
		"MFADevices": 0, "MFADevicesInUse": 0, "Providers": 0,
		"ServerCertificates": 0, "ServerCertificatesQuota": 0, "SigningCertificatesPerUserQuota": 0,
		"GlobalEndpointTokenVersion": 2,
	}}, nil
}

func needsGetAccountSummary(ctx context.Context, _ *iam.GetAccountSummaryInput) ([]awsapi.Need, error) {
	return anything().needs(ctx, "GetAccountSummary", nil), nil
}
