package observe

import (
	"context"
	"testing"
)

func TestWhatAHandlerNotesReachesTheFront(t *testing.T) {
	rec := new(Request)
	ctx := With(context.Background(), rec)
	func(ctx context.Context) { // a handler
		o := From(ctx)
		o.Operation, o.Status = "GetManifest", 404
		o.BytesOut += 12
	}(ctx)
	if want := (Request{Operation: "GetManifest", Status: 404, BytesOut: 12}); *rec != want {
		t.Errorf("the front read %+v, want %+v", *rec, want)
	}
}

func TestWithoutAFrontNothingIsShared(t *testing.T) {
	From(context.Background()).Status = 500
	if got := From(context.Background()).Status; got != 0 {
		t.Errorf("a record outside any request kept status %d", got)
	}
}
