package identity

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// Kind is a sort of record.
type Kind string

// The kinds. Those of users, groups, roles, policies and instance profiles are
// spelled as in ARNs.
const (
	KindUser            Kind = "user"
	KindGroup           Kind = "group"
	KindRole            Kind = "role"
	KindPolicy          Kind = "policy"
	KindInstanceProfile Kind = "instance-profile"
	KindAccessKey       Kind = "access-key"
	KindAccount         Kind = "account"
	KindAlias           Kind = "account-alias"
)

func (k Kind) title() string { return strings.ToUpper(string(k[:1])) + string(k[1:]) }

// Entity names a user, group, role or instance profile of an account, or one of
// its policies.
type Entity struct {
	Kind Kind
	// Name is a policy's ARN, everything else's name.
	Name string
}

// ARN is the ARN of a record with a path, which begins and ends with a slash.
func ARN(account string, kind Kind, path, name string) string {
	return "arn:aws:iam::" + account + ":" + string(kind) + path + name
}

// fold makes one of the names that IAM does not distinguish by case.
func fold(name string) string { return strings.ToLower(name) }

// The beginnings of unique ids.
// Source: IAM User Guide, "IAM identifiers", "Understanding unique ID prefixes".
const (
	prefixUser            = "AIDA"
	prefixGroup           = "AGPA"
	prefixRole            = "AROA"
	prefixPolicy          = "ANPA"
	prefixInstanceProfile = "AIPA"
	prefixKey             = "AKIA"
	prefixSession         = "ASIA"
)

// newID makes a unique id: a prefix and 85 random bits, of access keys 80, in
// base32.
func (s *Store) newID(prefix string) (string, error) {
	length := 17
	if prefix == prefixKey || prefix == prefixSession {
		length = 16
	}
	var b [15]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return "", fmt.Errorf("make a unique id: %w", err)
	}
	return prefix + base32.StdEncoding.EncodeToString(b[:])[:length], nil
}

// secretLength is the length of a secret access key, in characters of base64.
const secretLength = 40

// newSecret makes a secret access key.
func (s *Store) newSecret() (string, error) {
	var b [secretLength / 4 * 3]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return "", fmt.Errorf("make a secret access key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b[:]), nil
}

const nameChars = "+=,.@_-"

// checkName refuses what is no name of a record. Callers that are given names by
// the API have refused them before, in its words.
func checkName(kind Kind, name string) error {
	most := 128
	if kind == KindUser || kind == KindRole {
		most = 64
	}
	if len(name) < 1 || len(name) > most || !all(name, func(c byte) bool {
		return isAlphanumeric(c) || strings.IndexByte(nameChars, c) >= 0
	}) {
		return invalid("The specified value for %sName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and have 1 to %d of them", string(kind), most)
	}
	return nil
}

// checkPath refuses what is no path: it begins and ends with a slash.
func checkPath(path string) error {
	if len(path) < 1 || len(path) > 512 || path[0] != '/' || path[len(path)-1] != '/' ||
		!all(path, func(c byte) bool { return c > ' ' && c <= '~' }) {
		return invalid("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return nil
}

// checkInlineName refuses what is no name of an inline policy.
func checkInlineName(name string) error {
	if len(name) < 1 || len(name) > 128 || !all(name, func(c byte) bool {
		return isAlphanumeric(c) || strings.IndexByte(nameChars, c) >= 0
	}) {
		return invalid("The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	return nil
}

// checkAccountID refuses what is no account id: 10 to 12 digits.
func checkAccountID(id string) error {
	if len(id) < 10 || len(id) > 12 || !all(id, func(c byte) bool { return c >= '0' && c <= '9' }) {
		return invalid("%q is no account id: it has 10 to 12 digits", id)
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}
