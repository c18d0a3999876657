package clients

import (
	"os"
	"path/filepath"
	"testing"

	"drydock/e2e/harness"
)

// command gets a program that is installed from Debian where it is missing.
func command(t *testing.T, name string) string {
	t.Helper()
	if _, err := harness.Script(t, "ensure-command", name); err != nil {
		harness.Unavailable(t, "%v", err)
	}
	return name
}

func skopeo(t *testing.T, at *site) {
	skopeo := command(t, "skopeo")
	policy := acceptAnything(t, at)
	at.Pipe(t, at.password, skopeo, "login", "--tls-verify=false", "-u", "AWS", "--password-stdin", at.host)
	copyAll := func(from, to string, more ...string) {
		t.Helper()
		at.Run(t, skopeo, append([]string{"--policy", policy, "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", from, to}, more...)...)
	}
	digest := func(tag string) string {
		t.Helper()
		return harness.Digest([]byte(at.Run(t, skopeo, "inspect", "--tls-verify=false", "--raw", "docker://"+at.ref+":"+tag)))
	}

	copyAll("oci:"+at.index.Dir+":v1", "docker://"+at.ref+":index")
	equal(t, "the index", digest("index"), at.indexDigest)
	pulled := filepath.Join(at.Dir, "pulled")
	copyAll("docker://"+at.ref+":index", "oci:"+pulled+":v1")
	equal(t, "the pulled index", harness.EntryOf(t, pulled), at.indexDigest)
	harness.CheckLayout(t, pulled)

	// Docker's own manifest types and zstd layers, which skopeo makes on the way,
	// the latter only of a layer that it never saw compressed otherwise.
	seed := byte(4)
	for tag, how := range map[string][]string{
		"schema2": {"--format", "v2s2"},
		"zstd":    {"--dest-compress-format", "zstd", "--format", "oci"},
	} {
		plain := harness.NewLayout(t, seed)
		plain.Entry("v1", plain.Large("amd64", 50_000))
		seed++
		copyAll("oci:"+plain.Dir+":v1", "docker://"+at.ref+":"+tag, how...)
		dir := filepath.Join(at.Dir, tag)
		copyAll("docker://"+at.ref+":"+tag, "dir:"+dir)
		manifest, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "the image as "+tag, harness.Digest(manifest), digest(tag))
		want := map[string]string{"schema2": "vnd.docker.distribution.manifest.v2+json", "zstd": "vnd.oci.image.layer.v1.tar+zstd"}[tag]
		contains(t, "the manifest as "+tag, string(manifest), want)
	}
	at.Run(t, skopeo, "delete", "--tls-verify=false", "docker://"+at.ref+":zstd")
}

// acceptAnything is a signature policy as Debian's packages bring it, for
// machines where another is in place.
func acceptAnything(t *testing.T, at *site) string {
	t.Helper()
	policy := filepath.Join(at.Dir, "policy.json")
	if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	return policy
}

func podman(t *testing.T, at *site) {
	podman := command(t, "podman")
	// A store of its own, without the need for overlay mounts, and with a short
	// path: podman takes no more than 50 characters for it.
	runroot, err := os.MkdirTemp("", "podman")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(runroot); err != nil {
			t.Error(err)
		}
	})
	store := []string{"--root", filepath.Join(at.Dir, "root"), "--runroot", runroot, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"}
	run := func(args ...string) string {
		t.Helper()
		return at.Run(t, podman, append(store[:len(store):len(store)], args...)...)
	}
	at.Pipe(t, at.password, podman, append(store, "login", "--tls-verify=false", "-u", "AWS", "--password-stdin", at.host)...)
	policy := acceptAnything(t, at)
	// podman makes a repository's name of the path, which so has to be lower case.
	layout := filepath.Join(runroot, "image")
	if err := os.Symlink(at.image.Dir, layout); err != nil {
		t.Fatal(err)
	}
	run("pull", "--signature-policy", policy, "oci:"+layout+":v1")
	id := run("images", "-q", "--no-trunc")
	run("tag", trim(id), at.ref+":v1")
	run("push", "--tls-verify=false", "--digestfile", "digest", at.ref+":v1")
	digest, err := os.ReadFile(filepath.Join(at.Dir, "digest"))
	if err != nil {
		t.Fatal(err)
	}
	run("rmi", "--all", "--force")
	run("pull", "--signature-policy", policy, "--tls-verify=false", at.ref+":v1")
	equal(t, "the pulled image", run("images", "-q", "--no-trunc"), trim(id))
	equal(t, "its digest", run("image", "inspect", "--format", "{{.Digest}}", at.ref+":v1"), string(digest))
}

func buildah(t *testing.T, at *site) {
	buildah := command(t, "buildah")
	store := []string{"--root", filepath.Join(at.Dir, "root"), "--runroot", filepath.Join(at.Dir, "run"), "--storage-driver", "vfs"}
	run := func(args ...string) string {
		t.Helper()
		return at.Run(t, buildah, append(store[:len(store):len(store)], args...)...)
	}
	policy := acceptAnything(t, at)
	at.Pipe(t, at.password, buildah, append(store, "login", "--tls-verify=false", "-u", "AWS", "--password-stdin", at.host)...)
	if err := os.WriteFile(filepath.Join(at.Dir, "file"), []byte("content\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	container := trim(run("from", "scratch"))
	run("copy", container, "file", "/file")
	run("commit", "--signature-policy", policy, container, "built")
	run("push", "--signature-policy", policy, "--tls-verify=false", "--digestfile", "digest", "built", "docker://"+at.ref+":v1")
	digest, err := os.ReadFile(filepath.Join(at.Dir, "digest"))
	if err != nil {
		t.Fatal(err)
	}
	run("rmi", "--all", "--force")
	run("pull", "--signature-policy", policy, "--tls-verify=false", "docker://"+at.ref+":v1")
	equal(t, "the pulled image", run("images", "--format", "{{.Digest}}"), string(digest))
}
