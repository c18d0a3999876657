package inventory

import (
	"archive/tar"
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"drydock/ecrapi/scan/scantest"
)

// layers are the layers of an image.
func layers(contents ...[]byte) []Layer {
	var all []Layer
	for i, c := range contents {
		all = append(all, Layer{Digest: fmt.Sprint("layer", i), Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c)), nil }})
	}
	return all
}

// read reads an image and checks that nothing is left behind.
func read(t testing.TB, b Bounds, contents ...[]byte) (Inventory, error) {
	t.Helper()
	folder := t.TempDir()
	r, err := New(folder, b)
	if err != nil {
		t.Fatal(err)
	}
	i, err := r.Read(t.Context(), layers(contents...))
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return i, err
}

// names are packages as texts.
func names(i Inventory) []string {
	var all []string
	for _, p := range i.Packages {
		all = append(all, strings.TrimSpace(p.Ecosystem+" "+p.Name+" "+p.Version))
	}
	return all
}

const apkInstalled = `P:busybox
V:1.36.1-r2
A:x86_64
o:busybox

P:libcrypto3
V:3.1.2-r0
A:x86_64
o:openssl
`

func regular(name, content string) scantest.File { return scantest.File{Name: name, Content: content} }

func TestPackagesAreRead(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	w := zlib.NewWriter(&zipped)
	if _, err := io.WriteString(w, `{"packages":[{"name":"ring","version":"0.16.0"},{"name":"cc","version":"1.0.0","kind":"build"}]}`); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	pom := func(g, a, v string) map[string]string {
		return map[string]string{"META-INF/maven/" + g + "/" + a + "/pom.properties": "groupId=" + g + "\nartifactId=" + a + "\nversion=" + v + "\n"}
	}
	inner := scantest.Zip(t, pom("org.apache.logging.log4j", "log4j-core", "2.14.0"))
	outer := pom("com.example", "app", "1.0")
	outer["BOOT-INF/lib/log4j-core-2.14.0.jar"] = string(inner)
	for what, c := range map[string]struct {
		files []scantest.File
		want  []string
	}{
		"dpkg": {scantest.Debian(), []string{"Debian:12 bash 5.2.15-2+b2", "Debian:12 libssl3 3.0.11-1~deb12u1"}},
		"dpkg of a distroless image": {[]scantest.File{
			regular("etc/os-release", scantest.Release), regular("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n\n"),
		}, []string{"Debian:12 base-files 12.4"}},
		"apk": {[]scantest.File{regular("lib/apk/db/installed", apkInstalled), regular("usr/lib/os-release", "ID=alpine\nVERSION_ID=3.18.4\n")},
			[]string{"Alpine:v3.18 busybox 1.36.1-r2", "Alpine:v3.18 libcrypto3 3.1.2-r0"}},
		"npm": {[]scantest.File{regular("app/node_modules/lodash/package.json", `{"name":"lodash","version":"4.17.20"}`)}, []string{"npm lodash 4.17.20"}},
		"a lock file of npm": {[]scantest.File{regular("app/package-lock.json", `{"lockfileVersion":3,"packages":{
			"":{"name":"app","version":"1.0.0"}, "node_modules/a":{"version":"1.0.0"}, "node_modules/a/node_modules/@x/b":{"version":"2.0.0"},
			"node_modules/d":{"version":"3.0.0","dev":true}, "node_modules/e":{"name":"other","version":"4.0.0"}}}`)},
			[]string{"npm @x/b 2.0.0", "npm a 1.0.0", "npm other 4.0.0"}},
		"an older lock file of npm": {[]scantest.File{regular("app/package-lock.json", `{"lockfileVersion":1,"dependencies":{
			"a":{"version":"1.0.0","dependencies":{"b":{"version":"2.0.0"}}},"c":{"version":"npm:@y/z@5.0.0"},"d":{"version":"3.0.0","dev":true}}}`)},
			[]string{"npm @y/z 5.0.0", "npm a 1.0.0", "npm b 2.0.0"}},
		"a lock file in an installed package": {[]scantest.File{regular("app/node_modules/x/package-lock.json", `{"packages":{"node_modules/a":{"version":"1.0.0"}}}`)}, nil},
		"Python": {[]scantest.File{regular("usr/lib/python3/site-packages/Jinja2-2.11.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.11.0\n\n")},
			[]string{"PyPI Jinja2 2.11.0"}},
		"requirements of Python": {[]scantest.File{regular("app/requirements.txt", "flask==1.0.0\nrequests>=2.0\n# django==1.0\n")}, []string{"PyPI flask 1.0.0"}},
		"Ruby": {[]scantest.File{regular("usr/lib/ruby/gems/3.0.0/specifications/rack-2.0.0.gemspec",
			"Gem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"2.0.0\"\nend\n")}, []string{"RubyGems rack 2.0.0"}},
		"Java":         {[]scantest.File{regular("app/app.jar", string(scantest.Zip(t, outer)))}, []string{"Maven com.example:app 1.0", "Maven org.apache.logging.log4j:log4j-core 2.14.0"}},
		"Rust":         {[]scantest.File{scantest.Program("usr/bin/tool", elfWith(t, zipped.Bytes()))}, []string{"crates.io ring 0.16.0"}},
		"a text of it": {[]scantest.File{regular("usr/share/doc/status", scantest.Dpkg)}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			i, err := read(t, Bounds{}, scantest.Layer(t, c.files...))
			if err != nil || !slices.Equal(names(i), c.want) || i.Unread > 0 {
				t.Errorf("read %q, %d unread (%v), want %q", names(i), i.Unread, err, c.want)
			}
		})
	}
}

// elfWith makes a program with a list of crates in it, with objcopy's help.
func elfWith(t *testing.T, list []byte) string {
	t.Helper()
	objcopy, err := exec.LookPath("objcopy")
	if err != nil {
		t.Skip("there is no objcopy")
	}
	dir := t.TempDir()
	section, program := filepath.Join(dir, "section"), filepath.Join(dir, "program")
	if err := os.WriteFile(section, list, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(objcopy, "--add-section", rustMark+"="+section, "/bin/true", program).CombinedOutput(); err != nil {
		t.Skipf("objcopy: %v: %s", err, out)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestGoProgramsTellWhatTheyAreBuiltFrom(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", program, "./testdata/program").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	i, err := read(t, Bounds{}, scantest.Tar(t, scantest.Program("usr/bin/app", string(content))))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Go github.com/opencontainers/go-digest 1.0.0", "Go stdlib " + strings.TrimPrefix(runtime.Version(), "go")}
	if !slices.Equal(names(i), want) || i.Packages[0].Path != "usr/bin/app" || i.Packages[0].Layer != "layer0" {
		t.Errorf("%+v, want %q", i.Packages, want)
	}
	if i, err := read(t, Bounds{}, scantest.Tar(t, regular("usr/bin/app", string(content)))); err != nil || len(i.Packages) > 0 {
		t.Errorf("a file that cannot be run was looked into: %+v (%v)", i, err)
	}
}

func TestLayersAreLaidOverEachOther(t *testing.T) {
	t.Parallel()
	npm := func(at, version string) scantest.File {
		return regular(at+"/package.json", `{"name":"`+filepath.Base(at)+`","version":"`+version+`"}`)
	}
	below := scantest.Layer(t, npm("a/x", "1.0.0"), npm("a/y", "1.0.0"), npm("b/z", "1.0.0"))
	dir := func(name string) scantest.File {
		return scantest.File{Name: name, Header: &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
	}
	link := func(name, to string) scantest.File {
		return scantest.File{Name: name, Header: &tar.Header{Typeflag: tar.TypeSymlink, Linkname: to}}
	}
	hard := func(name, to string) scantest.File {
		return scantest.File{Name: name, Header: &tar.Header{Typeflag: tar.TypeLink, Linkname: to}}
	}
	for what, c := range map[string]struct {
		above []scantest.File
		want  []string
	}{
		"a file takes the place of one":                    {[]scantest.File{npm("a/x", "2.0.0")}, []string{"npm x 2.0.0", "npm y 1.0.0", "npm z 1.0.0"}},
		"a whiteout takes a file away":                     {[]scantest.File{regular("a/x/.wh.package.json", "")}, []string{"npm y 1.0.0", "npm z 1.0.0"}},
		"a whiteout takes a folder away":                   {[]scantest.File{regular(".wh.a", "")}, []string{"npm z 1.0.0"}},
		"an opaque folder has nothing of those below":      {[]scantest.File{regular("a/.wh..wh..opq", ""), npm("a/n", "1.0.0")}, []string{"npm n 1.0.0", "npm z 1.0.0"}},
		"… whichever comes first":                          {[]scantest.File{npm("a/n", "1.0.0"), regular("a/.wh..wh..opq", "")}, []string{"npm n 1.0.0", "npm z 1.0.0"}},
		"a whiteout spares what is new in its own layer":   {[]scantest.File{npm("a/x", "2.0.0"), regular(".wh.a", "")}, []string{"npm x 2.0.0", "npm z 1.0.0"}},
		"a folder is what it was":                          {[]scantest.File{dir("a")}, []string{"npm x 1.0.0", "npm y 1.0.0", "npm z 1.0.0"}},
		"a link where a folder was hides it":               {[]scantest.File{link("a", "b")}, []string{"npm z 1.0.0"}},
		"a second name of a file":                          {[]scantest.File{hard("c/w/package.json", "b/z/package.json")}, []string{"npm x 1.0.0", "npm y 1.0.0", "npm z 1.0.0", "npm z 1.0.0"}},
		"names that lead out of the image stay in it":      {[]scantest.File{npm("../../a/x", "3.0.0")}, []string{"npm x 3.0.0", "npm y 1.0.0", "npm z 1.0.0"}},
		"a second name of a file that is none of the tree": {[]scantest.File{hard("c/w/package.json", "../../etc/passwd")}, []string{"npm x 1.0.0", "npm y 1.0.0", "npm z 1.0.0"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			i, err := read(t, Bounds{}, below, scantest.Layer(t, c.above...))
			if err != nil || !slices.Equal(names(i), c.want) {
				t.Errorf("read %q (%v), want %q", names(i), err, c.want)
			}
		})
	}
}

func TestLayersMayBeCompressedOrNot(t *testing.T) {
	t.Parallel()
	plain := scantest.Tar(t, scantest.Debian()...)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, l := range map[string][]byte{"plain": plain, "gzip": scantest.Layer(t, scantest.Debian()...), "zstd": z.EncodeAll(plain, nil)} {
		if i, err := read(t, Bounds{}, l); err != nil || len(i.Packages) != 2 {
			t.Errorf("%s: %+v (%v)", what, i, err)
		}
	}
}

func TestHostileImagesAreStoppedOrPassedOver(t *testing.T) {
	t.Parallel()
	many := make([]scantest.File, 300)
	removals := slices.Clone(many)
	for n := range many {
		many[n] = regular(fmt.Sprintf("n%d/package.json", n), `{"name":"a","version":"1.0.0"}`)
		removals[n] = regular(".wh.n", "")
	}
	bomb := scantest.Layer(t, regular("zeros", string(make([]byte, 8<<20))))
	big := regular("var/lib/dpkg/status", strings.Repeat("x", 2000))
	special := func(name string, kind byte) scantest.File {
		return scantest.File{Name: name, Header: &tar.Header{Typeflag: kind, Linkname: "/etc/passwd", Devmajor: 8}}
	}
	whole := scantest.Layer(t, scantest.Debian()...)
	var bound *BoundError
	var broken *LayerError
	for what, c := range map[string]struct {
		bounds Bounds
		layers [][]byte
		// kind is the error that is expected, nil for none.
		kind any
		want []string
	}{
		"a bomb":                         {Bounds{Unpacked: 1 << 20}, [][]byte{bomb}, &bound, nil},
		"many layers":                    {Bounds{Layers: 2}, [][]byte{whole, whole, whole}, &bound, nil},
		"many files":                     {Bounds{Entries: 100}, [][]byte{scantest.Layer(t, many...)}, &bound, nil},
		"many files that are kept":       {Bounds{Files: 100}, [][]byte{scantest.Layer(t, many...)}, &bound, nil},
		"many packages":                  {Bounds{Packages: 1}, [][]byte{whole}, &bound, nil},
		"many bytes that are kept":       {Bounds{Kept: 1000}, [][]byte{scantest.Layer(t, big)}, &bound, nil},
		"a list that is too long":        {Bounds{List: 1000}, [][]byte{scantest.Layer(t, big)}, &bound, nil},
		"deep folders":                   {Bounds{}, [][]byte{scantest.Layer(t, regular(strings.Repeat("a/", 200)+"package.json", `{"name":"a","version":"1"}`))}, nil, nil},
		"a long name":                    {Bounds{}, [][]byte{scantest.Layer(t, regular(strings.Repeat("a", 5000)+"/package.json", "{}"))}, nil, nil},
		"a device":                       {Bounds{}, [][]byte{scantest.Layer(t, special("var/lib/dpkg/status", tar.TypeBlock))}, nil, nil},
		"a pipe":                         {Bounds{}, [][]byte{scantest.Layer(t, special("lib/apk/db/installed", tar.TypeFifo))}, nil, nil},
		"a link out":                     {Bounds{}, [][]byte{scantest.Layer(t, special("etc/os-release", tar.TypeSymlink), special("var/lib/dpkg/status", tar.TypeSymlink))}, nil, nil},
		"a cut layer":                    {Bounds{}, [][]byte{whole[:len(whole)/2]}, &broken, nil},
		"a layer that is no archive":     {Bounds{}, [][]byte{bytes.Repeat([]byte("no"), 1000)}, &broken, nil},
		"an empty layer":                 {Bounds{}, [][]byte{{}}, nil, nil},
		"removals without end":           {Bounds{}, [][]byte{scantest.Layer(t, many...), scantest.Layer(t, removals...)}, nil, slices.Repeat([]string{"npm a 1.0.0"}, 300)},
		"a version that is too long":     {Bounds{}, [][]byte{scantest.Layer(t, regular("a/package.json", `{"name":"a","version":"`+strings.Repeat("1", 5000)+`"}`))}, nil, nil},
		"a Java archive that is none":    {Bounds{}, [][]byte{scantest.Layer(t, regular("a.jar", "PK but no more"))}, nil, nil},
		"a program that is none":         {Bounds{}, [][]byte{scantest.Layer(t, scantest.Program("a", "\x7fELF"+goMark+strings.Repeat("\xff", 5000)))}, nil, nil},
		"a lock file of the wrong shape": {Bounds{}, [][]byte{scantest.Layer(t, regular("package-lock.json", `{"packages":{"node_modules/a":5}}`))}, nil, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			i, err := read(t, c.bounds, c.layers...)
			if c.kind == nil && err != nil || c.kind != nil && !errors.As(err, c.kind) {
				t.Fatalf("%v, want %T", err, c.kind)
			}
			if err == nil && !slices.Equal(names(i), c.want) {
				t.Errorf("read %q, want %q", names(i), c.want)
			}
		})
	}
}

func TestAListThatIsBrokenIsNotPassedOver(t *testing.T) {
	t.Parallel()
	_, err := read(t, Bounds{}, scantest.Layer(t, regular("var/lib/dpkg/status", "Package: a\nStatus: odd\nVersion: 1\n")))
	var list *ListError
	if !errors.As(err, &list) || list.Path != "var/lib/dpkg/status" {
		t.Errorf("%v", err)
	}
	i, err := read(t, Bounds{}, scantest.Layer(t, regular("a/package-lock.json", "{")))
	if err != nil || i.Unread != 1 {
		t.Errorf("one file that nobody can read: %+v (%v)", i, err)
	}
}

func TestReadingStopsWithItsContext(t *testing.T) {
	t.Parallel()
	r, err := New(t.TempDir(), Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := r.Read(ctx, layers(scantest.Layer(t, scantest.Debian()...))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAnInventoryComesBackAsItWasPacked(t *testing.T) {
	t.Parallel()
	i, err := read(t, Bounds{}, scantest.Layer(t, scantest.Debian()...))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := i.Pack()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Unpack(packed)
	if err != nil || back.OS != "debian 12" || !slices.Equal(back.Packages, i.Packages) {
		t.Errorf("%+v (%v), was %+v", back, err, i)
	}
	if p := back.Packages[1]; p.Source != "openssl" || p.SourceVersion != "" || p.Arch != "amd64" || p.Manager != ManagerOS {
		t.Errorf("%+v", p)
	}
	if _, err := Unpack(packed[:10]); err == nil {
		t.Error("half of one was read")
	}
}

// FuzzRead reads whatever may be a layer: it ends, within bounds, and leaves nothing.
func FuzzRead(f *testing.F) {
	f.Add(scantest.Tar(f, scantest.Debian()...))
	f.Add(scantest.Layer(f, scantest.Debian()...))
	f.Add(scantest.Tar(f, regular("lib/apk/db/installed", apkInstalled), regular("a/.wh..wh..opq", ""), regular(".wh.b", "")))
	f.Add(scantest.Tar(f, regular("a.jar", string(scantest.Zip(f, map[string]string{"META-INF/maven/a/b/pom.properties": "version=1"})))))
	f.Add(scantest.Tar(f, regular("package-lock.json", `{"packages":{"node_modules/a":{"version":"1"}}}`), regular("r/requirements.txt", "a==1 --hash=x\n-r other.txt\n")))
	f.Add(scantest.Tar(f, regular("x.dist-info/METADATA", "Name: x\nVersion: 1\n"), regular("specifications/a.gemspec", "s.name = \"a\"")))
	f.Add(scantest.Tar(f, scantest.Program("bin", "\x7fELF"+goMark+rustMark+strings.Repeat("\x00", 5000))))
	f.Add(scantest.Tar(f, regular("var/lib/rpm/rpmdb.sqlite", "SQLite format 3\x00"+strings.Repeat("\x00", 100))))
	f.Fuzz(func(t *testing.T, layer []byte) {
		b := Bounds{Unpacked: 1 << 20, Kept: 1 << 20, Entries: 1000, Packages: 1000}
		i, err := read(t, b, layer, layer)
		if err == nil && len(i.Packages) > b.Packages {
			t.Errorf("%d packages", len(i.Packages))
		}
	})
}
