package caddymodule_test

import (
	"context"
	"encoding/binary"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// readOnlySites are sites whose dashboard is read-only: the whole thing, and the least.
var readOnlySites = map[string]func(etcd string) string{
	"etcd": func(string) string { return "etcd {\n dashboard {\n read_only\n }\n}" },
	"handlers": func(etcd string) string {
		return "route {\n etcd_dashboard {\n read_only\n }\n etcd_lock\n etcd_leader\n" +
			"reverse_proxy " + strings.TrimPrefix(etcd, "http://") + " {\n transport etcd\n }\n}"
	},
}

// attempt is a request that writes, or tries to.
type attempt struct {
	name, method, path, body string
	header                   http.Header
	works                    bool // for whoever may write
}

// socket makes it one that opens a WebSocket.
func (a attempt) socket() attempt {
	a.name, a.method, a.body = a.name+", WebSocket", http.MethodGet, ""
	a.header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	return a
}

// sentBy has it sent with more headers, as a browser adds them.
func (a attempt) sentBy(t *testing.T, rt http.RoundTripper, address string, header http.Header) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), a.method, "http://"+address+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if a.body == "" {
		req.Body = http.NoBody
	}
	maps.Copy(req.Header, a.header)
	maps.Copy(req.Header, header)
	return answered(rt.RoundTrip(req))
}

const (
	putBody   = `{"key":"Zm9v","value":"YmFy"}`
	grantBody = `{"TTL":60,"ID":7}`
	txnBody   = `{"success":[{"requestPut":{"key":"Zm9v","value":"YmFy"}}]}`
)

// attempts are what a page's console may send over HTTP/1.1.
func attempts() []attempt {
	as := func(kind string) http.Header { return http.Header{"Content-Type": {kind}} }
	put := attempt{"put", "POST", "/v3/kv/put", putBody, nil, true}
	all := []attempt{
		put, put.socket(),
		{"put as text", "POST", "/v3/kv/put", putBody, as("text/plain"), true},
		{"put from a form", "POST", "/v3/kv/put", putBody + "=", as("application/x-www-form-urlencoded"), false},
		{"put as GET", "POST", "/v3/kv/put", putBody, http.Header{"X-Http-Method-Override": {"GET"}}, true},
		{"put as an unknown method", "pOST", "/v3/kv/put", putBody, nil, false},
		{"put with another query", "POST", "/v3/kv/put?/v3/kv/range", putBody, nil, true},
		{"put, alpha", "POST", "/v3alpha/kv/put", putBody, nil, false},
		{"put, beta", "POST", "/v3beta/kv/put", putBody, nil, false},
		{"delete", "POST", "/v3/kv/deleterange", `{"key":"Zm9v"}`, nil, true},
		{"txn", "POST", "/v3/kv/txn", txnBody, nil, true},
		{"compaction", "POST", "/v3/kv/compaction", `{"revision":1}`, nil, true},
		{"lease", "POST", "/v3/lease/grant", grantBody, nil, true},
		{"keepalive", "POST", "/v3/lease/keepalive", `{"ID":7}`, nil, true},
		{"revoke", "POST", "/v3/lease/revoke", `{"ID":7}`, nil, true},
		{"revoke, the old way", "POST", "/v3/kv/lease/revoke", `{"ID":7}`, nil, false},
		{"alarm", "POST", "/v3/maintenance/alarm", `{"action":"ACTIVATE","alarm":"NOSPACE"}`, nil, false},
		{"defragment", "POST", "/v3/maintenance/defragment", `{}`, nil, true},
		{"new member", "POST", "/v3/cluster/member/add", `{"peerURLs":["http://127.0.0.1:1"]}`, nil, false},
		{"user", "POST", "/v3/auth/user/add", `{"name":"u","password":"p"}`, nil, false},
		{"authentication", "POST", "/v3/auth/enable", `{}`, nil, false},
		{"etcd's lock", "POST", "/v3/lock/lock", `{"name":"Zm9v"}`, nil, true},
		{"etcd's election", "POST", "/v3/election/campaign", `{"name":"Zm9v"}`, nil, false},
		{"what may come", "POST", "/v9/new", `{}`, nil, false},
		{"v2", "PUT", "/v2/keys/foo?value=bar", "", nil, false},
		{"v2, delete", "DELETE", "/v2/keys/foo", "", nil, false},
		{"v2, append", "POST", "/v2/keys/foo?value=bar", "", nil, false},
		{"lock", "POST", "/mod/v2/lock/foo?ttl=60&value=v", "", nil, true},
		{"lock, renewal", "PUT", "/mod/v2/lock/foo?ttl=60&value=v", "", nil, true},
		{"lock, release", "DELETE", "/mod/v2/lock/foo?value=v", "", nil, true},
		{"election", "PUT", "/mod/v2/leader/foo?ttl=60&name=n", "", nil, true},
		{"election, end", "DELETE", "/mod/v2/leader/foo?name=n", "", nil, true},
	}
	// What is not quite a read, and what etcd might take for a write.
	for _, path := range []string{
		"//v3/kv/put", "/v3//kv/put", "/v3/./kv/put", "/v3/kv/range/../put", "/v3/kv/range/%2e%2e/put", "/v3/kv/range%2f..%2fput",
		"/v3/kv/range/../../kv/put", "/v3/kv/%70ut", "/V3/kv/put", "/v3/kv/Put", "/v3/kv/put/", "/v3/kv/put;/v3/kv/range", "/v3/kv/put%00/v3/kv/range",
		"/v3%2fkv%2fput", "/x/../v3/kv/put", "/v3/kv/range%2f", "/v3/kv/rang%65", "/v3/kv%2frange", "/v3/kv/range/", "/v3/kv/range:put", "//v3/kv/range",
		"/v3/watch/../kv/put", "/v3/watch%20", "/mod/../v3/kv/put", "/mod/dashboard/../../v3/kv/put", "/mod/v2/lock/../lock/foo?ttl=60", "//mod/v2/lock/foo?ttl=60",
	} {
		odd := attempt{path, "POST", path, putBody, nil, false}
		all = append(all, odd, odd.socket())
	}
	return all
}

// grpcPut writes as etcd's clients do, over HTTP/2.
func grpcPut(t *testing.T) attempt {
	t.Helper()
	message, err := proto.Marshal(&pb.PutRequest{Key: []byte("foo"), Value: []byte("bar")})
	if err != nil {
		t.Fatal(err)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return attempt{"gRPC", "POST", "/etcdserverpb.KV/Put", string(append(frame, message...)), http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}, true}
}

// Whatever a page of the dashboard sends, however it says whose it is, nothing is
// written where the dashboard is read-only; and what it reads, it gets. Others notice
// nothing of it.
func TestReadOnly(t *testing.T) {
	for name, site := range readOnlySites {
		t.Run(name, func(t *testing.T) {
			etcd := etcdtest.Start(t)
			g := newGateway(t)
			g.load(etcdAt(etcd.Endpoint), site(etcd.Endpoint))
			own := "http://" + g.address
			pages := map[string]http.Header{
				"a page":                          fetched("same-origin", own),
				"a page, over plain HTTP":         from(own),
				"a page that hides its address":   fetched("same-origin", "null"),
				"the same, over plain HTTP":       from("null"),
				"a page that tells no origin":     fetched("same-origin", ""),
				"a sandbox in a page":             fetched("cross-site", "null"),
				"another site, no origin told":    fetched("cross-site", ""),
				"the address bar":                 fetched("none", ""),
				"another origin":                  fetched("same-site", "http://www."+g.address),
				"another origin, over plain HTTP": from("http://127.0.0.1:1"),
				"another origin, it seems":        fetched("same-planet", own),
			}
			grpc, http2 := grpcPut(t), h2c(t)
			for page, header := range pages {
				refused := func(what string, r reply) {
					t.Helper()
					code := `{"errorCode":218,`
					if strings.HasPrefix(page, "another origin") {
						code = `{"errorCode":217,`
					}
					if r.err != nil || r.status != http.StatusForbidden || !strings.HasPrefix(r.body, code) || r.header.Get("X-Etcd-Index") == "" {
						t.Errorf("%s, from %s: %+v, want a 403 with %s", what, page, r, code)
					}
				}
				for _, a := range attempts() {
					refused(a.name, a.sentBy(t, g, g.address, header))
					if a.header.Get("Upgrade") == "" {
						refused(a.name+", over HTTP/2", a.sentBy(t, http2, g.address, header))
					}
				}
				refused(grpc.name, grpc.sentBy(t, http2, g.address, header))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			client := etcd.Client(t)
			kept, err := client.Get(ctx, "", clientv3.WithPrefix())
			if err != nil || kept.Count > 0 || kept.Header.Revision != 1 {
				t.Errorf("etcd has %v at %v (%v)", kept.Kvs, kept.Header, err)
			}
			if leases, err := client.Leases(ctx); err != nil || len(leases.Leases) > 0 {
				t.Errorf("etcd has the leases %v (%v)", leases.Leases, err)
			}

			reads := []attempt{
				{"range", "POST", "/v3/kv/range", `{"key":"Zm9v"}`, nil, true},
				{"status", "POST", "/v3/maintenance/status", `{}`, nil, true},
				{"members", "POST", "/v3/cluster/member/list", `{}`, nil, true},
				{"leases", "POST", "/v3/lease/leases", `{}`, nil, true},
				{"lease", "POST", "/v3/lease/timetolive", `{"ID":7}`, nil, true},
				{"leases, the old way", "POST", "/v3/kv/lease/leases", `{}`, nil, true},
				{"lease, the old way", "POST", "/v3/kv/lease/timetolive", `{"ID":7}`, nil, true},
				{"version", "GET", "/version", "", nil, true},
				{"metrics", "GET", "/metrics", "", nil, true},
				{"lock", "GET", "/mod/v2/lock/foo", "", nil, true},
				{"locks", "GET", "/mod/v2/lock/", "", nil, true},
				{"page", "GET", "/mod/dashboard/keys/foo", "", nil, true},
				{"cluster", "GET", "/mod/dashboard/api/cluster", "", nil, true},
			}
			for _, a := range reads {
				if r := a.sentBy(t, g, g.address, pages["a page"]); r.err != nil || r.status != http.StatusOK {
					t.Errorf("%s: %+v, want 200", a.name, r)
				}
			}
			watch := attempt{name: "watch", path: "/v3/watch"}.socket()
			if r := watch.sentBy(t, g, g.address, pages["a page"]); r.status != http.StatusSwitchingProtocols {
				t.Errorf("%s: %+v, want 101", watch.name, r)
			}

			// It is not that nothing of this would have worked.
			for _, a := range attempts() {
				if a.works {
					if r := a.sentBy(t, g, g.address, nil); r.err != nil || r.status >= 300 {
						t.Errorf("%s, from no browser: %+v", a.name, r)
					}
				}
			}
			if r := grpc.sentBy(t, http2, g.address, nil); r.err != nil || r.header.Get("Grpc-Status") > "0" {
				t.Errorf("gRPC, from no browser: %+v", r)
			}
			if kept, err = client.Get(ctx, "foo"); err != nil || kept.Count != 1 {
				t.Errorf("etcd has %v (%v)", kept, err)
			}
		})
	}
}

// The same over the v2 API.
func TestReadOnly_v2(t *testing.T) {
	eachV2(t, func(t *testing.T, version etcdtest.Version) {
		etcd := etcdtest.StartV2(t, version)
		g := newGateway(t)
		g.load(etcdAt(etcd.Endpoint, "api v2"), readOnlySites["etcd"](""))
		page := fetched("same-origin", "http://"+g.address)
		writes := []attempt{
			{"set", "PUT", "/v2/keys/foo?value=bar", "", nil, true},
			{"form", "PUT", "/v2/keys/foo", "value=bar", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, true},
			{"append", "POST", "/v2/keys/dir?value=bar", "", nil, true},
			{"delete", "DELETE", "/v2/keys/foo", "", nil, true},
			{"lock", "POST", "/mod/v2/lock/foo?ttl=60", "", nil, true},
			{"election", "PUT", "/mod/v2/leader/foo?ttl=60&name=n", "", nil, true},
			{"member", "POST", "/v2/members", `{"peerURLs":["http://127.0.0.1:1"]}`, http.Header{"Content-Type": {"application/json"}}, false},
			{"v3", "POST", "/v3/kv/put", putBody, nil, true},
		}
		for _, a := range writes {
			if r := a.sentBy(t, g, g.address, page); r.status != http.StatusForbidden || !strings.Contains(r.body, `"errorCode":218,`) {
				t.Errorf("%s: %+v", a.name, r)
			}
		}
		read := attempt{method: "GET", path: "/v2/keys/?recursive=true"}
		if r := read.sentBy(t, g, g.address, page); r.status != http.StatusOK || strings.Contains(r.body, `"nodes"`) {
			t.Errorf("etcd has %+v", r)
		}
		for _, a := range writes {
			if a.works {
				if r := a.sentBy(t, g, g.address, nil); r.err != nil || r.status >= 300 {
					t.Errorf("%s, from no browser: %+v", a.name, r)
				}
			}
		}
	})
}

// A page of another origin that the site's CORS headers allow is none of the
// dashboard's. A page that may be the dashboard's own has no rights by them.
func TestReadOnly_CORS(t *testing.T) {
	etcd := etcdtest.Start(t).Endpoint
	g := newGateway(t)
	const friend, evil = "https://friend.example.com", "https://evil.example.com"
	own := "http://" + g.address
	for _, c := range []struct {
		allowed, site, origin string
		status                int
	}{
		{friend, "cross-site", friend, 200},
		{friend, "cross-site", evil, 403},
		{"*", "cross-site", evil, 200},
		{"*", "cross-site", "null", 403},
		{"*", "same-origin", own, 403},
		{own, "same-origin", own, 403},
		{"null", "cross-site", "null", 403},
	} {
		g.load(etcdAt(etcd), "header Access-Control-Allow-Origin "+c.allowed+"\n"+readOnlySites["etcd"](""))
		for _, path := range []string{"/mod/v2/lock/k?ttl=60&value=v", "/v3/kv/put"} {
			if r := g.ask(http.MethodPost, path, fetched(c.site, c.origin)); r.err != nil || r.status != c.status {
				t.Errorf("with %s allowed, from %s of %s to %s: %+v, want %d", c.allowed, c.origin, c.site, path, r, c.status)
			}
		}
	}
}
