package policy

import "unicode"

// The most that a document may hold, in characters other than white space
// unless said otherwise. Parse enforces MaxDocument alone; the others depend on
// where a document is put and are for the callers to enforce.
//
// Source: IAM User Guide, "IAM and AWS STS quotas"; API models of IAM, STS and
// ECR.
const (
	// MaxManaged is the size of one managed policy.
	MaxManaged = 6144
	// MaxUserInline is the size of all inline policies of a user together.
	MaxUserInline = 2048
	// MaxGroupInline is the size of all inline policies of a group together.
	MaxGroupInline = 5120
	// MaxRoleInline is the size of all inline policies of a role together.
	MaxRoleInline = 10240
	// MaxTrust is the size of a role's trust policy, without an increased quota.
	MaxTrust = 2048
	// MaxSession is the size of an inline session policy, white space included.
	MaxSession = 2048
	// MaxRepository is the size of an ECR repository's policy and of a
	// registry's, white space included.
	MaxRepository = 10240
	// MaxDocument is the length in bytes that IAM accepts as a parameter,
	// whatever the document is for.
	MaxDocument = 131072
)

// Size counts the characters of a document that are not white space, which is
// what IAM's quotas count.
func Size(document []byte) int {
	n := 0
	for _, r := range string(document) {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}
