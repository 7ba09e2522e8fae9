package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// get asks a page for something.
func get(t testing.TB, p *Page, method, path string, header ...string) (*httptest.ResponseRecorder, error) {
	t.Helper()
	r := httptest.NewRequest(method, "http://gateway"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	err := p.Serve(w, r)
	return w, err
}

// references are the addresses in the page.
var references = regexp.MustCompile(`(?:src|href)="([^"]*)"`)

// Wherever the page is, below a prefix that the gateway does not see too, a browser
// finds the page's files from there.
func TestPage(t *testing.T) {
	p := NewPage(Settings{API: "v3", Prefix: "/p"})
	for _, at := range []string{
		"/", "/overview", "/keys", "/keys/", "/keys/a", "/keys/a/b", "/keys/a//b", "/keys//", "/keys///a/", "/keys/a%2Fb/c", "/keys/%2f%2F",
		"/keys/a%2Fb%2Fc%2Fd", "/keys/..%2f", "/keys/..%2Fa/b", "/keys/a%20b/%FF/%00", "/keys/%3Cimg%20src=x%3E", "/keys/a?b=/c/d", "/keys%2Fa/b",
		"/locks", "/locks/a/b", "/elections/x", "/leases", "/browser", "/browser/", "/browser/css/main.css", "/stats", "/stats/",
	} {
		w, err := get(t, p, http.MethodGet, Root+at)
		if err != nil || w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d with %v, %v", at, w.Code, w.Header(), err)
			continue
		}
		found := references.FindAllStringSubmatch(w.Body.String(), -1)
		if len(found) < 2 {
			t.Fatalf("%s: the page has nothing but %v", at, found)
		}
		for _, prefix := range []string{"", "/etcd", "/a/b%2F"} {
			base, err := url.Parse("https://public" + prefix + Root + at)
			if err != nil {
				t.Fatal(err)
			}
			for _, reference := range found {
				address, err := base.Parse(reference[1])
				if err != nil {
					t.Fatal(err)
				}
				name, ok := strings.CutPrefix(address.EscapedPath(), prefix+Root+"/")
				f, forever := find(name)
				if !ok || f == nil {
					t.Errorf("%s at %s is %s, where nothing is", reference[1], base, address)
				}
				if icon := strings.HasSuffix(name, ".svg"); forever == icon {
					t.Errorf("%s at %s may be kept for ever: %v", reference[1], base, forever)
				}
			}
		}
	}
}

// What is neither the page nor a file of it is not there.
func TestPage_notFound(t *testing.T) {
	p := NewPage(Settings{})
	for _, at := range []string{
		"/nothing", "/index", "/keysx", "/Keys", "/assets", "/assets/", "/assets/nothing.js", "//", "//keys", "/./", "/./keys", "/api", "/api/", "/api/other",
		"/dist/index.html", "/../keys", "/assets/../index.html", "/assets/index.js/", "/assets%2f..%2findex.html",
	} {
		if w, err := get(t, p, http.MethodGet, Root+at); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %d, %v", at, w.Code, err)
		}
	}
	for _, at := range []string{"/mod%2fdashboard/", "/mod%2Fdashboard/keys", "/mod/dashboard%2f", "/mod/dashboard%2Fkeys/a", "/", "/mod/", "/mod/dashboards/"} {
		if w, err := get(t, p, http.MethodGet, at); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %d, %v", at, w.Code, err)
		}
	}
	if w, err := get(t, p, http.MethodGet, "/%6dod/dashboar%64/keys"); err != nil || w.Code != http.StatusOK {
		t.Errorf("written in another way: %d, %v", w.Code, err)
	}
}

// A browser that follows a link there gets the page, which says that; with its files, from
// wherever it is.
func TestPage_notFoundInBrowser(t *testing.T) {
	p := NewPage(Settings{})
	const accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, at := range []string{"/nothing", "/nothing/at/all", "/assets/nothing.js", "/api/other", "//keys"} {
		w, err := get(t, p, http.MethodGet, Root+at, "Accept", accept, "If-None-Match", "*", "Range", "bytes=0-4")
		if err != nil || w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("ETag") != "" {
			t.Errorf("%s: %d with %v, %v", at, w.Code, w.Header(), err)
		}
		if want := `src="` + strings.Repeat("../", strings.Count(at, "/")-1); !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), "</html>") {
			t.Errorf("%s: there is no %s in %s", at, want, w.Body)
		}
		head, err := get(t, p, http.MethodHead, Root+at, "Accept", accept)
		if err != nil || head.Code != http.StatusNotFound || head.Body.Len() > 0 || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") {
			t.Errorf("HEAD %s: %d with %v, %v", at, head.Code, head.Header(), err)
		}
		for method, accept := range map[string]string{http.MethodPost: accept, http.MethodGet: "*/*", http.MethodHead: "application/json"} {
			if w, err := get(t, p, method, Root+at, "Accept", accept); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s %s for %s: %d, %v", method, at, accept, w.Code, err)
			}
		}
	}
}

// What is sent often is made, and compressed, once.
func TestPage_kept(t *testing.T) {
	p := NewPage(Settings{})
	for up := range mostNear {
		first, again := p.at(up), p.at(up)
		if first != again || !bytes.Equal(first.content, p.render(up).content) {
			t.Errorf("%d folders below its root, it is another one each time", up)
		}
	}
	if deep := p.at(10_000); !strings.Contains(string(deep.content), strings.Repeat("../", 10_000)+assets) {
		t.Error("it is not there deep below its root")
	}
}

// Settings arrive as they are, whatever is in them.
func TestPage_settings(t *testing.T) {
	content := regexp.MustCompile(`<meta name="settings" content="([^"]*)" />`)
	for _, s := range []Settings{
		{API: "v3", Prefix: "/_etcd/mod"},
		{API: "v2", ReadOnly: true, Prefix: `/"/><script>alert(1)</script>&amp;'="./x`},
	} {
		for _, at := range []string{"/", "/keys/a/b"} {
			w, err := get(t, NewPage(s), http.MethodGet, Root+at)
			if err != nil {
				t.Fatal(err)
			}
			found := content.FindAllStringSubmatch(w.Body.String(), -1)
			if len(found) != 1 {
				t.Fatalf("settings are %v in %s", found, w.Body)
			}
			var got Settings
			if err := json.Unmarshal([]byte(html.UnescapeString(found[0][1])), &got); err != nil || got != s {
				t.Errorf("got %+v, %v, want %+v", got, err, s)
			}
			if n := strings.Count(w.Body.String(), "<script"); n != 1 {
				t.Errorf("there are %d scripts in %s", n, w.Body)
			}
		}
	}
}

// A page is another one with other settings, or elsewhere.
func TestPage_tag(t *testing.T) {
	tag := func(s Settings, at string) string {
		w, err := get(t, NewPage(s), http.MethodGet, Root+at)
		if err != nil {
			t.Fatal(err)
		}
		return w.Header().Get("ETag")
	}
	s := Settings{API: "v3"}
	if a, b := tag(s, "/keys/a"), tag(s, "/locks/b"); a != b || a == "" {
		t.Errorf("%s and %s", a, b)
	}
	if a, b := tag(s, "/keys/a"), tag(s, "/keys/a/"); a == b {
		t.Errorf("it is %s at two depths", a)
	}
	if a, b := tag(s, "/keys/a"), tag(Settings{API: "v3", ReadOnly: true}, "/keys/a"); a == b {
		t.Errorf("it is %s with two settings", a)
	}
	w, err := get(t, NewPage(s), http.MethodGet, Root+"/keys/a", "If-None-Match", tag(s, "/locks/b"))
	if err != nil || w.Code != http.StatusNotModified {
		t.Errorf("%d, %v", w.Code, err)
	}
}

// FuzzSplit: from every address that is below the root, going up as far as is said
// leads to the root, as a browser goes.
func FuzzSplit(f *testing.F) {
	for _, at := range []string{"", "keys/a/b", "a%2Fb/c", "/", "keys//a", "%2e%2e%2f", "a?b/c", "..%2f/a", ";/="} {
		f.Add(at)
	}
	f.Fuzz(func(t *testing.T, at string) {
		u, err := url.ParseRequestURI("http://gateway" + Root + "/" + at)
		if err != nil {
			return
		}
		for _, name := range strings.Split(u.EscapedPath(), "/") {
			if name, err := url.PathUnescape(name); err != nil || name == "." || name == ".." {
				return // no browser sends that
			}
		}
		rest, up, ok := split(u)
		if !ok {
			t.Fatalf("%q is not below the root", at)
		}
		if want := strings.TrimPrefix(u.Path, Root+"/"); rest != want {
			t.Errorf("it is %q, want %q", rest, want)
		}
		got, err := u.Parse(strings.Repeat("../", up) + "./assets/x.js")
		if err != nil {
			t.Fatal(err)
		}
		if want := path.Join(Root, "assets/x.js"); got.EscapedPath() != want {
			t.Errorf("from %q, %d up, it is %s", at, up, got)
		}
	})
}

func ExampleSettings() {
	text, _ := json.Marshal(Settings{API: "v3", Prefix: "/_etcd/mod"})
	fmt.Println(string(text))
	// Output: {"api":"v3","readOnly":false,"prefix":"/_etcd/mod"}
}
