package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed all:dist
var dist embed.FS

// index is the name of the page itself, and assets the folder of what it loads.
const (
	index  = "index.html"
	assets = "assets"
)

// build is made of all built files, so that it is another one in every version in which
// any of them is. What a page loads has it in its address: its scripts import parts of
// one another by letters, and those of two versions don't fit together.
var build = sync.OnceValue(func() string {
	files := embedded()
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%s %s\n", name, files[name].hash)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
})

// find returns the file with that name below Root/, or nil, and whether that name is
// this version's alone.
func find(name string) (f *file, forever bool) {
	if rest, ok := strings.CutPrefix(name, assets+"-"+build()+"/"); ok {
		return embedded()[assets+"/"+rest], true
	}
	return embedded()[name], false
}

// embedded are the built files by name, such as assets/index.js.
var embedded = sync.OnceValue(func() map[string]*file {
	files := make(map[string]*file)
	err := fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		name = strings.TrimPrefix(name, "dist/")
		files[name] = newFile(name, content)
		return err
	})
	if err != nil {
		panic(err) // they are in the binary
	}
	return files
})

// types are the media types of the files, which are not left to the machine's own
// list. What is not here is nothing that a browser would run.
var types = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
	".woff2":       "font/woff2",
}

// file is what is answered for one address.
type file struct {
	name    string
	content []byte
	hash    string
	zipped  func() []byte // nil if that is no smaller
}

func newFile(name string, content []byte) *file {
	sum := sha256.Sum256(content)
	return &file{name: name, content: content, hash: hex.EncodeToString(sum[:16]), zipped: sync.OnceValue(func() []byte {
		return zip(content)
	})}
}

// zip is nil for what does not get smaller.
func zip(content []byte) []byte {
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	if zipped.Len() >= len(content) {
		return nil
	}
	return zipped.Bytes()
}

// serve answers a GET or a HEAD. If the name is the same in every version, a browser
// has to ask each time whether what it has is still right.
func (f *file) serve(w http.ResponseWriter, r *http.Request, forever bool) {
	h := w.Header()
	content, tag := f.represent(h, r)
	h.Set("Cache-Control", "no-cache")
	if forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// serveMissing answers with 404, and the file.
func (f *file) serveMissing(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	content, _ := f.represent(h, r)
	h.Add("Vary", "Accept")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content)
	}
}

// represent is the file as a client takes it, with what it is said to be, and its tag.
func (f *file) represent(h http.Header, r *http.Request) (content []byte, tag string) {
	h.Set("Vary", "Accept-Encoding")
	kind, ok := types[path.Ext(f.name)]
	if !ok {
		kind = "application/octet-stream"
	}
	h.Set("Content-Type", kind)
	if r.Header.Get("Range") == "" && takesGzip(r) { // a part is one of the file itself
		if zipped := f.zipped(); zipped != nil {
			h.Set("Content-Encoding", "gzip")
			h.Set("Content-Length", strconv.Itoa(len(zipped))) // http.ServeContent leaves it out then
			return zipped, f.hash + "-gzip"
		}
	}
	return f.content, f.hash
}

// takesGzip says whether a client wants gzip. What it would like best is not asked,
// there being nothing else.
func takesGzip(r *http.Request) bool {
	others := false
	for _, header := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(coding, ";")
			q, weighed := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(params, " ", "")), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			wanted := !weighed || err == nil && weight > 0
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip":
				return wanted
			case "*":
				others = wanted
			}
		}
	}
	return others
}
