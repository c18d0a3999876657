package identity

// How much there may be of what; the sizes of documents are auth/policy's. They are AWS's, the default ones where they can
// be raised.
// Source: IAM User Guide, "IAM and AWS STS quotas".
const (
	UsersPerAccount            = 5000
	GroupsPerAccount           = 300
	RolesPerAccount            = 1000
	PoliciesPerAccount         = 1500
	InstanceProfilesPerAccount = 1000
	AccessKeysPerUser          = 2
	GroupsPerUser              = 10
	// PoliciesPerEntity is how many managed policies a user, group or role has.
	PoliciesPerEntity = 10
	VersionsPerPolicy = 5
	// TagsPerEntity is how many tags a record has.
	TagsPerEntity = 50
)
