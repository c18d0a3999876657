package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"drydock/storage"
)

func TestRangesAreAnsweredAsTheyAreRecorded(t *testing.T) {
	content := []byte("0123456789")
	for _, c := range []struct {
		header, value string
		want          int
	}{
		{"", "", 200},
		{"Range", "bytes=0-0", 206},
		{"Range", "bytes=0-9", 206},
		{"Range", "bytes=3-", 206},
		{"Range", "bytes=-4", 206},
		{"Range", "bytes=-40", 206},
		{"Range", "bytes=5-500", 206},
		{"Range", "bytes=0-1,4-5", 206},
		{"Range", "bytes=0-1,50-60", 206},
		{"Range", "bytes=0-9,0-9", 200},
		{"Range", "bytes=10-", 416},
		{"Range", "bytes=10-20,30-", 416},
		{"Range", "bytes=-0", 416},
		{"Range", "bytes=5-4", 416},
		{"Range", "bytes=0-1,5-4", 416},
		// What is no range is left out.
		{"Range", "bytes=", 200},
		{"Range", "bytes=-", 200},
		{"Range", "bytes=x-y", 200},
		{"Range", "bytes=--5", 200},
		{"Range", "bytes=0-1,", 200},
		{"Range", "lines=1-2", 200},
		{"Range", "bytes=0-99999999999999999999", 200},
		{"If-None-Match", `"tag"`, 304},
		{"If-None-Match", `W/"tag"`, 304},
		{"If-None-Match", `*`, 304},
		{"If-None-Match", `"x", "tag"`, 304},
		{"If-None-Match", `"x"`, 200},
		{"If-Match", `"tag"`, 200},
		{"If-Match", `"x"`, 412},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		w := httptest.NewRecorder()
		w.Header().Set("Etag", `"tag"`)
		x := &exchange{w: w, http: r}
		if err := checkRange(x, int64(len(content))); err != nil {
			var outside *unsatisfiableError
			if !errors.As(err, &outside) || c.want != 416 || w.Header().Get("Content-Range") != "bytes */10" {
				t.Errorf("%s %s: %v", c.header, c.value, err)
			}
			continue
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		if w.Code != c.want {
			t.Errorf("%s: %s: answered %d, want %d", c.header, c.value, w.Code, c.want)
		}
		status, n := sent(w.Header(), r, int64(len(content)))
		if status != w.Code || n != int64(w.Body.Len()) {
			t.Errorf("%s: %s: recorded %d with %d bytes, sent %d with %d", c.header, c.value, status, n, w.Code, w.Body.Len())
		}
	}
}

// watched remembers what was read of it.
type watched struct {
	*bytes.Reader
	first, end int64
}

func (w *watched) Read(p []byte) (int, error) {
	at, _ := w.Seek(0, io.SeekCurrent)
	n, err := w.Reader.Read(p)
	if n > 0 {
		if w.end == 0 {
			w.first = at
		}
		w.end = at + int64(n)
	}
	return n, err
}

func TestWhatIsFetchedIsWhatIsThenRead(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 1000)
	size := int64(len(content))
	for header, plain := range map[string]bool{
		"": true, "bytes=0-0": true, "bytes=0-9999": true, "bytes=300-": true, "bytes=-400": true, "bytes=-40000": true,
		"bytes=9999-": true, "bytes=5-50000": true, "bytes=-1": true,
		// Of these it cannot be told, or nothing is read.
		"bytes=10000-": false, "bytes=-0": false, "bytes=0-1,4-5": false, "bytes=": false, "bytes=-": false, "bytes=5-4": false,
		"bytes=x-y": false, "bytes=--5": false, "lines=1-2": false, "bytes=0-99999999999999999999": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if header != "" {
			r.Header.Set("Range", header)
		}
		x := &exchange{w: httptest.NewRecorder(), http: r}
		offset, n, ok := x.wanted(size)
		if ok != plain {
			t.Errorf("%q: plain %v, want %v", header, ok, plain)
		}
		if !ok {
			continue
		}
		seen := &watched{Reader: bytes.NewReader(content)}
		x.w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(x.w, r, "", time.Time{}, seen)
		if seen.first != offset || seen.end != offset+n {
			t.Errorf("%q: %d to %d would be fetched, but %d to %d was read", header, offset, offset+n, seen.first, seen.end)
		}
		r.Header.Set("If-None-Match", `"x"`)
		if _, _, ok := x.wanted(size); ok {
			t.Errorf("%q: fetched though the condition may not hold", header)
		}
	}
	if _, _, ok := (&exchange{http: httptest.NewRequest(http.MethodGet, "/", nil)}).wanted(0); ok {
		t.Error("nothing of an empty blob can be fetched")
	}
}

func TestChunksSayWhereTheyBelong(t *testing.T) {
	for _, c := range []struct {
		header string
		length int64
		body   string
		offset int64
		ok     bool
		// complete is set when the body has what was announced.
		complete bool
	}{
		{"", -1, "hello", storage.AnyOffset, true, true},
		{"0-4", 5, "hello", 0, true, true},
		{"bytes 0-4/5", 5, "hello", 0, true, true},
		{"bytes 7-11/*", -1, "hello", 7, true, true},
		{"7-11", -1, "hell", 7, true, false},
		{"7-11", -1, "hello!", 7, true, false},
		{"7-6", 0, "", 7, true, true},
		{"0-4", 4, "hell", 0, false, false},
		{"4-0", 5, "hello", 0, false, false},
		{"-4", 5, "hello", 0, false, false},
		{"4", 5, "hello", 0, false, false},
		{"a-b", 5, "hello", 0, false, false},
		{"0-9223372036854775807", -1, "", 0, false, false},
		{"99999999999999999999-99999999999999999999", -1, "hello", 0, false, false},
	} {
		r := &http.Request{Header: http.Header{}, ContentLength: c.length, Body: io.NopCloser(strings.NewReader(c.body))}
		if c.header != "" {
			r.Header.Set("Content-Range", c.header)
		}
		name := strconv.Quote(c.header) + " with " + strconv.Quote(c.body)
		offset, body, err := chunk(r)
		if err != nil {
			var malformed *rangeError
			if !errors.As(err, &malformed) || c.ok {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !c.ok || offset != c.offset {
			t.Errorf("%s: taken at %d", name, offset)
			continue
		}
		got, err := io.ReadAll(body)
		if (err == nil) != c.complete || !strings.HasPrefix(c.body, string(got)) {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
	}
}
