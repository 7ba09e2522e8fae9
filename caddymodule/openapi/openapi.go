// Package openapi is the OpenAPI document of everything under /mod. It is written
// by hand, in openapi.json; caddymodule/e2e holds a running gateway against it.
package openapi

import (
	"crypto/sha256"
	_ "embed" // the document
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// Path is where the document is served.
const Path = "/mod/openapi.json"

//go:embed openapi.json
var document []byte

// etag changes when the document does.
var etag = func() string {
	sum := sha256.Sum256(document)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}()

// Serve answers a GET or a HEAD with the document. (http.ServeContent would answer
// with parts of it too, and with errors that are not in the API's form.)
func Serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Cache-Control", "no-cache") // to be kept, and asked for again: an upgrade changes it
	h.Set("X-Content-Type-Options", "nosniff")
	if has(r) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json") // and not its own media type, which many tools don't know
	h.Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document) // for HEAD, net/http throws it away
}

// has says whether the client has the document already.
func has(r *http.Request) bool {
	for _, header := range r.Header.Values("If-None-Match") {
		for tag := range strings.SplitSeq(header, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}
