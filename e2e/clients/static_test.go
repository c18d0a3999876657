package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drydock/e2e/harness"
)

func crane(t *testing.T, at *site) {
	crane := harness.Tool(t, "crane")
	at.Pipe(t, at.password, crane, "auth", "login", at.host, "-u", "AWS", "--password-stdin")

	at.Run(t, crane, "push", at.image.Dir, at.ref+":image")
	equal(t, "the image", at.Run(t, crane, "digest", at.ref+":image"), at.imageDigest)
	at.Run(t, crane, "push", at.index.Dir, at.ref+":index")
	equal(t, "the index", at.Run(t, crane, "digest", at.ref+":index"), at.indexDigest)
	pulled := filepath.Join(at.Dir, "pulled")
	at.Run(t, crane, "pull", "--format=oci", at.ref+":index", pulled)
	equal(t, "the pulled index", harness.EntryOf(t, pulled), at.indexDigest)
	harness.CheckLayout(t, pulled)

	at.server.CreateRepository(t, at.repo+"/copy")
	at.Run(t, crane, "copy", at.ref+":index", at.ref+"/copy:v1")
	equal(t, "the copy", at.Run(t, crane, "digest", at.ref+"/copy:v1"), at.indexDigest)
	at.Run(t, crane, "validate", "--remote", at.ref+":image")
	equal(t, "the tags", strings.Join(strings.Fields(at.Run(t, crane, "ls", at.ref)), " "), "image index")

	large := harness.NewLayout(t, 3)
	digest := large.Entry("v1", large.Large("amd64", 1<<30))
	at.Run(t, crane, "push", large.Dir, at.ref+":large")
	equal(t, "the image of 1 GiB", at.Run(t, crane, "digest", at.ref+":large"), digest)
	pulled = filepath.Join(at.Dir, "large")
	at.Run(t, crane, "pull", "--format=oci", at.ref+":large", pulled)
	equal(t, "the pulled image of 1 GiB", harness.EntryOf(t, pulled), digest)
	harness.CheckLayout(t, pulled)
}

func regctl(t *testing.T, at *site) {
	regctl := harness.Tool(t, "regctl")
	at.Run(t, regctl, "registry", "set", at.host, "--tls", "disabled", "--skip-check")
	at.Pipe(t, at.password, regctl, "registry", "login", at.host, "-u", "AWS", "--pass-stdin")

	at.Run(t, regctl, "image", "copy", "ocidir://"+at.index.Dir+":v1", at.ref+":index")
	equal(t, "the index", at.Run(t, regctl, "image", "digest", at.ref+":index"), at.indexDigest)
	pulled := filepath.Join(at.Dir, "pulled")
	at.Run(t, regctl, "image", "copy", at.ref+":index", "ocidir://"+pulled+":v1")
	equal(t, "the pulled index", harness.EntryOf(t, pulled), at.indexDigest)
	harness.CheckLayout(t, pulled)

	at.Pipe(t, "a note", regctl, "artifact", "put", "--artifact-type", "application/vnd.example.note", "--subject", at.ref+":index")
	contains(t, "the referrers", at.Run(t, regctl, "artifact", "list", at.ref+":index"), "application/vnd.example.note")
	at.Run(t, regctl, "tag", "delete", at.ref+":index")
	if tags := at.Run(t, regctl, "tag", "ls", at.ref); strings.Contains(tags, "index") {
		t.Errorf("the deleted tag is still listed: %s", tags)
	}
}

func oras(t *testing.T, at *site) {
	oras := harness.Tool(t, "oras")
	at.Pipe(t, at.password, oras, "login", at.host, "-u", "AWS", "--password-stdin", "--plain-http")

	at.Run(t, oras, "cp", "--from-oci-layout", at.index.Dir+":v1", "--to-plain-http", at.ref+":index")
	equal(t, "the index", at.Run(t, oras, "resolve", "--plain-http", at.ref+":index"), at.indexDigest)
	pulled := filepath.Join(at.Dir, "pulled")
	at.Run(t, oras, "cp", "--from-plain-http", at.ref+":index", "--to-oci-layout", pulled+":v1")
	equal(t, "the pulled index", harness.EntryOf(t, pulled), at.indexDigest)
	harness.CheckLayout(t, pulled)

	note := filepath.Join(at.Dir, "note.txt")
	if err := os.WriteFile(note, []byte("a note\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	at.Run(t, oras, "push", "--plain-http", "--artifact-type", "application/vnd.example.notes", at.ref+":notes", "note.txt:text/plain")
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	at.Run(t, oras, "pull", "--plain-http", at.ref+":notes")
	if got, err := os.ReadFile(note); err != nil || string(got) != "a note\n" {
		t.Errorf("the pulled file holds %q (%v)", got, err)
	}
	at.Run(t, oras, "attach", "--plain-http", "--artifact-type", "application/vnd.example.review", at.ref+":index", "note.txt:text/plain")
	contains(t, "what refers to the index", at.Run(t, oras, "discover", "--plain-http", at.ref+":index"), "application/vnd.example.review")
	contains(t, "the repositories", at.Run(t, oras, "repo", "ls", "--plain-http", at.host), at.repo)
}

func helm(t *testing.T, at *site) {
	helm := harness.Tool(t, "helm")
	at.server.CreateRepository(t, at.repo+"/mychart")
	at.Pipe(t, at.password, helm, "registry", "login", at.host, "-u", "AWS", "--password-stdin", "--plain-http")
	at.Run(t, helm, "create", "mychart")
	at.Run(t, helm, "package", "mychart", "--version", "1.2.3")
	before, err := os.ReadFile(filepath.Join(at.Dir, "mychart-1.2.3.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	at.Run(t, helm, "push", "--plain-http", "mychart-1.2.3.tgz", "oci://"+at.ref)
	if err := os.Mkdir(filepath.Join(at.Dir, "pulled"), 0o755); err != nil {
		t.Fatal(err)
	}
	at.Run(t, helm, "pull", "--plain-http", "oci://"+at.ref+"/mychart", "--version", "1.2.3", "-d", "pulled")
	after, err := os.ReadFile(filepath.Join(at.Dir, "pulled", "mychart-1.2.3.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the pulled chart", harness.Digest(after), harness.Digest(before))
	contains(t, "the chart's values", at.Run(t, helm, "show", "chart", "--plain-http", "oci://"+at.ref+"/mychart"), "version: 1.2.3")
}

func cosign(t *testing.T, at *site) {
	cosign, crane := harness.Tool(t, "cosign"), harness.Tool(t, "crane")
	run := at.With("COSIGN_PASSWORD=secret")
	at.Pipe(t, at.password, crane, "auth", "login", at.host, "-u", "AWS", "--password-stdin")
	at.Run(t, crane, "push", at.index.Dir, at.ref+":v1")
	ref := at.ref + "@" + at.indexDigest
	run.Run(t, cosign, "generate-key-pair")
	// No transparency log: the test has no network, and a private registry's
	// users do not want their images named in public.
	run.Run(t, cosign, "sign", "--yes", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "--allow-http-registry", ref)
	out := run.Run(t, cosign, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog", "--allow-http-registry", ref)
	contains(t, "the verified signature", out, at.indexDigest)

	run.Run(t, cosign, "generate-key-pair", "--output-key-prefix", "other")
	if out, err := run.Try("", cosign, "verify", "--key", "other.pub", "--insecure-ignore-tlog", "--allow-http-registry", ref); err == nil {
		t.Errorf("another key verifies the signature too: %s", out)
	}
}
