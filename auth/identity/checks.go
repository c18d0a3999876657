package identity

import (
	"strings"
	"time"
)

// What the records refuse of names and values, for those who have to know it
// before they write anything. All return *InvalidError.

// CheckAccountID refuses what is no account id: 10 to 12 digits.
func CheckAccountID(id string) error { return checkAccountID(id) }

// CheckName refuses what is no name of a record of a kind.
func CheckName(kind Kind, name string) error { return checkName(kind, name) }

// CheckPath refuses what is no path of a record: it begins and ends with a slash.
func CheckPath(path string) error { return checkPath(path) }

// CheckInlineName refuses what is no name of an inline policy.
func CheckInlineName(name string) error { return checkInlineName(name) }

// CheckMaxSession refuses a longest session of a role that is shorter than an
// hour or longer than twelve.
func CheckMaxSession(d time.Duration) error { return checkMaxSession(d) }

// maxKeyID is the length in bytes of the longest id of an access key.
const maxKeyID = 128

// CheckAccessKey refuses a key, made elsewhere, that could not be one here.
func CheckAccessKey(id, secret string) error {
	switch {
	case len(id) < 16 || len(id) > maxKeyID || !all(id, func(c byte) bool { return isAlphanumeric(c) || c == '_' }):
		return invalid("An access key id has 16 to 128 letters, digits and underscores")
	case strings.HasPrefix(id, prefixSession):
		return invalid("An access key id that begins with %s is that of temporary credentials", prefixSession)
	case len(secret) < 16:
		return invalid("A secret access key has at least 16 characters")
	}
	return nil
}
