package inside

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// root has the key of the account's root.
func root(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIAROOT", SecretAccessKey: "secret"}, nil
}

func TestAPlaceThatIsTakenIsNoError(t *testing.T) {
	first := Open(t.Context(), PlaceOptions{Address: netip.MustParseAddr("127.0.0.1")})
	must(t, first.Held())
	at := got[netip.AddrPort](t)(netip.ParseAddrPort(strings.TrimPrefix(first.APIURL(), "http://")))
	second := Open(t.Context(), PlaceOptions{Address: at.Addr(), APIPort: int(at.Port())})
	if err := second.Held(); err == nil || !strings.Contains(err.Error(), "another program listens on its port") {
		t.Error(err)
	}
	if second.MetadataURL() != "" || second.APIURL() != "" {
		t.Error("it tells of an address that it has not")
	}
	must(t, errors.Join(second.Close(), first.Close(), first.Close()))
	third := Open(t.Context(), PlaceOptions{Address: at.Addr(), APIPort: int(at.Port())})
	must(t, errors.Join(third.Held(), third.Close()))
}

// spare is a link-local address that no program is known to use.
var spare = netip.MustParseAddr("169.254.213.77")

func has(t *testing.T) bool {
	t.Helper()
	for _, a := range got[[]net.Addr](t)(net.InterfaceAddrs()) {
		if strings.HasPrefix(a.String(), spare.String()+"/") {
			return true
		}
	}
	return false
}

func TestTheAddressIsThisMachinesUntilTheEnd(t *testing.T) {
	remove, err := hold(spare)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("this user may not give the machine an address")
	}
	must(t, err)
	if !has(t) {
		t.Fatal("the machine has no such address")
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(spare.String(), "0"))
	must(t, err)
	must(t, l.Close())
	// A server that was killed leaves it; the next one takes it over, and away.
	again, err := hold(spare)
	must(t, err)
	must(t, again())
	if has(t) {
		t.Error("the address is left behind")
	}
	must(t, remove())
}
