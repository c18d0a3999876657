package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client speaks the registry protocol without any of a real client's good
// manners: it sends what it is told and returns what it got.
type Client struct {
	HTTP *http.Client
	// Base is the server's address, User and Password what it is called with.
	Base, User, Password string
}

// NewClient is a client with connections of its own.
func NewClient(base, user, password string) *Client {
	return &Client{
		HTTP: &http.Client{
			Timeout:   2 * time.Minute,
			Transport: &http.Transport{MaxIdleConnsPerHost: 16},
		},
		Base: base, User: user, Password: password,
	}
}

// From makes the client call from another address of this machine, 127.0.0.0/8.
func (c *Client) From(ip string) *Client {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c.HTTP.Transport = &http.Transport{MaxIdleConnsPerHost: 16, DialContext: d.DialContext}
	return c
}

// Answer is a response read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Code is the first error code of an answer in the registry's JSON, else "".
func (a Answer) Code() string {
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(a.Body, &body) != nil || len(body.Errors) == 0 {
		return ""
	}
	return body.Errors[0].Code
}

func (a Answer) String() string {
	body := a.Body
	if len(body) > 300 {
		body = body[:300]
	}
	return fmt.Sprintf("%d %s", a.Status, body)
}

// Send makes one request. The path is below the server's address or, as in a
// Location, a whole URL; headers are given as name and value in turn.
func (c *Client) Send(method, path string, body io.Reader, headers ...string) (Answer, error) {
	target := path
	if !strings.Contains(path, "://") {
		target = c.Base + path
	}
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		return Answer{}, err
	}
	if c.User != "" {
		req.SetBasicAuth(c.User, c.Password)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("reading the answer to %s %s: %w", method, path, err)
	}
	return Answer{res.StatusCode, res.Header, content}, nil
}

// expect turns an answer with another status into an error.
func expect(status int, a Answer, err error) (Answer, error) {
	if err == nil && a.Status != status {
		err = &UnexpectedError{Want: status, Answer: a}
	}
	return a, err
}

// UnexpectedError is an answer with a status other than the one that was to come.
type UnexpectedError struct {
	Want   int
	Answer Answer
}

func (e *UnexpectedError) Error() string { return fmt.Sprintf("not %d but %s", e.Want, e.Answer) }

// StartUpload opens an upload session and returns its location.
func (c *Client) StartUpload(repo string) (string, error) {
	a, err := c.Send(http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil)
	if a, err = expect(http.StatusAccepted, a, err); err != nil {
		return "", fmt.Errorf("opening an upload: %w", err)
	}
	return c.location(a)
}

// location is an answer's Location as a whole URL.
func (c *Client) location(a Answer) (string, error) {
	base, err := url.Parse(c.Base + "/")
	if err != nil {
		return "", err
	}
	loc, err := base.Parse(a.Header.Get("Location"))
	if err != nil || a.Header.Get("Location") == "" {
		return "", fmt.Errorf("the answer has no usable Location: %q", a.Header.Get("Location"))
	}
	return loc.String(), nil
}

// WithDigest is an upload's location as the closing PUT wants it.
func WithDigest(location, digest string) string {
	sep := "?"
	if strings.Contains(location, "?") {
		sep = "&"
	}
	return location + sep + "digest=" + url.QueryEscape(digest)
}

// PushBlob uploads a blob in one session with one PUT.
func (c *Client) PushBlob(repo, digest string, content []byte) error {
	location, err := c.StartUpload(repo)
	if err != nil {
		return err
	}
	return c.FinishUpload(location, digest, content)
}

// FinishUpload closes a session with what remains of the blob.
func (c *Client) FinishUpload(location, digest string, rest []byte) error {
	a, err := c.Send(http.MethodPut, WithDigest(location, digest), bytes.NewReader(rest), "Content-Type", "application/octet-stream")
	if _, err = expect(http.StatusCreated, a, err); err != nil {
		return fmt.Errorf("closing the upload of %s: %w", digest, err)
	}
	return nil
}

// PushBlobAtOnce uploads a blob with a single POST.
func (c *Client) PushBlobAtOnce(repo, digest string, content []byte) error {
	a, err := c.Send(http.MethodPost, WithDigest("/v2/"+repo+"/blobs/uploads/", digest), bytes.NewReader(content), "Content-Type", "application/octet-stream")
	if _, err = expect(http.StatusCreated, a, err); err != nil {
		return fmt.Errorf("posting %s: %w", digest, err)
	}
	return nil
}

// Patch sends the next bytes of a session, which hold its place from offset on,
// and returns the session's new location.
func (c *Client) Patch(location string, offset int64, chunk []byte) (string, error) {
	a, err := c.Send(http.MethodPatch, location, bytes.NewReader(chunk),
		"Content-Type", "application/octet-stream",
		"Content-Range", fmt.Sprintf("%d-%d", offset, offset+int64(len(chunk))-1))
	if a, err = expect(http.StatusAccepted, a, err); err != nil {
		return "", fmt.Errorf("sending a chunk from %d on: %w", offset, err)
	}
	return c.location(a)
}

// Offset asks a session how many bytes it holds, and for its current location.
func (c *Client) Offset(location string) (int64, string, error) {
	a, err := c.Send(http.MethodGet, location, nil)
	if a, err = expect(http.StatusNoContent, a, err); err != nil {
		return 0, "", fmt.Errorf("asking for an upload's offset: %w", err)
	}
	next, err := c.location(a)
	if err != nil {
		return 0, "", err
	}
	var first, last int64
	r := a.Header.Get("Range")
	if _, err := fmt.Sscanf(r, "%d-%d", &first, &last); err != nil || first != 0 {
		return 0, "", fmt.Errorf("the upload's Range is %q", r)
	}
	// The protocol cannot tell an empty session from one of a single byte: both
	// are 0-0. No test leaves a session at one byte.
	if last == 0 {
		return 0, next, nil
	}
	return last + 1, next, nil
}

// Mount asks for a blob of another repository and reports whether it was there.
func (c *Client) Mount(repo, digest, from string) (bool, error) {
	a, err := c.Send(http.MethodPost, "/v2/"+repo+"/blobs/uploads/?mount="+url.QueryEscape(digest)+"&from="+url.QueryEscape(from), nil)
	if err != nil {
		return false, err
	}
	switch a.Status {
	case http.StatusCreated:
		return true, nil
	case http.StatusAccepted:
		return false, nil
	}
	return false, fmt.Errorf("mounting %s: %w", digest, &UnexpectedError{http.StatusCreated, a})
}

// PutManifest stores a manifest under a tag or its digest.
func (c *Client) PutManifest(repo, reference, mediaType string, content []byte) error {
	a, err := c.Send(http.MethodPut, "/v2/"+repo+"/manifests/"+reference, bytes.NewReader(content), "Content-Type", mediaType)
	if _, err = expect(http.StatusCreated, a, err); err != nil {
		return fmt.Errorf("storing the manifest %s: %w", reference, err)
	}
	return nil
}

// Manifest fetches a manifest by tag or digest.
func (c *Client) Manifest(repo, reference string) (Answer, error) {
	return c.Send(http.MethodGet, "/v2/"+repo+"/manifests/"+reference, nil,
		"Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json")
}

// Blob fetches a blob.
func (c *Client) Blob(repo, digest string) (Answer, error) {
	return c.Send(http.MethodGet, "/v2/"+repo+"/blobs/"+digest, nil)
}

// Tags lists all tags of a repository, page by page.
func (c *Client) Tags(repo string) ([]string, error) {
	var tags []string
	for path := "/v2/" + repo + "/tags/list?n=1000"; path != ""; {
		a, err := c.Send(http.MethodGet, path, nil)
		if a, err = expect(http.StatusOK, a, err); err != nil {
			return nil, fmt.Errorf("listing the tags of %s: %w", repo, err)
		}
		var page struct{ Tags []string }
		if err := json.Unmarshal(a.Body, &page); err != nil {
			return nil, fmt.Errorf("listing the tags of %s: %w", repo, err)
		}
		tags = append(tags, page.Tags...)
		path = nextPage(a.Header.Get("Link"))
	}
	return tags, nil
}

// nextPage is the target of a Link header with rel="next", else "".
func nextPage(link string) string {
	target, rest, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(rest, `rel="next"`) {
		return ""
	}
	return target
}
