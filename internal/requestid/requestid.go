// Package requestid carries the id of a request from the outermost handler to
// whoever answers or logs, so that the id a client was given is the one that the
// operator finds.
package requestid

import (
	"context"
	"encoding/hex"
	"io"
)

type key struct{}

// With returns a context that carries id.
func With(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, key{}, id)
}

// From returns the id that a context carries, or "".
func From(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

// New makes an id of the form of a random UUID (RFC 9562, version 4) from 16
// bytes of rand. A source that fails leaves its share of the bytes zero: an id
// that is not unique is better than a request that is not served.
func New(rand io.Reader) string {
	var b [16]byte
	_, _ = io.ReadFull(rand, b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
