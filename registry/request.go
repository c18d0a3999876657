package registry

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/opencontainers/go-digest"

	"drydock/internal/registryhost"
	"drydock/storage"
)

// endpoint is a method on a path of the API.
type endpoint int

const (
	unknown endpoint = iota
	base
	catalog
	getManifest
	putManifest
	deleteManifest
	getBlob
	headBlob
	deleteBlob
	startUpload
	getUpload
	patchUpload
	putUpload
	deleteUpload
	listTags
	listReferrers
)

// String is the endpoint's name in logs and metrics.
func (e endpoint) String() string {
	return [...]string{"Unknown", "Base", "Catalog", "GetManifest", "PutManifest", "DeleteManifest", "GetBlob", "HeadBlob",
		"DeleteBlob", "StartUpload", "GetUpload", "PatchUpload", "PutUpload", "DeleteUpload", "ListTags", "ListReferrers"}[e]
}

// request is what a client asked for.
type request struct {
	endpoint endpoint
	// ref is the repository, with account and region from the host name or the
	// path; path is its name as the client wrote it.
	ref  storage.Ref
	path string
	// which is the tag or digest of a manifest, digest that of a blob or of the
	// subject of referrers, upload the id of an upload.
	which  storage.Reference
	digest digest.Digest
	upload string
}

// nameForm is the distribution spec's form of a repository's name.
var nameForm = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// maxName is the longest repository name, as in ECR.
const maxName = 256

// methods are the endpoints below a repository by the kind of their path.
var methods = map[string]map[string]endpoint{
	"manifests": {http.MethodGet: getManifest, http.MethodHead: getManifest, http.MethodPut: putManifest, http.MethodDelete: deleteManifest},
	"blobs":     {http.MethodGet: getBlob, http.MethodHead: headBlob, http.MethodDelete: deleteBlob},
	"uploads":   {http.MethodPost: startUpload},
	"upload":    {http.MethodGet: getUpload, http.MethodHead: getUpload, http.MethodPatch: patchUpload, http.MethodPut: putUpload, http.MethodDelete: deleteUpload},
	"tags":      {http.MethodGet: listTags, http.MethodHead: listTags},
	"referrers": {http.MethodGet: listReferrers, http.MethodHead: listReferrers},
	"base":      {http.MethodGet: base, http.MethodHead: base},
	"catalog":   {http.MethodGet: catalog, http.MethodHead: catalog},
}

// parse reads a request's method, host and path. The request is never nil; with
// an error it holds what could be read.
func parse(r *http.Request, names *registryhost.Names) (*request, error) {
	req := &request{}
	kind, name, last := split(r.URL.Path)
	if kind == "" {
		return req, errcode.ErrorCodeNameUnknown.WithMessage("no such path in the registry API")
	}
	e, ok := methods[kind][r.Method]
	if !ok {
		return req, errcode.ErrorCodeUnsupported.WithMessage("the method " + strconv.Quote(r.Method) + " is not supported here")
	}
	account, region, rest := names.Resolve(r.Host, name)
	req.ref, req.path = storage.Ref{Scope: storage.Scope{Account: account, Region: region}, Name: rest}, name
	if kind != "base" && kind != "catalog" {
		if err := checkName(rest); err != nil {
			return req, err
		}
	}
	req.endpoint = e
	switch kind {
	case "manifests":
		if strings.Contains(last, ":") {
			req.which.Digest = digest.Digest(last)
		} else {
			req.which.Tag = last
		}
	case "blobs", "referrers":
		req.digest = digest.Digest(last)
	case "upload":
		req.upload = last
	}
	return req, nil
}

func checkName(name string) error {
	if len(name) > maxName || !nameForm.MatchString(name) {
		return errcode.ErrorCodeNameInvalid.WithMessage("a repository name has at most 256 characters: lower-case letters and digits, with single separators between them")
	}
	return nil
}

// split takes a path apart from its end, since names may hold anything that the
// fixed parts are made of.
func split(path string) (kind, name, last string) {
	switch path {
	case "/v2", "/v2/":
		return "base", "", ""
	case "/v2/_catalog":
		return "catalog", "", ""
	}
	rest := strings.TrimPrefix(path, "/v2/")
	if n, ok := strings.CutSuffix(rest, "/tags/list"); ok {
		return "tags", n, ""
	}
	if n, ok := strings.CutSuffix(strings.TrimSuffix(rest, "/"), "/blobs/uploads"); ok {
		return "uploads", n, ""
	}
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		return "", "", ""
	}
	rest, last = rest[:i], rest[i+1:]
	if last == "" {
		return "", "", ""
	}
	if n, ok := strings.CutSuffix(rest, "/blobs/uploads"); ok {
		return "upload", n, last
	}
	for _, kind := range [...]string{"manifests", "blobs", "referrers"} {
		if n, ok := strings.CutSuffix(rest, "/"+kind); ok {
			return kind, n, last
		}
	}
	return "", "", ""
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
