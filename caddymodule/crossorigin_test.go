package caddymodule_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// from is what a browser says of a page that asks.
func from(origin string) http.Header { return http.Header{"Origin": {origin}} }

// fetched is the same from a browser that says more.
func fetched(site, origin string) http.Header {
	h := http.Header{"Sec-Fetch-Site": {site}}
	if origin != "" {
		h.Set("Origin", origin)
	}
	return h
}

func (g *gateway) ask(method, path string, header http.Header) reply {
	g.t.Helper()
	body := `{"key":"Zm9v","value":"YmFy"}`
	if method == http.MethodGet {
		body = ""
	}
	req, err := http.NewRequest(method, "http://"+g.address+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	return answered(g.client.Do(req))
}

// What a page of another site sends that may write is refused, below /mod and on
// the way to etcd. Nobody else notices anything.
func TestCrossOrigin(t *testing.T) {
	g := newGateway(t)
	g.load(etcdAt(etcdtest.Start(t).Endpoint), "etcd")
	const evil = "https://evil.example.com"
	own := "http://" + g.address
	socket := func(h http.Header) http.Header {
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
		h.Set("Sec-WebSocket-Version", "13")
		h.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		return h
	}
	// As a form or text, for which a browser asks nobody before it sends it.
	simple := func(h http.Header) http.Header {
		h.Set("Content-Type", "text/plain")
		return h
	}
	for _, c := range []struct {
		name, method, path string
		header             http.Header
		status             int
	}{
		{"lock", "POST", "/mod/v2/lock/a?ttl=60", from(evil), 403},
		{"lock, simple", "POST", "/mod/v2/lock/a?ttl=60", simple(fetched("cross-site", evil)), 403},
		{"lock, no origin told", "POST", "/mod/v2/lock/a?ttl=60", fetched("cross-site", ""), 403},
		{"lock, from a sandbox", "POST", "/mod/v2/lock/a?ttl=60", from("null"), 403},
		{"lock, another port", "POST", "/mod/v2/lock/a?ttl=60", from("http://127.0.0.1:1"), 403},
		{"lock, another host of the site", "POST", "/mod/v2/lock/a?ttl=60", fetched("same-site", "http://www."+g.address), 403},
		{"renew", "PUT", "/mod/v2/lock/a?ttl=60&index=2", from(evil), 403},
		{"release", "DELETE", "/mod/v2/lock/a?index=2", from(evil), 403},
		{"elect", "PUT", "/mod/v2/leader/a?ttl=60&name=n", from(evil), 403},
		{"resign", "DELETE", "/mod/v2/leader/a?name=n", from(evil), 403},
		{"etcd, v3", "POST", "/v3/kv/put", simple(from(evil)), 403},
		{"etcd, v3, the old way", "POST", "/v3/kv/put", simple(fetched("cross-site", evil)), 403},
		{"etcd, v2", "PUT", "/v2/keys/a?value=b", from(evil), 403},
		{"etcd, v2, delete", "DELETE", "/v2/keys/a", from(evil), 403},
		{"etcd, WebSocket", "GET", "/v3/kv/put", socket(from(evil)), 403},
		{"etcd, WebSocket, cross-site", "GET", "/v3/watch", socket(fetched("cross-site", evil)), 403},

		{"lock, curl", "POST", "/mod/v2/lock/b?ttl=60", http.Header{}, 200},
		{"lock, own page", "POST", "/mod/v2/lock/c?ttl=60", from(own), 200},
		{"lock, own page, says so", "POST", "/mod/v2/lock/d?ttl=60", fetched("same-origin", own), 200},
		{"lock, typed in", "POST", "/mod/v2/lock/e?ttl=60", fetched("none", ""), 200},
		{"look", "GET", "/mod/v2/lock/b", from(evil), 200},
		{"etcd, curl", "POST", "/v3/kv/put", simple(http.Header{}), 200},
		{"etcd, own page", "POST", "/v3/kv/put", from(own), 200},
		{"etcd, read", "GET", "/version", fetched("cross-site", evil), 200},
		{"etcd, WebSocket, no browser", "GET", "/v3/watch", socket(http.Header{}), 101},
		{"etcd, WebSocket, own page", "GET", "/v3/watch", socket(from(own)), 101},
	} {
		r := g.ask(c.method, c.path, c.header)
		if r.err != nil || r.status != c.status {
			t.Errorf("%s: got %+v, want %d", c.name, r, c.status)
		}
		if refused := strings.Contains(r.body, `{"errorCode":217,`) && r.header.Get("X-Etcd-Index") != ""; refused != (c.status == 403) {
			t.Errorf("%s: the answer is %q", c.name, r.body)
		}
		if allowed := r.header.Get("Access-Control-Allow-Origin"); allowed != "" {
			t.Errorf("%s: %q is allowed", c.name, allowed)
		}
	}
}

// What the site's own CORS headers allow is let through, with those headers and
// none of etcd's.
func TestCrossOrigin_CORS(t *testing.T) {
	etcd := etcdtest.Start(t).Endpoint
	g := newGateway(t)
	const friend, evil = "https://friend.example.com", "https://evil.example.com"
	for _, c := range []struct {
		site, origin string
		allowed      []string
		status       int
	}{
		{"header Access-Control-Allow-Origin *", evil, []string{"*"}, 200},
		{"header Access-Control-Allow-Origin *", "null", []string{"*"}, 200},
		{"header Access-Control-Allow-Origin " + friend, friend, []string{friend}, 200},
		{"header Access-Control-Allow-Origin " + friend, evil, []string{friend}, 403},
		{"header Access-Control-Allow-Origin " + friend, "", []string{friend}, 403},
	} {
		g.load(etcdAt(etcd), c.site+"\netcd")
		for _, path := range []string{"/mod/v2/lock/k?ttl=60&value=v", "/v3/kv/put"} {
			header := fetched("cross-site", c.origin)
			if strings.HasSuffix(c.site, "*") { // which is for nobody who has a password
				for _, brought := range []string{"Authorization: Basic dTpw", "Authorization: Negotiate YQ==", "Cookie: a=b"} {
					name, value, _ := strings.Cut(brought, ": ")
					header.Set(name, value)
					if r := g.ask(http.MethodPost, path, header); r.status != http.StatusForbidden {
						t.Errorf("%s, with %s, to %s: %+v, want 403", c.site, brought, path, r)
					}
					header.Del(name)
				}
				// A page's own token, of which this etcd knows nothing.
				for _, token := range []string{"abc.1", "Bearer abc"} {
					header.Set("Authorization", token)
					if r := g.ask(http.MethodPost, path, header); r.status == http.StatusForbidden {
						t.Errorf("%s, with the token %s, to %s: %+v", c.site, token, path, r)
					}
				}
				header.Del("Authorization")
			}
			r := g.ask(http.MethodPost, path, header)
			if r.err != nil || r.status != c.status {
				t.Errorf("%s, from %q to %s: got %+v, want %d", c.site, c.origin, path, r, c.status)
			}
			if got := r.header.Values("Access-Control-Allow-Origin"); strings.Join(got, ",") != strings.Join(c.allowed, ",") {
				t.Errorf("%s, from %q to %s: %q is allowed, want %q", c.site, c.origin, path, got, c.allowed)
			}
			for name := range r.header {
				if strings.HasPrefix(name, "Access-Control-") && name != "Access-Control-Allow-Origin" {
					t.Errorf("%s: the answer has %s", path, name)
				}
			}
		}
	}
}
