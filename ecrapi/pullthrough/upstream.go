package pullthrough

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/manifest/manifestlist"
	"github.com/distribution/distribution/v3/manifest/schema2"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"

	"drydock/storage"
)

const (
	// answerTime is how long an upstream may take until it has answered, with a
	// manifest in whole and with the headers of a layer.
	answerTime = 30 * time.Second
	// mostRedirects of one request are followed.
	mostRedirects = 5
)

// manifestTypes are what can be stored.
var manifestTypes = strings.Join([]string{v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, manifestlist.MediaTypeManifestList, schema2.MediaTypeManifest}, ", ")

// upstream is the registry of a rule.
type upstream struct {
	url    *url.URL
	client *auth.Client
}

// login is what a secret holds, as ECR has it.
type login struct {
	User  string `json:"username"`
	Token string `json:"accessToken"`
}

// dial prepares to ask the registry of a rule. Nothing is sent yet.
func (c *Cache) dial(ctx context.Context, of storage.Scope, r Rule) (*upstream, error) {
	u, err := ParseURL(r.URL)
	if err != nil {
		return nil, err
	}
	var l login
	if r.Credential != "" {
		if l, err = c.login(ctx, of, r.Credential); err != nil {
			return nil, &storage.UpstreamError{Host: u.Host, Cause: err}
		}
	}
	up := &upstream{url: u}
	up.client = &auth.Client{
		Client:     &http.Client{Transport: &guarded{next: c.o.Transport, plain: u.Scheme == "http"}, CheckRedirect: checkRedirect},
		Header:     http.Header{"User-Agent": {"drydock"}},
		Credential: auth.StaticCredential(u.Host, auth.Credential{Username: l.User, Password: l.Token}),
		Cache:      c.tokens(fmt.Sprintf("%q %q %q %q", of, r.URL, r.Credential, digest.FromString(l.User+" "+l.Token))),
	}
	return up, nil
}

// login reads a secret. Errors do not tell what is in it.
func (c *Cache) login(ctx context.Context, of storage.Scope, credential string) (login, error) {
	text, err := c.o.Secrets.Secret(ctx, of, credential)
	if err != nil {
		return login{}, err
	}
	var l login
	if json.Unmarshal([]byte(text), &l) != nil || l.User == "" || l.Token == "" {
		return login{}, fmt.Errorf("the secret %s: %w", credential, ErrBadSecret)
	}
	return l, nil
}

// mostTokens is for how many logins tokens are remembered.
const mostTokens = 200

// tokens are those that were had with a login.
func (c *Cache) tokens(key string) auth.Cache {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.logins) >= mostTokens {
		clear(c.logins)
	}
	if c.logins[key] == nil {
		c.logins[key] = auth.NewCache()
	}
	return c.logins[key]
}

// guarded sends nothing in the clear to other machines, whoever says where to.
type guarded struct {
	next http.RoundTripper
	// plain is set where the upstream itself is a plain one of this machine.
	plain bool
}

// RoundTrip implements http.RoundTripper.
func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !(g.plain && r.URL.Scheme == "http" && loopback(r.URL.Hostname())) {
		return nil, fmt.Errorf("it leads to %s://%s, which is not https", r.URL.Scheme, r.URL.Host)
	}
	return g.next.RoundTrip(r)
}

// checkRedirect takes credentials from what goes to another host.
func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > mostRedirects {
		return errors.New("it leads on and on")
	}
	if last := via[len(via)-1].URL; last.Host != r.URL.Host || last.Scheme != r.URL.Scheme {
		r.Header.Del("Authorization")
		r.Header.Del("Cookie")
	}
	return nil
}

// ask sends a request about a repository. The answer is 200. Errors: *storage.UpstreamError.
func (u *upstream) ask(ctx context.Context, method, name, path, accept string) (*http.Response, error) {
	ctx = auth.WithScopesForHost(ctx, u.url.Host, auth.ScopeRepository(name, auth.ActionPull))
	address := *u.url
	address.Path = "/v2/" + name + "/" + path
	if name == "" {
		address.Path = "/v2/"
	}
	r, err := http.NewRequestWithContext(ctx, method, address.String(), nil)
	if err != nil {
		return nil, &storage.UpstreamError{Host: u.url.Host, Cause: err}
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	res, err := u.client.Do(r)
	if err != nil {
		return nil, &storage.UpstreamError{Host: u.url.Host, Cause: withoutAddress(err)}
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, &storage.UpstreamError{Host: u.url.Host, Status: res.StatusCode}
	}
	return res, nil
}

// withoutAddress leaves out the address, which may be signed.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// manifest fetches a manifest. Errors: *storage.UpstreamError.
func (u *upstream) manifest(ctx context.Context, name string, which storage.Reference) (storage.Manifest, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	want := which.Digest
	ref := which.Tag
	if want != "" {
		ref = string(want)
	}
	res, err := u.ask(ctx, http.MethodGet, name, "manifests/"+ref, manifestTypes)
	if err != nil {
		return storage.Manifest{}, err
	}
	defer res.Body.Close()
	fail := func(err error) (storage.Manifest, error) {
		return storage.Manifest{}, &storage.UpstreamError{Host: u.url.Host, Cause: err}
	}
	content, err := io.ReadAll(io.LimitReader(res.Body, storage.MaxManifestSize+1))
	switch {
	case err != nil:
		return fail(fmt.Errorf("the manifest broke off: %w", err))
	case len(content) > storage.MaxManifestSize:
		return fail(fmt.Errorf("the manifest has more than %d bytes", storage.MaxManifestSize))
	case res.ContentLength >= 0 && int64(len(content)) != res.ContentLength:
		return fail(errors.New("the manifest broke off"))
	}
	if want == "" {
		// What it says of the content is checked, where it says anything.
		if want = digest.Digest(res.Header.Get("Docker-Content-Digest")); want.Validate() != nil || !want.Algorithm().Available() {
			want = digest.FromBytes(content)
		}
	}
	if got := want.Algorithm().FromBytes(content); got != want {
		return fail(fmt.Errorf("the manifest has the digest %s, not %s", got, want))
	}
	mediaType, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || !strings.Contains(manifestTypes, mediaType) {
		mediaType = "" // then the manifest's own word counts
	}
	return storage.Manifest{Digest: want, MediaType: mediaType, Content: content}, nil
}

// resolve asks which digest a tag has; "" where the upstream does not say. Errors:
// *UpstreamError.
func (u *upstream) resolve(ctx context.Context, name, tag string) (digest.Digest, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	res, err := u.ask(ctx, http.MethodHead, name, "manifests/"+tag, manifestTypes)
	if err != nil {
		return "", err
	}
	res.Body.Close()
	d := digest.Digest(res.Header.Get("Docker-Content-Digest"))
	if d.Validate() != nil {
		return "", nil
	}
	return d, nil
}

// layer begins to fetch a blob; size is -1 where the upstream does not say. ctx is
// to last as long as the body is read. Errors: *storage.UpstreamError.
func (u *upstream) layer(ctx context.Context, name string, d digest.Digest) (body io.ReadCloser, size int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(answerTime, cancel)
	res, err := u.ask(ctx, http.MethodGet, name, "blobs/"+string(d), "")
	if err != nil {
		timer.Stop()
		cancel()
		return nil, 0, err
	}
	timer.Stop()
	return &layerBody{res.Body, cancel}, res.ContentLength, nil
}

type layerBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *layerBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
