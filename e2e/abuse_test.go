package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// want checks an answer's status and its error code.
func want(t *testing.T, what string, a harness.Answer, err error, status int, code string) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	} else if a.Status != status || a.Code() != code {
		t.Errorf("%s: %v, and not %d with %q", what, a, status, code)
	}
}

func TestWhatIsWrongWithARequestIsAnsweredWithTheSpecsError(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	for _, repo := range []string{"abuse/one", "abuse/two"} {
		s.CreateRepository(t, repo)
	}
	c := s.Client(t)
	content := []byte("some content")
	digest := harness.Digest(content)
	other := harness.Digest([]byte("other content"))
	if err := c.PushBlob("abuse/one", digest, content); err != nil {
		t.Fatal(err)
	}
	upload, err := c.StartUpload("abuse/one")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := strings.Replace(upload, "/abuse/one/", "/abuse/two/", 1)
	image := func(layer string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":12},"layers":[{"mediaType":%q,"digest":%q,"size":12}]}`,
			harness.ManifestType, harness.ConfigType, digest, harness.LayerType, layer)
	}

	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"a blob that is not there", "GET", "/v2/abuse/one/blobs/" + other, "", nil, 404, "BLOB_UNKNOWN"},
		{"a blob of another repository", "GET", "/v2/abuse/two/blobs/" + digest, "", nil, 404, "BLOB_UNKNOWN"},
		{"a blob of a repository that is not there", "GET", "/v2/abuse/none/blobs/" + digest, "", nil, 404, "NAME_UNKNOWN"},
		{"a manifest that is not there", "GET", "/v2/abuse/one/manifests/none", "", nil, 404, "MANIFEST_UNKNOWN"},
		{"the tags of a repository that is not there", "GET", "/v2/abuse/none/tags/list", "", nil, 404, "NAME_UNKNOWN"},
		{"an upload to a repository that is not there", "POST", "/v2/abuse/none/blobs/uploads/", "", nil, 404, "NAME_UNKNOWN"},
		{"a digest of an unknown kind", "GET", "/v2/abuse/one/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", "", nil, 400, "DIGEST_INVALID"},
		{"a digest that is too short", "GET", "/v2/abuse/one/blobs/sha256:abc", "", nil, 400, "DIGEST_INVALID"},
		{"an upload that is not there", "GET", "/v2/abuse/one/blobs/uploads/5c5b7a0e-4a0f-4d7e-9d2b-000000000000", "", nil, 404, "BLOB_UPLOAD_UNKNOWN"},
		{"the upload of another repository asked about", "GET", elsewhere, "", nil, 404, "BLOB_UPLOAD_UNKNOWN"},
		{"the upload of another repository written to", "PATCH", elsewhere, "some content", nil, 404, "BLOB_UPLOAD_UNKNOWN"},
		{"the upload of another repository closed", "PUT", harness.WithDigest(elsewhere, digest), "some content", nil, 404, "BLOB_UPLOAD_UNKNOWN"},
		{"the upload of another repository cancelled", "DELETE", elsewhere, "", nil, 404, "BLOB_UPLOAD_UNKNOWN"},
		{"a chunk out of order", "PATCH", upload, "some content", []string{"Content-Range", "5-16"}, 416, "BLOB_UPLOAD_INVALID"},
		{"an upload closed without a digest", "PUT", upload, "some content", nil, 400, "DIGEST_INVALID"},
		{"a single POST with a wrong digest", "POST", harness.WithDigest("/v2/abuse/one/blobs/uploads/", other), "some content", nil, 400, "DIGEST_INVALID"},
		{"an upload closed with a wrong digest", "PUT", harness.WithDigest(upload, other), "some content", nil, 400, "DIGEST_INVALID"},
		{"a manifest that is no JSON", "PUT", "/v2/abuse/one/manifests/v1", "not JSON", []string{"Content-Type", harness.ManifestType}, 400, "MANIFEST_INVALID"},
		{"a manifest whose layer is absent", "PUT", "/v2/abuse/one/manifests/v1", image(other), []string{"Content-Type", harness.ManifestType}, 400, "MANIFEST_BLOB_UNKNOWN"},
		{"a manifest whose blobs another repository has", "PUT", "/v2/abuse/two/manifests/v1", image(digest), []string{"Content-Type", harness.ManifestType}, 400, "MANIFEST_BLOB_UNKNOWN"},
		{"a manifest under a digest that is not its own", "PUT", "/v2/abuse/one/manifests/" + other, image(digest), []string{"Content-Type", harness.ManifestType}, 400, "DIGEST_INVALID"},
		{"a manifest of 5 MiB", "PUT", "/v2/abuse/one/manifests/v1", image(digest) + strings.Repeat(" ", 5<<20), []string{"Content-Type", harness.ManifestType}, 413, "MANIFEST_INVALID"},
		{"a tag that is none", "PUT", "/v2/abuse/one/manifests/-v1", image(digest), []string{"Content-Type", harness.ManifestType}, 400, "TAG_INVALID"},
		{"a path that is none", "GET", "/v2/abuse/one/nothing/here", "", nil, 404, "NAME_UNKNOWN"},
		{"a method that is none", "PUT", "/v2/", "", nil, 405, "UNSUPPORTED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := s.Client(t)
			a, err := client.Send(c.method, c.path, strings.NewReader(c.body), c.headers...)
			want(t, c.name, a, err, c.status, c.code)
		})
	}

	for what, get := range map[string]func() (harness.Answer, error){
		"the wrong digest":             func() (harness.Answer, error) { return c.Blob("abuse/one", other) },
		"the blob in the other":        func() (harness.Answer, error) { return c.Blob("abuse/two", digest) },
		"the tag of refused manifests": func() (harness.Answer, error) { return c.Manifest("abuse/one", "v1") },
	} {
		if a, err := get(); err != nil || a.Status != 404 {
			t.Errorf("after all that, %s answers %v, %v", what, a, err)
		}
	}
}

// raw sends bytes as they are, which Go's own client would tidy up, and returns
// the answer.
func raw(t *testing.T, s *harness.Server, request string) harness.Answer {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return harness.Answer{Status: res.StatusCode, Header: res.Header, Body: body}
}

func basic(s *harness.Server, password string) string {
	req := &http.Request{Header: make(http.Header)}
	req.SetBasicAuth("AWS", password)
	return "Host: " + s.Listen + "\r\nAuthorization: " + req.Header.Get("Authorization") + "\r\nConnection: close\r\n"
}

func TestNoPathLeadsOutOfTheRepositories(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	head := basic(s, s.Password(t))
	for _, path := range []string{
		"/v2/../../etc/passwd/manifests/latest",
		"/v2/a/../b/manifests/latest",
		"/v2/a/%2e%2e/b/manifests/latest",
		"/v2/a%2f..%2fb/manifests/latest",
		"/v2/a//b/manifests/latest",
		"/v2/A/manifests/latest",
		"/v2/a/./b/tags/list",
		"/v2/a%00b/tags/list",
		"/v2/" + strings.Repeat("a", 300) + "/tags/list",
	} {
		a := raw(t, s, "GET "+path+" HTTP/1.1\r\n"+head+"\r\n")
		if a.Status != 400 || a.Code() != "NAME_INVALID" {
			t.Errorf("%s: %v, and not 400 with NAME_INVALID", path, a)
		}
	}
}

func TestAnUploadWhoseBodyIsCutOffGoesOnFromWhereItBroke(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	s.CreateRepository(t, "abuse/cut")
	c := s.Client(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	digest := harness.Digest(content)
	for _, method := range []string{"PATCH", "PUT"} {
		upload, err := c.StartUpload("abuse/cut")
		if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(upload, s.URL())
		if method == "PUT" {
			path = harness.WithDigest(path, digest)
		}
		conn, err := net.Dial("tcp", s.Listen)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\n%sContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", method, path, basic(s, c.Password), len(content))
		if _, err := conn.Write(content[:len(content)/2]); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}

		if a, err := c.Blob("abuse/cut", digest); err != nil || a.Status != 404 {
			t.Errorf("%s: half a blob is there: %v, %v", method, a.Status, err)
		}
		offset, location := int64(-1), ""
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			// The server may still be reading what the closed connection holds.
			next, at, err := c.Offset(upload)
			if err != nil {
				t.Fatalf("%s: the cut upload is lost: %v", method, err)
			}
			if next == offset {
				break
			}
			offset, location = next, at
		}
		if offset > int64(len(content)/2) {
			t.Fatalf("%s: the server holds %d bytes of %d", method, offset, len(content)/2)
		}
		if err := c.FinishUpload(location, digest, content[offset:]); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		a, err := c.Blob("abuse/cut", digest)
		if err != nil || !bytes.Equal(a.Body, content) {
			t.Errorf("%s: the blob has %d bytes, %v", method, len(a.Body), err)
		}
		if a, err := c.Send("DELETE", "/v2/abuse/cut/blobs/"+digest, nil); err != nil || a.Status != 202 {
			t.Errorf("deleting the blob: %v, %v", a, err)
		}
	}
}
