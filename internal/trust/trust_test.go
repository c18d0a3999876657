package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

const ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

func what() What {
	return What{
		CA: []byte(ca), Address: "127.0.0.1",
		Names:      []string{"1234567890.dkr.ecr.eu-west-1.amazonaws.com", "api.ecr.eu-west-1.amazonaws.com"},
		Registries: []string{"1234567890.dkr.ecr.eu-west-1.amazonaws.com", "localhost:5000"},
	}
}

// machine is a root folder with the files given; a path that ends in a slash is
// an empty folder.
func machine(t *testing.T, files map[string]string) System {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		full := filepath.Join(root, path)
		if strings.HasSuffix(path, "/") {
			must(t, os.MkdirAll(full, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		must(t, os.WriteFile(full, []byte(content), 0o644))
	}
	return System{Root: root, Run: func(context.Context, string, ...string) error {
		t.Error("a command was run for another root")
		return nil
	}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// snapshot is all that lies below a root: modes and contents by path.
func snapshot(t *testing.T, s System) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(s.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(b)
		}
		all[s.display(path)] = fmt.Sprintf("%v %q", info.Mode(), content)
		return nil
	}))
	return all
}

func install(t *testing.T, s System, w What) []string {
	t.Helper()
	lines, err := s.Install(context.Background(), w)
	must(t, err)
	return lines
}

func remove(t *testing.T, s System) []string {
	t.Helper()
	lines, err := s.Remove(context.Background())
	must(t, err)
	return lines
}

func read(t *testing.T, s System, path string) string {
	t.Helper()
	b, err := os.ReadFile(s.path(path))
	must(t, err)
	return string(b)
}

func TestWhatIsInstalledIsTakenOutExactly(t *testing.T) {
	hosts := "127.0.0.1\tlocalhost\n::1 localhost"
	for name, files := range map[string]map[string]string{
		"Debian with Docker":              {"/usr/local/share/ca-certificates/own.crt": "own", "/etc/hosts": hosts, "/etc/docker/daemon.json": "{}"},
		"Fedora without Docker":           {"/etc/pki/ca-trust/source/anchors/": "", "/etc/hosts": hosts + "\n"},
		"openSUSE":                        {"/etc/pki/trust/anchors/": "", "/etc/hosts": hosts},
		"Arch":                            {"/etc/ca-certificates/trust-source/anchors/": "", "/etc/hosts": hosts},
		"no trust store, no hosts":        {"/etc/": ""},
		"an empty hosts file":             {"/etc/hosts": ""},
		"certs.d of the user's":           {"/etc/hosts": hosts, "/etc/docker/certs.d/localhost:5000/ca.crt": "theirs", "/etc/docker/certs.d/other/ca.crt": "theirs"},
		"an empty folder in certs.d":      {"/etc/hosts": hosts, "/etc/docker/certs.d/localhost:5000/": ""},
		"hosts with Windows' line ends":   {"/etc/hosts": "127.0.0.1 localhost\r\n"},
		"hosts with an empty line at end": {"/etc/hosts": hosts + "\n\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := machine(t, files)
			before := snapshot(t, s)
			install(t, s, what())
			first := snapshot(t, s)
			if reflect.DeepEqual(first, before) {
				t.Error("nothing was installed")
			}
			install(t, s, what())
			if again := snapshot(t, s); !reflect.DeepEqual(again, first) {
				t.Errorf("a second installation changed\n%v\nto\n%v", first, again)
			}
			remove(t, s)
			if after := snapshot(t, s); !reflect.DeepEqual(after, before) {
				t.Errorf("before:\n%v\nafter:\n%v", before, after)
			}
			if lines := remove(t, s); len(lines) != 0 {
				t.Errorf("a second removal says it removed %v", lines)
			}
		})
	}
}

func TestWhatIsInstalled(t *testing.T) {
	s := machine(t, map[string]string{"/usr/local/share/ca-certificates/": "", "/etc/hosts": "127.0.0.1 localhost\n", "/etc/docker/certs.d/localhost:5000/ca.crt": "theirs"})
	lines := install(t, s, what())
	if got := read(t, s, "/usr/local/share/ca-certificates/drydock.crt"); got != ca {
		t.Errorf("in the trust store: %q", got)
	}
	hosts := read(t, s, "/etc/hosts")
	for _, name := range what().Names {
		if !strings.Contains(hosts, "127.0.0.1\t"+name+"\n") {
			t.Errorf("%s is not in the hosts file: %q", name, hosts)
		}
	}
	if !strings.HasSuffix(hosts, hostsEnd+"127.0.0.1 localhost\n") {
		t.Errorf("the names do not come first: %q", hosts)
	}
	if got := read(t, s, "/etc/docker/certs.d/1234567890.dkr.ecr.eu-west-1.amazonaws.com/ca.crt"); !strings.HasSuffix(got, ca) {
		t.Errorf("in certs.d: %q", got)
	}
	if got := read(t, s, "/etc/docker/certs.d/localhost:5000/ca.crt"); got != "theirs" {
		t.Errorf("the user's own became %q", got)
	}
	if got := read(t, s, "/etc/docker/certs.d/localhost:5000/drydock.crt"); !strings.HasSuffix(got, ca) {
		t.Errorf("beside the user's own: %q", got)
	}
	told := strings.Join(lines, "\n")
	for _, want := range []string{"/usr/local/share/ca-certificates/drydock.crt (run update-ca-certificates in it)", "2 names to 127.0.0.1", "2 registries"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told: %s", want, told)
		}
	}
}

func TestAnotherInstallationReplacesTheFirst(t *testing.T) {
	s := machine(t, map[string]string{"/usr/local/share/ca-certificates/": "", "/etc/hosts": "127.0.0.1 localhost\n"})
	before := snapshot(t, s)
	install(t, s, what())
	other := What{CA: []byte(strings.Replace(ca, "AAAA", "BBBB", 1)), Address: "192.168.1.5", Names: []string{"registry.lab.example"}, Registries: []string{"registry.lab.example:8443"}}
	install(t, s, other)
	fresh := machine(t, map[string]string{"/usr/local/share/ca-certificates/": "", "/etc/hosts": "127.0.0.1 localhost\n"})
	install(t, fresh, other)
	got, want := snapshot(t, s), snapshot(t, fresh)
	// Which folders the file remembers, and in which order, may differ.
	const remembered = "/etc/docker/certs.d/registry.lab.example:8443/ca.crt"
	for _, m := range []map[string]string{got, want} {
		if !strings.Contains(m[remembered], "BBBB") {
			t.Errorf("the certificate is %s", m[remembered])
		}
		delete(m, remembered)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	remove(t, s)
	if after := snapshot(t, s); !reflect.DeepEqual(after, before) {
		t.Errorf("before:\n%v\nafter:\n%v", before, after)
	}
}

func TestWhatTheUserDidSinceStays(t *testing.T) {
	s := machine(t, map[string]string{"/etc/hosts": "127.0.0.1 localhost\n"})
	install(t, s, what())
	hosts := read(t, s, "/etc/hosts")
	must(t, os.WriteFile(s.path("/etc/hosts"), []byte("# mine, on top\n"+hosts+"10.0.0.1 mine\n"), 0o644))
	must(t, os.WriteFile(s.path("/etc/docker/certs.d/localhost:5000/client.cert"), []byte("mine"), 0o600))
	remove(t, s)
	if got, want := read(t, s, "/etc/hosts"), "# mine, on top\n127.0.0.1 localhost\n10.0.0.1 mine\n"; got != want {
		t.Errorf("the hosts file is %q", got)
	}
	if got := read(t, s, "/etc/docker/certs.d/localhost:5000/client.cert"); got != "mine" {
		t.Errorf("the user's certificate is %q", got)
	}
}

func TestReplacedFilesKeepModeOwnerAndPlace(t *testing.T) {
	s := machine(t, map[string]string{"/etc/": "", "/real/hosts": "127.0.0.1 localhost\n"})
	must(t, os.Symlink("../real/hosts", s.path("/etc/hosts")))
	must(t, os.Chmod(s.path("/real/hosts"), 0o664))
	if os.Geteuid() == 0 {
		must(t, os.Chown(s.path("/real/hosts"), 1234, 2345))
	}
	before, err := os.Stat(s.path("/etc/hosts"))
	must(t, err)
	install(t, s, what())
	if link, err := os.Readlink(s.path("/etc/hosts")); err != nil || link != "../real/hosts" {
		t.Errorf("the link became %q, %v", link, err)
	}
	after, err := os.Stat(s.path("/etc/hosts"))
	must(t, err)
	if after.Mode() != before.Mode() || owner(after) != owner(before) {
		t.Errorf("was %v of %s, is %v of %s", before.Mode(), owner(before), after.Mode(), owner(after))
	}
}

func TestALinkOutOfTheRootIsNotFollowed(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "hosts")
	must(t, os.WriteFile(outside, []byte("127.0.0.1 localhost\n"), 0o644))
	s := machine(t, map[string]string{"/etc/": ""})
	must(t, os.Symlink(outside, s.path("/etc/hosts")))
	if _, err := s.Install(context.Background(), what()); err == nil || !strings.Contains(err.Error(), "leads out of") {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "127.0.0.1 localhost\n" {
		t.Errorf("the file outside is %q, %v", b, err)
	}
}

func TestOverwriteForFilesThatAreMounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	for _, content := range []string{"a longer text\n", "short\n", "longer again\n"} {
		must(t, errors.Join(os.WriteFile(path+".other", nil, 0o600), touch(path)))
		must(t, overwrite(path, []byte(content)))
		if b, err := os.ReadFile(path); err != nil || string(b) != content {
			t.Errorf("got %q, %v", b, err)
		}
	}
}

func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func TestABlockWithoutAnEndIsLeftToThePerson(t *testing.T) {
	s := machine(t, map[string]string{"/etc/hosts": hostsBegin + "127.0.0.1 x\n10.0.0.1 mine\n"})
	for name, do := range map[string]func() ([]string, error){
		"install": func() ([]string, error) { return s.Install(context.Background(), what()) },
		"remove":  func() ([]string, error) { return s.Remove(context.Background()) },
	} {
		if _, err := do(); err == nil || !strings.Contains(err.Error(), "by hand") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := read(t, s, "/etc/hosts"); !strings.Contains(got, "10.0.0.1 mine") {
		t.Errorf("the file became %q", got)
	}
}

func TestAnUnwritablePlaceIsNamed(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	s := machine(t, map[string]string{"/etc/hosts": ""})
	must(t, os.Chmod(s.path("/etc"), 0o555))
	_, err := s.Install(context.Background(), what())
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "hosts") {
		t.Errorf("got %v", err)
	}
}

func owner(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "unknown"
	}
	return fmt.Sprintf("%d:%d", st.Uid, st.Gid)
}
