package dashboard

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
)

// Each of the built files is served as what it is, whole and compressed, once.
func TestFiles(t *testing.T) {
	p := NewPage(Settings{})
	for name, f := range embedded() {
		at := Root + "/" + name
		plain, err := get(t, p, http.MethodGet, at)
		if err != nil || plain.Code != http.StatusOK || !bytes.Equal(plain.Body.Bytes(), f.content) {
			t.Fatalf("%s: %d, %v", name, plain.Code, err)
		}
		h := plain.Header()
		kind, tag := h.Get("Content-Type"), h.Get("ETag")
		if kind == "" || kind == "application/octet-stream" {
			t.Errorf("%s is %q: what is that?", name, kind)
		}
		if h.Get("Cache-Control") != "no-cache" || h.Get("Vary") != "Accept-Encoding" || h.Get("Content-Length") != strconv.Itoa(len(f.content)) {
			t.Errorf("%s: %v", name, h)
		}

		zipped, err := get(t, p, http.MethodGet, at, "Accept-Encoding", "br, gzip")
		if err != nil {
			t.Fatal(err)
		}
		other := zipped.Header().Get("ETag")
		switch z := zipped.Header(); {
		case z.Get("Content-Encoding") == "":
			if other != tag || zipped.Body.Len() > 200 && strings.HasPrefix(kind, "text/") {
				t.Errorf("%s is not compressed: %v", name, z)
			}
		case zipped.Body.Len() >= len(f.content), other == tag, z.Get("Vary") != "Accept-Encoding", z.Get("Content-Length") != strconv.Itoa(zipped.Body.Len()):
			t.Errorf("%s compressed: %d bytes, %v", name, zipped.Body.Len(), z)
		default:
			r, err := gzip.NewReader(zipped.Body)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(r); err != nil || !bytes.Equal(text, f.content) {
				t.Errorf("%s compressed is not %s (%v)", name, name, err)
			}
		}

		for _, known := range []string{tag, `"other", ` + tag, "W/" + tag, "*"} {
			if w, err := get(t, p, http.MethodGet, at, "If-None-Match", known); err != nil || w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("ETag") != tag {
				t.Errorf("%s, of which %s is known: %d with %v, %v", name, known, w.Code, w.Header(), err)
			}
		}
		if w, err := get(t, p, http.MethodGet, at, "If-None-Match", tag, "Accept-Encoding", "gzip"); err != nil || (w.Code == http.StatusNotModified) != (tag == other) {
			t.Errorf("%s compressed, and known as it is: %d, %v", name, w.Code, err)
		}
		if w, err := get(t, p, http.MethodGet, at, "Range", "bytes=0-4", "Accept-Encoding", "gzip"); err != nil || w.Code != http.StatusPartialContent || w.Body.String() != string(f.content[:5]) {
			t.Errorf("a part of %s: %d %q, %v", name, w.Code, w.Body, err)
		}
		if w, err := get(t, p, http.MethodHead, at); err != nil || w.Body.Len() > 0 || w.Header().Get("ETag") != tag || w.Header().Get("Content-Length") != strconv.Itoa(len(f.content)) {
			t.Errorf("HEAD of %s: %q with %v, %v", name, w.Body, w.Header(), err)
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			w, err := get(t, p, method, at)
			var e *lockmod.Error
			if !errors.As(err, &e) || e.Status != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s of %s: %v with %v", method, name, err, w.Header())
			}
		}
	}
}

func TestTakesGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZip": true, "deflate, gzip;q=1.0, *;q=0.5": true, "br;q=1, *": true, "gzip;q=0": false, "gzip; q=0.000": false,
		"gzip;q=0.001": true, "identity": false, "*;q=0": false, "x-gzip-not": false, "gzip;q=x": false, "gzip;q=0, *": false, "*;q=0, gzip": true, "*, gzip;q=0": false,
	} {
		r, err := http.NewRequest(http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", accept)
		if got := takesGzip(r); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
