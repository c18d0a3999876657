// Package observe carries what is worth knowing about a request from the
// handler that served it to the front, which writes one access-log line and
// counts the request when the handler has returned.
//
// It is a record in the context rather than a wrapped http.ResponseWriter
// because a wrapper takes sendfile away: net/http hands a file to the kernel
// only when io.Copy meets its own ResponseWriter.
package observe

import "context"

// Request is what a handler tells about the request that it serves. It belongs
// to the goroutine that runs the handler; what others started must not touch it.
type Request struct {
	// Operation is what was asked for, from a set fixed in the code, never
	// from what the client sent: it becomes a metric label. Registry
	// endpoints use their own names (GetManifest, PutUpload), AWS operations
	// service:Operation. Empty stands for a request that named no known one.
	Operation string
	// Status is the HTTP status that was answered; 0 stands for 200, as it
	// does in net/http.
	Status int
	// BytesIn is the number of body bytes read from the client. The front
	// counts them as they are read; handlers leave it alone.
	BytesIn int64
	// BytesOut is the number of body bytes written to the client, as far as
	// the handler got. Handlers add what they write.
	BytesOut int64
	// Principal is the ARN of who called, once that is proved.
	Principal string
	// Error is what went wrong, for the operator: the code that the client
	// was answered, and for a fault of the server its cause, which the client
	// is not told. Empty when nothing did.
	Error string
}

type key struct{}

// With returns a context that carries r.
func With(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, key{}, r)
}

// From returns the record that ctx carries. Without a front there is none, and a
// record is returned that nobody will read: handlers need not ask.
func From(ctx context.Context) *Request {
	if r, ok := ctx.Value(key{}).(*Request); ok {
		return r
	}
	return &Request{}
}
