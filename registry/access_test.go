package registry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drydock/auth"
)

// withholding allows all but one action, and notes what it is asked for.
type withholding struct {
	action string
	asked  []string
}

func (w *withholding) Authorize(_ context.Context, r auth.Request) error {
	w.asked = append(w.asked, r.Action)
	if r.Action == w.action {
		return &auth.DeniedError{Request: r, Because: "because of the test"}
	}
	return nil
}

func TestABlobSentAtOnceTakesThePermissionOfEachStep(t *testing.T) {
	h, _ := newHandler(t)
	send := func(w *withholding) int {
		h.authorizer = w
		r := httptest.NewRequest(http.MethodPost, "/v2/demo/blobs/uploads/?digest="+digest.FromString("hello").String(), strings.NewReader("hello"))
		r.SetBasicAuth("AWS", "123456789012")
		a := httptest.NewRecorder()
		h.ServeHTTP(a, r)
		return a.Code
	}
	for _, action := range []string{"ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"} {
		if code := send(&withholding{action: action}); code != http.StatusForbidden {
			t.Errorf("without %s: %d", action, code)
		}
	}
	all := &withholding{}
	if code := send(all); code != http.StatusCreated {
		t.Errorf("with all of them: %d", code)
	}
	if want := []string{"ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"}; !slices.Equal(all.asked, want) {
		t.Errorf("asked for %v", all.asked)
	}
}
