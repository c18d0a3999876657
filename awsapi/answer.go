package awsapi

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"drydock/auth"
)

// encode writes the output of an operation.
func (x *exchange) encode(out any) []byte {
	v := reflect.ValueOf(out).Elem()
	if x.json {
		return appendJSON(nil, x.op.out, v)
	}
	var b bytes.Buffer
	name := x.op.Name + "Response"
	b.WriteString("<" + name + x.namespace() + ">")
	if len(x.op.out.fields) > 0 || slices.Contains(x.service.model.EmptyResults, x.op.Name) {
		element(&b, x.op.Name+"Result", func() { writeXML(&b, x.op.out, v) })
	}
	element(&b, "ResponseMetadata", func() {
		element(&b, "RequestId", func() { escapeXML(&b, x.id) })
	})
	b.WriteString("</" + name + ">")
	return b.Bytes()
}

func (x *exchange) namespace() string {
	if x.service == nil || x.service.model.Namespace == "" {
		return ""
	}
	return ` xmlns="` + x.service.model.Namespace + `"`
}

// statusGone is noted of a request that the client broke off, to tell it from
// those that failed. nginx made the number known.
const statusGone = 499

// refuse answers an error, and tells the operator of those that are the server's.
func (s *Server) refuse(ctx context.Context, w http.ResponseWriter, x *exchange, err error) {
	f := x.service.faultOf(ctx, err, x.json)
	x.note.Error = f.code
	var denied *auth.DeniedError
	if errors.As(err, &denied) && denied.Message != "" {
		w.Header().Set(auth.MessageHeader, denied.Message)
	}
	if f.cause != nil {
		x.note.Error += ": " + f.cause.Error()
		s.report(ctx, x, f.cause)
	}
	if x.json {
		w.Header().Set("X-Amzn-ErrorType", f.code)
		x.send(w, f.status, x.encodeFaultJSON(f))
	} else {
		x.send(w, f.status, x.encodeFaultXML(f))
	}
	if f.code == gone.json && f.cause == nil {
		x.note.Status = statusGone
	}
}

func (s *Server) report(ctx context.Context, x *exchange, cause error) {
	attrs := []slog.Attr{
		slog.String("request_id", x.id),
		slog.String("operation", x.note.Operation),
		slog.String("principal", x.note.Principal),
		slog.String("error", cause.Error()),
	}
	var p *panicError
	if errors.As(cause, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	s.log.LogAttrs(ctx, slog.LevelError, "a call of an AWS API failed", attrs...)
}

func (x *exchange) encodeFaultJSON(f fault) []byte {
	b := append([]byte(nil), `{"__type":`...)
	b = appendString(b, f.code)
	b = append(b, ',')
	b = appendString(b, x.service.message(f.code))
	b = append(b, ':')
	b = appendString(b, f.message)
	if f.exception != nil {
		if p, v, ok := x.service.members(f.exception); ok {
			b = appendMembers(b, p, v, true)
		}
	}
	return append(b, '}')
}

func (x *exchange) encodeFaultXML(f fault) []byte {
	var b bytes.Buffer
	b.WriteString("<ErrorResponse" + x.namespace() + ">")
	element(&b, "Error", func() {
		blame := "Sender"
		if f.status >= http.StatusInternalServerError {
			blame = "Receiver"
		}
		element(&b, "Type", func() { b.WriteString(blame) })
		element(&b, "Code", func() { escapeXML(&b, f.code) })
		element(&b, "Message", func() { escapeXML(&b, f.message) })
		if f.exception != nil {
			if p, v, ok := x.service.members(f.exception); ok {
				writeXML(&b, p, v)
			}
		}
	})
	element(&b, "RequestId", func() { escapeXML(&b, x.id) })
	b.WriteString("</ErrorResponse>")
	return b.Bytes()
}

// send writes an answer. net/http adds the Date, which clients set their clocks
// by when a signature was refused for its time.
func (x *exchange) send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("X-Amzn-RequestId", x.id)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if x.json {
		h.Set("Content-Type", contentJSON)
	} else {
		h.Set("Content-Type", contentXML)
	}
	x.note.Status = status
	w.WriteHeader(status)
	n, _ := w.Write(body) // a client that went away is no fault of anybody
	x.note.BytesOut += int64(n)
}
