package identity

import (
	"errors"
	"testing"
)

func TestAnAccountHasOneAliasThatNoOtherHas(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, _, err := w.CreateAccount(ctx, other, "other"); err != nil {
		t.Fatal(err)
	}
	is := func(account, want string) {
		t.Helper()
		if got, err := w.Alias(ctx, account); err != nil || got != want {
			t.Errorf("the alias of %s is %q (%v), want %q", account, got, err, want)
		}
	}
	is(home, "")
	for _, alias := range []string{"lab", "my-lab"} { // the second takes the place of the first
		if err := w.SetAlias(ctx, home, alias); err != nil {
			t.Fatal(err)
		}
		is(home, alias)
	}
	var exists *ExistsError
	for _, account := range []string{home, other} {
		if err := w.SetAlias(ctx, account, "my-lab"); !errors.As(err, &exists) || err.Error() != "The account alias my-lab already exists." {
			t.Errorf("given to %s again: %v", account, err)
		}
	}
	if err := w.SetAlias(ctx, other, "lab"); err != nil {
		t.Errorf("an alias that was given up: %v", err)
	}
	var missing *NoSuchError
	if err := w.DeleteAlias(ctx, home, "lab"); !errors.As(err, &missing) {
		t.Errorf("another's was taken away: %v", err)
	}
	if err := w.DeleteAlias(ctx, home, "my-lab"); err != nil {
		t.Fatal(err)
	}
	is(home, "")
	is(other, "lab")
}
