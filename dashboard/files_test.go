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
	"github.com/caddy-etcd/caddy-etcd/store"
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

// What a page loads is of its own version, or not there, and need not be asked for again.
func TestFiles_build(t *testing.T) {
	p := NewPage(Settings{})
	found := 0
	for name, f := range embedded() {
		rest, ok := strings.CutPrefix(name, assets+"/")
		if !ok {
			continue
		}
		found++
		at := Root + "/" + assets + "-" + build() + "/" + rest
		w, err := get(t, p, http.MethodGet, at)
		tag := w.Header().Get("ETag")
		if err != nil || w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), f.content) || tag == "" || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d with %v, %v", at, w.Code, w.Header(), err)
		}
		if w, err := get(t, p, http.MethodGet, at, "If-None-Match", tag); err != nil || w.Code != http.StatusNotModified || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s, known: %d with %v, %v", at, w.Code, w.Header(), err)
		}
		var e *lockmod.Error
		if _, err := get(t, p, http.MethodPost, at); !errors.As(err, &e) || e.Status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %v", at, err)
		}
		for _, other := range []string{"-", "-0123456789abcdef", "-" + build() + "0", build()} {
			at := Root + "/" + assets + other + "/" + rest
			if w, err := get(t, p, http.MethodGet, at); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %d, %v", at, w.Code, err)
			}
		}
	}
	if found == 0 {
		t.Error("there is nothing to load")
	}
	for _, name := range []string{"", "/", "/nothing.js", "/../index.html", "/" + index, "/" + assets + "/index.js"} {
		at := Root + "/" + assets + "-" + build() + name
		if w, err := get(t, p, http.MethodGet, at); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %d, %v", at, w.Code, err)
		}
	}
}
