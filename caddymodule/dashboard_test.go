package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/dashboard"
	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// step sends a request, and follows no redirect.
func (g *gateway) step(method, path string) reply {
	g.t.Helper()
	req, err := http.NewRequest(method, "http://"+g.address+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return answered(g.RoundTrip(req))
}

// The dashboard is at its address, also below a prefix that is taken off on the way to
// it; /mod leads there; and all that it answers has the headers that keep it safe.
func TestDashboard(t *testing.T) {
	g := newGateway(t)
	g.load(etcdAt(etcdtest.Start(t).Endpoint), "handle_path /a/etcd/* {\n etcd\n}\nhandle {\n etcd\n}")
	for _, prefix := range []string{"", "/a/etcd"} {
		for _, c := range []struct {
			method, path string
			status       int
			says         string
		}{
			{"GET", "/mod/dashboard/", 200, "<html"},
			{"HEAD", "/mod/dashboard/", 200, ""},
			{"GET", "/mod/dashboard/keys/a//b%2Fc", 200, "<html"},
			{"GET", "/mod/dashboard/keys/..%2f", 200, "<html"},
			{"GET", "/mod/dashboard/browser/", 200, "<html"},
			{"GET", "/mod/dashboard/assets/index.js", 200, ""},
			{"GET", "/mod/dashboard/icon.svg", 200, "<svg"},
			{"GET", "/mod/dashboard/api/cluster", 200, `"api":"v3"`},
			{"GET", "/mod/dashboard/nothing", 404, `{"errorCode":100,`},
			{"GET", "/mod/dashboard/api", 404, `{"errorCode":100,`},
			{"GET", "/mod/dashboard/api/cluster/", 404, `{"errorCode":100,`},
			{"POST", "/mod/dashboard/", 405, `{"errorCode":214,`},
			{"DELETE", "/mod/dashboard/icon.svg", 405, `{"errorCode":214,`},
			{"PUT", "/mod/dashboard/api/cluster", 405, `{"errorCode":214,`},
			{"POST", "/mod/dashboard", 405, `{"errorCode":214,`},
			{"POST", "/mod", 405, `{"errorCode":214,`},
			{"DELETE", "/mod/", 405, `{"errorCode":214,`},
			{"GET", "/mod", 302, ""},
			{"HEAD", "/mod/", 302, ""},
			{"GET", "/mod/?a=b", 302, ""},
			{"GET", "/mod/dashboard", 302, ""},
			{"GET", "/mod/dashboard?a=b", 302, ""},
		} {
			path := prefix + c.path
			r := g.step(c.method, path)
			if r.err != nil || r.status != c.status || !strings.Contains(r.body, c.says) {
				t.Errorf("%s %s: %+v, want %d and %q", c.method, path, r, c.status, c.says)
				continue
			}
			if policy := r.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || r.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: the headers are %v", c.method, path, r.header)
			}
			if strings.Contains(c.says, "errorCode") && (r.header.Get("X-Etcd-Index") == "" || (r.header.Get("Allow") == "GET, HEAD") != (c.status == 405)) {
				t.Errorf("%s %s: the headers are %v", c.method, path, r.header)
			}
			if c.status == 302 {
				query := ""
				if _, after, ok := strings.Cut(path, "?"); ok {
					query = "?" + after
				}
				base, err := url.Parse("https://public/stripped" + path)
				if err != nil {
					t.Fatal(err)
				}
				to, err := base.Parse(r.header.Get("Location"))
				if err != nil || to.String() != "https://public/stripped"+prefix+"/mod/dashboard/"+query {
					t.Errorf("%s %s leads to %v, %v", c.method, path, to, err)
				}
			}
		}
	}
	// Without its dots and in one piece, it would be another path to whatever guards it.
	for _, path := range []string{
		"/mod//", "//mod/dashboard/", "/mod//dashboard/", "/x/../mod/dashboard/", "/mod/v2/lock/../../dashboard/", "/mod%2f",
		"/mod%2fdashboard", "/mod%2fdashboard/", "/mod/dashboard/../../version", "/mod/dashboard/keys/..%2f..%2f..%2fv3", "/mod/dashboard/../v2/lock/k",
	} {
		if r := g.step(http.MethodGet, path); r.err != nil || r.status != http.StatusNotFound && r.status != http.StatusBadRequest || !strings.Contains(r.body, "errorCode") {
			t.Errorf("GET %s: %+v, want 404", path, r)
		}
	}
}

// A browser finds the page's files from wherever the page is. Caddy makes one slash of
// two when it takes a prefix off, and the browser doesn't.
func TestDashboard_prefix(t *testing.T) {
	g := newGateway(t)
	g.load(etcdAt(etcdtest.Start(t).Endpoint), "handle_path /a/etcd/* {\n etcd\n}\nhandle {\n etcd\n}")
	script := regexp.MustCompile(`src="([^"]*)"`)
	for _, prefix := range []string{"", "/a/etcd"} {
		for _, at := range []string{"", "keys", "keys/", "keys/a//b", "keys//", "keys///a%2F/", "keys/%2F%2F/a", "keys/a%2f..%2fb//c", "locks//mod/dashboard/keys//a", "locks/a%20b//"} {
			base, err := url.Parse("http://gateway" + prefix + "/mod/dashboard/" + at)
			if err != nil {
				t.Fatal(err)
			}
			r := g.step(http.MethodGet, base.EscapedPath())
			found := script.FindStringSubmatch(r.body)
			if r.status != http.StatusOK || found == nil {
				t.Errorf("%s: %+v", base, r)
				continue
			}
			to, err := base.Parse(found[1])
			if err != nil || !strings.HasPrefix(to.Path, prefix+"/mod/dashboard/assets-") || !strings.HasSuffix(to.Path, "/index.js") {
				t.Errorf("%s at %s is %s (%v)", found[1], base, to, err)
				continue
			}
			if r := g.step(http.MethodGet, to.Path); r.status != http.StatusOK || !strings.Contains(r.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s is %d with %v", to, r.status, r.header)
			}
		}
	}
}

// The embedded etcd tells about itself through its socket, whose address is nobody's
// business, and goes on doing it over a reload.
func TestDashboard_embedded(t *testing.T) {
	g := newGateway(t)
	dir := t.TempDir()
	for _, site := range []string{"etcd", "etcd {\n dashboard {\n read_only\n }\n}"} {
		g.load(embeddedIn(dir), site)
		// Just after a load it may be busy, and what it does not say within a second is missing.
		patience.Until(t, 10*time.Second, func() error {
			r := g.do(http.MethodGet, "/mod/dashboard/api/cluster")
			var c dashboard.Cluster
			if err := json.Unmarshal([]byte(r.body), &c); err != nil || len(c.Members) != 1 || strings.Contains(r.body, dir) {
				t.Fatalf("got %+v, %v", r, err)
			}
			if m := c.Members[0]; m.Name != "embedded" || m.ID != c.Leader || !m.Asked || m.Status == nil || m.Metrics == nil || m.Metrics.Requests == nil {
				return fmt.Errorf("it is %s", r.body)
			}
			return nil
		})
		page := g.do(http.MethodGet, "/mod/dashboard/keys")
		want := "&#34;readOnly&#34;:false"
		if strings.Contains(site, "read_only") {
			want = "&#34;readOnly&#34;:true"
		}
		if !strings.Contains(page.body, want) || !strings.Contains(page.body, "&#34;prefix&#34;:&#34;/_etcd/mod&#34;") {
			t.Errorf("the page is told %s", page.body)
		}
	}
}

// A guard in front of the handler guards all of it.
func TestDashboard_guarded(t *testing.T) {
	g := newGateway(t)
	g.load(etcdAt(etcdtest.Start(t).Endpoint), "route {\n @dashboard path /mod /mod/ /mod/dashboard /mod/dashboard/*\n respond @dashboard 401\n etcd\n}")
	for _, path := range []string{
		"/mod", "/mod/", "/mod/dashboard", "/mod/dashboard/", "/mod/dashboard/keys", "/mod/dashboard/api/cluster", "/mod/dashboard/assets/index.js", "/MOD/Dashboard/",
		"//mod/dashboard/", "/mod//dashboard/api/cluster", "/mod/./dashboard/api/cluster", "/mod/dashboard/../../version", "/mod/dashboard/..%2f..%2fversion",
		"/mod/dashboard/../dashboard/", "/mod%2fdashboard/", "/%6dod/dashboard/api/cluster", "/x/../mod/dashboard/api/cluster", "/mod/v2/lock/../../dashboard/keys",
		"/mod/dashboard/keys/..%2f..%2f..%2f..%2fversion", "/mod%2f", "/mod/dashboard%2f",
	} {
		if r := g.step(http.MethodGet, path); r.err != nil || r.status < 400 && !strings.Contains(r.body, "etcdserver") || strings.Contains(r.body, "<html") || strings.Contains(r.body, "members") {
			t.Errorf("GET %s: %+v", path, r)
		}
	}
}
