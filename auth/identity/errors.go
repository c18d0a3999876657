package identity

import (
	"fmt"
)

// The errors of the records. Their texts are the sentences that IAM gives, in
// the words that its clients print.

// NoSuchError says that what was named does not exist.
type NoSuchError struct {
	// Kind is what was looked for, Name what it is called: a name, an ARN, an
	// access key id, a policy version.
	Kind Kind
	Name string
	text string
}

func (e *NoSuchError) Error() string { return e.text }

// ExistsError says that the name is taken.
type ExistsError struct {
	Kind Kind
	Name string
}

func (e *ExistsError) Error() string {
	switch e.Kind {
	case KindPolicy:
		return fmt.Sprintf("A policy called %s already exists. Duplicate names are not allowed.", e.Name)
	case KindInstanceProfile:
		return fmt.Sprintf("Instance Profile %s already exists.", e.Name)
	case KindAccessKey:
		return fmt.Sprintf("The Access Key with id %s already exists.", e.Name)
	case KindAccount:
		return fmt.Sprintf("Account %s already exists.", e.Name)
	case KindAlias:
		return fmt.Sprintf("The account alias %s already exists.", e.Name)
	}
	return fmt.Sprintf("%s with name %s already exists.", e.Kind.title(), e.Name)
}

// DeleteConflictError says that something hangs on what was to be deleted.
type DeleteConflictError struct{ text string }

func (e *DeleteConflictError) Error() string { return e.text }

// LimitError says that there would be more than there may be.
type LimitError struct{ text string }

func (e *LimitError) Error() string { return e.text }

// InvalidError says that a value cannot be stored: IAM's InvalidInput, or
// ValidationError.
type InvalidError struct{ text string }

func (e *InvalidError) Error() string { return e.text }

// NotModifiableError says that what belongs to AWS cannot be changed.
type NotModifiableError struct{ ARN string }

func (e *NotModifiableError) Error() string {
	return fmt.Sprintf("Policy %s is an AWS managed policy and cannot be changed.", e.ARN)
}

func invalid(format string, args ...any) error {
	return &InvalidError{fmt.Sprintf(format, args...)}
}

func conflict(text string) error { return &DeleteConflictError{text} }

func exceeded(quota string, limit int) error {
	return &LimitError{fmt.Sprintf("Cannot exceed quota for %s: %d", quota, limit)}
}

func noSuch(kind Kind, name string) error {
	e := &NoSuchError{Kind: kind, Name: name}
	switch kind {
	case KindPolicy:
		e.text = fmt.Sprintf("Policy %s was not found.", name)
	case KindInstanceProfile:
		e.text = fmt.Sprintf("Instance Profile %s cannot be found.", name)
	case KindAccessKey:
		e.text = fmt.Sprintf("The Access Key with id %s cannot be found.", name)
	default:
		e.text = fmt.Sprintf("The %s with name %s cannot be found.", kind, name)
	}
	return e
}

func noSuchAccount(id string) error {
	return &NoSuchError{KindAccount, id, fmt.Sprintf("There is no account %s here.", id)}
}

func notAttachable(arn string) error {
	return &NoSuchError{KindPolicy, arn, fmt.Sprintf("Policy %s does not exist or is not attachable.", arn)}
}

func noSuchVersion(arn, version string) error {
	return &NoSuchError{KindPolicy, arn, fmt.Sprintf("Policy %s version %s does not exist or is not attachable.", arn, version)}
}

func noSuchInline(kind Kind, name string) error {
	return &NoSuchError{kind, name, fmt.Sprintf("The %s policy with name %s cannot be found.", kind, name)}
}
