package iamapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/storage/meta"
)

func TestErrorsOfTheRecordsBecomeIAMsExceptions(t *testing.T) {
	for about, c := range map[string]struct {
		err  error
		code string
	}{
		"something that is not there": {&identity.NoSuchError{}, "NoSuchEntity"},
		"a name that is taken":        {&identity.ExistsError{Kind: identity.KindUser}, "EntityAlreadyExists"},
		"something that hangs on it":  {&identity.DeleteConflictError{}, "DeleteConflict"},
		"too much":                    {&identity.LimitError{}, "LimitExceeded"},
		"a value that cannot be":      {&identity.InvalidError{}, "ValidationError"},
		"what belongs to AWS":         {&identity.NotModifiableError{}, "InvalidInput"},
		"a malformed document":        {&policy.SyntaxError{Message: "Syntax errors in policy."}, "MalformedPolicyDocument"},
		"a full disk":                 {meta.ErrFull, "ServiceFailure"},
		"a server that stops":         {meta.ErrClosed, "ServiceFailure"},
	} {
		if got := refused(nil, exception(fmt.Errorf("doing it: %w", c.err))); !strings.HasPrefix(got, c.code+": ") {
			t.Errorf("%s: %s, want %s", about, got, c.code)
		}
	}
	if err := exception(meta.ErrFull); !errors.Is(err, meta.ErrFull) {
		t.Errorf("the cause is lost: %v", err)
	}
	other := errors.New("something else")
	if err := exception(other); err != other {
		t.Errorf("a fault of the server became %v", err)
	}
	if exception(nil) != nil {
		t.Error("nothing became an error")
	}
}
