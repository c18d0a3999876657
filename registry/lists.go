package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/storage"
)

// pageSize is the most that one page of a list holds, and what it holds when the
// client does not say.
const pageSize = 1000

// page reads how much of a list is asked for, and from where on.
func page(query url.Values) (limit int, after string, err error) {
	limit = pageSize
	if n := query.Get("n"); n != "" {
		limit, err = strconv.Atoi(n)
		if err != nil || limit < 0 {
			return 0, "", errcode.ErrorCodePaginationNumberInvalid.WithMessage(fmt.Sprintf("n=%q is not a number of entries", n))
		}
	}
	return min(limit, pageSize), query.Get("last"), nil
}

// next links to the page behind the entry last.
func (x *exchange) next(query url.Values, last string) {
	query.Set("last", last)
	x.w.Header().Set("Link", "<"+x.http.URL.EscapedPath()+"?"+query.Encode()+`>; rel="next"`)
}

// cut shortens a list that was read with one entry too many, and reports whether
// it had it: whether there is more.
func cut[T any](list []T, limit int) ([]T, bool) {
	if len(list) > limit {
		return list[:limit], limit > 0
	}
	return list, false
}

// listTags serves GET of tags/list.
func (h *Handler) listTags(x *exchange) error {
	query := x.http.URL.Query()
	limit, after, err := page(query)
	if err != nil {
		return err
	}
	tags, err := h.engine.Tags(x.context(), x.ref, after, limit+1)
	if err != nil {
		return err
	}
	tags, more := cut(tags, limit)
	if more {
		x.next(query, tags[len(tags)-1])
	}
	return x.list(struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{x.path, append([]string{}, tags...)})
}

// catalog serves GET of _catalog: the repositories of the scope that the host
// name stands for.
func (h *Handler) catalog(x *exchange) error {
	query := x.http.URL.Query()
	limit, after, err := page(query)
	if err != nil {
		return err
	}
	found, err := h.engine.Repositories(x.context(), x.ref.Scope, after, limit+1)
	if err != nil {
		return err
	}
	found, more := cut(found, limit)
	if more {
		x.next(query, found[len(found)-1].Name)
	}
	names := make([]string, len(found))
	for i, r := range found {
		names[i] = r.Name
	}
	return x.list(struct {
		Repositories []string `json:"repositories"`
	}{names})
}

// listReferrers serves GET of referrers.
func (h *Handler) listReferrers(x *exchange) error {
	query := x.http.URL.Query()
	limit, after, err := page(query)
	if err != nil {
		return err
	}
	artifactType := query.Get("artifactType")
	var types []string
	if artifactType != "" {
		types = []string{artifactType}
	}
	found, err := h.engine.Referrers(x.context(), x.ref, x.digest, types, digest.Digest(after), limit+1)
	if err != nil {
		return err
	}
	found, more := cut(found, limit)
	if more {
		x.next(query, string(found[len(found)-1].Digest))
	}
	if strings.TrimSpace(artifactType) != "" {
		x.w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: descriptors(found)}
	body, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("write the list of referrers: %w", err)
	}
	return x.json(http.StatusOK, v1.MediaTypeImageIndex, body)
}

func descriptors(found []storage.Descriptor) []v1.Descriptor {
	list := make([]v1.Descriptor, len(found))
	for i, d := range found {
		list[i] = v1.Descriptor{
			MediaType: d.MediaType, Digest: d.Digest, Size: d.Size,
			ArtifactType: d.ArtifactType, Annotations: d.Annotations,
		}
	}
	return list
}

func (x *exchange) list(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write a list: %w", err)
	}
	return x.json(http.StatusOK, "application/json", body)
}
