package inside

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

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

// place opens the spare address on ports of which nobody else knows.
func place(t *testing.T) *Place {
	t.Helper()
	p := Open(t.Context(), PlaceOptions{Address: spare, MetadataPort: 51880, APIPort: 51881})
	if errors.Is(p.Held(), errNoPermission) {
		t.Skip("this user may not give the machine an address")
	}
	return p
}

func TestTheAddressIsThisMachinesUntilTheEnd(t *testing.T) {
	first := place(t)
	must(t, first.Held())
	if !has(t) {
		t.Fatal("the machine has no such address")
	}
	// One that comes while it is used goes without taking it away.
	second := place(t)
	if err := second.Held(); err == nil || !strings.Contains(err.Error(), "another program listens on its port 51880") {
		t.Error(err)
	}
	must(t, second.Close())
	if !has(t) {
		t.Error("a second server has taken the address of the first")
	}
	must(t, letGo(spare))
	must(t, first.keep())
	if !has(t) {
		t.Error("an address that somebody took away is not put back")
	}
	must(t, first.Close())
	must(t, first.keep())
	if has(t) {
		t.Error("the address is left behind")
	}
}

func TestAnAddressIsTakenOverFromAServerThatWasKilled(t *testing.T) {
	_ = place(t).Close()
	must(t, func() error { _, _, err := hold(spare); return err }()) // as that one left it
	p := place(t)
	must(t, errors.Join(p.Held(), p.Close()))
	if has(t) {
		t.Error("the address is left behind")
	}
}

func TestAPlaceIsTakenOnceAnotherServerHasGone(t *testing.T) {
	w := newWorld(t)
	w.stop()
	first := Open(t.Context(), PlaceOptions{Address: netip.MustParseAddr("127.0.0.1")})
	must(t, first.Held())
	ports := [2]netip.AddrPort{}
	for i, url := range []string{first.MetadataURL(), first.APIURL()} {
		ports[i] = got[netip.AddrPort](t)(netip.ParseAddrPort(strings.TrimPrefix(url, "http://")))
	}
	w.place = Open(t.Context(), PlaceOptions{Address: ports[0].Addr(), MetadataPort: int(ports[0].Port()), APIPort: int(ports[1].Port())})
	if w.place.Held() == nil {
		t.Fatal("two servers have one place")
	}
	o := w.o
	o.Place = w.place
	w.Server = got[*Server](t)(New(o))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	st := w.task("0123", "127.0.0.1")
	must(t, first.Close())
	for until := time.Now().Add(10 * time.Second); w.place.Held() != nil; time.Sleep(glance) {
		if time.Now().After(until) {
			t.Fatal(w.place.Held())
		}
	}
	if status, body := w.ask("GET", "/v4/"+w.id(st), ""); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	cancel()
	must(t, <-ended)
}
