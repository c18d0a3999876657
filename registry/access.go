package registry

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry/api/errcode"

	"drydock/auth"
	"drydock/auth/token"
	"drydock/internal/arn"
	"drydock/storage"
)

// userName is the user that every registry password belongs to.
const userName = "AWS"

// tokenParameter carries the token in the address of a layer's download.
const tokenParameter = "drydock-token"

// errUnauthenticated asks for a password.
var errUnauthenticated = errcode.ErrorCodeUnauthorized.WithMessage("authentication required: log in with the user AWS and a password of GetAuthorizationToken")

// errExpired is ECR's sentence for a password that was good once.
var errExpired = errcode.ErrorCodeDenied.WithMessage("Your authorization token has expired. Reauthenticate and try again.")

// heldError says that a source sent too many wrong passwords to have another one
// checked yet.
type heldError struct{ wait time.Duration }

func (e *heldError) Error() string {
	return "Rate exceeded: too many wrong passwords came from this address; try again in " + itoa(e.seconds()) + " s"
}

// seconds is the wait as Retry-After has it (RFC 9110 section 10.2.3).
func (e *heldError) seconds() int64 { return int64((e.wait + time.Second - 1) / time.Second) }

// authenticate recognises the sender by password, or for the download of a layer
// by the token in its address. Who sends no password is asked for one; who sends
// wrong ones is held back for a while, but not others behind the same address
// whose passwords were good before.
func (h *Handler) authenticate(x *exchange) error {
	user, given := userName, layerToken(x)
	isLayer := given != ""
	if !isLayer {
		if user, given, _ = x.http.BasicAuth(); given == "" {
			return errUnauthenticated
		}
	}
	source := auth.OriginFrom(x.context()).Source
	if wait := h.throttle.Wait(source); wait > 0 && !h.tokens.Known(given) {
		h.throttle.Refused()
		return &heldError{wait}
	}
	err := token.ErrInvalid
	switch {
	case isLayer:
		layer := arn.Repository(x.ref.Account, x.ref.Region, x.ref.Name) + "@" + string(x.digest)
		x.who, err = h.tokens.VerifyLayer(x.context(), given, layer)
	case user == userName:
		x.who, err = h.tokens.Verify(x.context(), given)
	}
	switch {
	case errors.Is(err, token.ErrExpired):
		return errExpired
	case errors.Is(err, token.ErrInvalid):
		// One that was good until its holder was deleted, or it was revoked, is
		// no guess. A docker that still sends it costs its neighbours nothing.
		if !h.tokens.Known(given) {
			h.throttle.Failed(source)
		}
		return errUnauthenticated
	}
	return err
}

func layerToken(x *exchange) string {
	if x.endpoint != getBlob && x.endpoint != headBlob || !strings.Contains(x.http.URL.RawQuery, tokenParameter) {
		return ""
	}
	return x.http.URL.Query().Get(tokenParameter)
}

// actions are what each endpoint takes to be allowed to. Base takes a valid
// password and no more.
var actions = map[endpoint]string{
	getManifest:    "ecr:BatchGetImage",
	putManifest:    "ecr:PutImage",
	deleteManifest: "ecr:BatchDeleteImage",
	getBlob:        "ecr:GetDownloadUrlForLayer",
	headBlob:       "ecr:BatchCheckLayerAvailability",
	deleteBlob:     "ecr:BatchDeleteImage",
	startUpload:    "ecr:InitiateLayerUpload",
	getUpload:      "ecr:UploadLayerPart",
	patchUpload:    "ecr:UploadLayerPart",
	putUpload:      "ecr:CompleteLayerUpload",
	deleteUpload:   "ecr:UploadLayerPart",
	listTags:       "ecr:ListImages",
	listReferrers:  "ecr:ListImageReferrers",
	catalog:        "ecr:DescribeRepositories",
}

// authorize decides whether the sender may do what the request is for. An
// endpoint without an action is refused.
func (h *Handler) authorize(x *exchange) error {
	if x.endpoint == base {
		return nil
	}
	action, declared := actions[x.endpoint]
	if !declared {
		return errcode.ErrorCodeDenied
	}
	return h.allow(x, action, x.ref)
}

func (h *Handler) allow(x *exchange, action string, ref storage.Ref) error {
	name := ref.Name
	if x.endpoint == catalog {
		name = "*"
	}
	return h.authorizer.Authorize(x.context(), auth.Request{
		Principal: x.who, Action: action,
		Resource: arn.Repository(ref.Account, ref.Region, name), ResourceAccount: ref.Account,
		Region: ref.Region,
	})
}

// mayMount tells whether the sender may pull a blob from where it wants it
// mounted from. A refusal is no error: the client then uploads the blob.
func (h *Handler) mayMount(x *exchange, from storage.Ref) (bool, error) {
	for _, action := range []string{"ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"} {
		err := h.allow(x, action, from)
		var denied *auth.DeniedError
		if errors.As(err, &denied) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// challenge tells the client how to authenticate.
func challenge(w http.ResponseWriter, host string) {
	realm := strings.NewReplacer(`"`, "", `\`, "").Replace(host)
	w.Header().Set("WWW-Authenticate", `Basic realm="https://`+realm+`/",service="ecr.amazonaws.com"`)
}
