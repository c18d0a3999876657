package declare

import (
	"net/http"
	"time"

	"go.yaml.in/yaml/v3"

	"drydock/auth/oidc"
)

// provider is a declared issuer of tokens.
type provider struct {
	place
	oidc.Issuer
}

func (r *reader) readProvider(n *yaml.Node) provider {
	e := r.named(n, "identity provider", "issuer", "issuer", "audiences", "jwks_file", "jwks_url")
	p := provider{place: e.place}
	p.URL, _ = e.text("issuer")
	audiences, _ := e.words("audiences")
	for _, a := range audiences {
		p.Audiences = append(p.Audiences, a.text)
	}
	file, isFile := e.text("jwks_file")
	url, isURL := e.text("jwks_url")
	switch {
	case isFile == isURL:
		r.failed(e.errorf("give either jwks_file, a file with its keys, or jwks_url, where it publishes them"))
		return p
	case isFile:
		p.JWKS = r.path(file)
	default:
		p.JWKS = url
	}
	if r.err == nil {
		// The same eyes as those that will look at tokens; keys at a URL are not
		// fetched before a token comes.
		if _, err := oidc.New(oidc.Options{Issuers: []oidc.Issuer{p.Issuer}, Now: time.Now, Client: http.DefaultClient}); err != nil {
			r.failed(e.errorf("%w", err))
		}
	}
	return p
}
