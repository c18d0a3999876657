package awsapi

import (
	"context"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"drydock/auth/sigv4"
)

// receiveJSON takes in an awsJson1.1 request, whose header names the operation.
func (s *Server) receiveJSON(ctx context.Context, x *exchange, w http.ResponseWriter, r *http.Request) (any, error) {
	prefix, name := cutLast(r.Header.Get("X-Amz-Target"), '.')
	if x.service = s.json[prefix]; x.service == nil {
		return nil, &unknownOperationError{name: name}
	}
	if err := x.find(name); err != nil {
		return nil, err
	}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Method != http.MethodPost || t != contentJSON {
		return nil, malformed("A call with X-Amz-Target is a POST of " + contentJSON)
	}
	claim, err := s.precheck(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := x.scope(claim, r); err != nil {
		return nil, err
	}
	body, err := s.read(x, w, r)
	if err != nil {
		return nil, err
	}
	if err := s.prove(ctx, x, claim, r, body); err != nil {
		return nil, err
	}
	in := reflect.New(x.op.input)
	if err := decodeJSON(x.op.in, body, in.Elem()); err != nil {
		return nil, err
	}
	return in.Interface(), nil
}

// receiveQuery takes in an awsQuery request, which names service and operation
// in the form that it is: in the body, or in the query string of a presigned GET.
func (s *Server) receiveQuery(ctx context.Context, x *exchange, w http.ResponseWriter, r *http.Request) (any, error) {
	if r.Method != http.MethodGet && (r.Method != http.MethodPost || !isForm(r)) {
		return nil, malformed("A call is a POST of " + contentJSON + " with X-Amz-Target, or of " + contentForm)
	}
	claim, err := s.precheck(ctx, r)
	if is(err, sigv4.MissingToken) && s.open != nil && r.Method == http.MethodPost {
		return s.receiveOpen(x, w, r, err)
	}
	if err != nil {
		return nil, err
	}
	body, err := s.read(x, w, r)
	if err != nil {
		return nil, err
	}
	encoded := string(body)
	if r.Method == http.MethodGet {
		encoded = r.URL.RawQuery
	}
	form, err := parseForm(encoded)
	if err != nil {
		return nil, err
	}
	name := form.Get("Action")
	if x.service = s.queryService(claim.Service(), form.Get("Version")); x.service == nil {
		return nil, &unknownOperationError{name: name}
	}
	if err := x.scope(claim, r); err != nil {
		return nil, err
	}
	if err := s.prove(ctx, x, claim, r, body); err != nil {
		return nil, err
	}
	if err := x.find(name); err != nil {
		return nil, err
	}
	in := reflect.New(x.op.input)
	if err := decodeForm(x.op.in, form, in.Elem()); err != nil {
		return nil, err
	}
	return in.Interface(), nil
}

// queryService finds the service of a version, of which there may be several, by
// the name that the request is signed for. A request that is signed for the wrong
// one gets the right one, whose refusal says so. nil when there is none.
func (s *Server) queryService(signingName, version string) *Service {
	var other *Service
	for _, svc := range s.query {
		switch {
		case svc.model.Version != version:
		case svc.model.SigningName == signingName:
			return svc
		default:
			other = svc
		}
	}
	return other
}

// read reads the body, which is held until the exchange is over.
func (s *Server) read(x *exchange, w http.ResponseWriter, r *http.Request) (body []byte, err error) {
	body, release, err := s.bodies.read(w, r, s.bodies.limit(x.op))
	if err == nil {
		x.release = release
	}
	return body, err
}

// scope refuses a request that is signed for another service, or for another
// region than that of the host name it was sent to. A service without regions of
// its own takes any: at one address for all services, clients sign it for the
// region they are set to or for its home.
func (x *exchange) scope(c *sigv4.Checked, r *http.Request) error {
	host := r.Host
	if x.service.model.GlobalRegion != "" {
		host = ""
	}
	return c.Scope(x.service.model.SigningName, fits(host))
}

// find looks the operation up and notes its name.
func (x *exchange) find(name string) (err error) {
	if x.op, err = x.service.find(name); err == nil {
		x.note.Operation = x.op.label
	}
	return err
}

const (
	contentJSON = "application/x-amz-json-1.1"
	contentForm = "application/x-www-form-urlencoded"
	contentXML  = "text/xml"
)

func isForm(r *http.Request) bool {
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return t == contentForm
}

func cutLast(s string, sep byte) (before, after string) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:]
	}
	return "", s
}
