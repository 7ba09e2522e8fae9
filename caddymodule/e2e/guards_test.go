package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// The networks of the guarded site's clients.
const inside, outside = "127.0.0.1", "127.0.0.2"

// What clients of the guarded site can bring: for locks, and for elections.
var (
	password = http.Header{"Authorization": {"Basic c2NyaXB0czpoaWNjdXA="}} // scripts:hiccup
	badge    = http.Header{"X-Badge": {"candidate"}}
)

// guards writes the Caddyfile of the README's site in which each handler has a guard
// of its own. It runs nothing but what forward_auth asks.
func guards(t *testing.T, endpoint string, replacements ...string) *gateway {
	t.Helper()
	check := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/check" || r.Header.Get("X-Badge") != "candidate" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(check.Close)
	g := newGateway(t)
	_, port, err := net.SplitHostPort(g.site)
	if err != nil {
		t.Fatal(err)
	}
	config := g.adopt(block(t, "forward_auth @leader"))
	pairs := append([]string{
		"http://10.0.0.1:2379 http://10.0.0.2:2379 http://10.0.0.3:2379", endpoint,
		"http://10.0.0.9:4001", "http://127.0.0.1:" + port, "bind 10.0.0.9", "bind 127.0.0.1",
		"127.0.0.1:9091", check.Listener.Addr().String(), "10.0.0.0/8", inside,
	}, replacements...)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(config, pairs[i]) {
			t.Fatalf("the Caddyfile has no %q:\n%s", pairs[i], config)
		}
		config = strings.ReplaceAll(config, pairs[i], pairs[i+1])
	}
	if err := os.WriteFile(g.path("Caddyfile"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// dialFrom connects from a loopback address. Where there is only one of them, the
// test is skipped.
func dialFrom(t testing.TB, address string) func(ctx context.Context, network, to string) (net.Conn, error) {
	t.Helper()
	local := &net.TCPAddr{IP: net.ParseIP(address)}
	l, err := net.ListenTCP("tcp", local)
	if err != nil {
		t.Skipf("this machine has no address %s: %v", address, err)
	}
	_ = l.Close()
	return (&net.Dialer{LocalAddr: local}).DialContext
}

// from sends a request from an address, with whatever it brings.
func (g *gateway) from(t testing.TB, address, method, path string, brings http.Header) reply {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialFrom(t, address)}}
	req, err := http.NewRequestWithContext(t.Context(), method, g.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range brings {
		req.Header[name] = values
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	return read(resp)
}

// guardedSite runs the site without its rate limit, which takes a plugin.
func guardedSite(t *testing.T, endpoint string, replacements ...string) *gateway {
	t.Helper()
	text := block(t, "forward_auth @leader")
	begin, end := strings.Index(text, "\t\trate_limit"), strings.Index(text, "\t\tbasic_auth")
	if begin < 0 || end < begin {
		t.Fatalf("no rate_limit before the basic_auth:\n%s", text)
	}
	g := guards(t, endpoint, append([]string{text[begin:end], ""}, replacements...)...)
	ready := etcdtest.FreeAddress(t)
	config, err := os.ReadFile(g.path("Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.path("Caddyfile"), fmt.Appendf(config, plain, ready), 0o600); err != nil {
		t.Fatal(err)
	}
	site := g.url
	g.url = "http://" + ready
	g.run()
	g.url = site
	return g
}

// Each handler has its own guard, and no way of writing a path gets around it.
func TestGuards(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	g := guardedSite(t, etcd.Endpoint)
	for _, c := range []struct {
		from, method, path string
		brings             http.Header
		status             int
	}{
		{inside, "GET", "/mod/v2/lock/k", nil, 401},
		{inside, "GET", "/mod/v2/lock/k", badge, 401},
		{inside, "GET", "/mod/v2/lock/k", password, 200},
		{outside, "GET", "/mod/v2/lock/k", password, 200},
		{inside, "GET", "/mod/v2/lock", nil, 401},
		{inside, "GET", "/mod/v2/lock/", nil, 401},
		{inside, "GET", "/mod/v2/lock/", password, 200},
		{inside, "GET", "/mod/v2/leader/k", nil, 401},
		{inside, "GET", "/mod/v2/leader/k", password, 401},
		{inside, "GET", "/mod/v2/leader/k", badge, 200},
		{outside, "GET", "/mod/v2/leader/k", badge, 200},
		{inside, "GET", "/mod/v2/leader", nil, 401},
		{inside, "GET", "/mod/v2/leader/", badge, 200},
		{inside, "GET", "/mod", nil, 200},
		{inside, "GET", "/mod/dashboard", nil, 200},
		{inside, "GET", "/mod/dashboard/keys/k", nil, 200},
		{inside, "GET", "/mod/dashboard/api/cluster", nil, 200},
		{outside, "GET", "/mod", password, 403},
		{outside, "GET", "/mod/", badge, 403},
		{outside, "GET", "/mod/dashboard", nil, 403},
		{outside, "GET", "/mod/dashboard/", password, 403},
		{outside, "GET", "/mod/dashboard/api/cluster", badge, 403},
		{outside, "GET", "/mod/openapi.json", nil, 200},
		{inside, "GET", "/mod/v2/other", nil, 404},
		{inside, "GET", "/version", nil, 200},
		{inside, "GET", "/version", password, 200},
		{outside, "GET", "/version", nil, 403},
		{outside, "GET", "/version", password, 403},
		{outside, "POST", "/v3/kv/put", badge, 403},
	} {
		if r := g.from(t, c.from, c.method, c.path, c.brings); r.status != c.status {
			t.Errorf("%s %s from %s with %v: %v, want %d", c.method, c.path, c.from, c.brings, r, c.status)
		}
	}

	// Who has nothing, or what another handler asks for, gets nothing.
	locks := []string{
		"/mod/v2/lock/k", "/MOD/v2/lock/k", "/mod/V2/Lock/k", "//mod/v2/lock/k", "/mod//v2///lock/k", "/./mod/v2/./lock/k",
		"/mod/v2/lock%2fk", "/mod%2fv2%2flock%2fk", "/%6d%6f%64/v2/lock/k", "/x/../mod/v2/lock/k", "/x%2f..%2fmod/v2/lock/k",
		"/mod/v2/lock/k/.", "/mod/v2/lock/a/../k", "/mod/v2/leader/../lock/k", "/mod/v2/leader/%2e%2e/lock/k", "/mod/v2/leader%2f../lock/k",
		"/mod/openapi.json/../v2/lock/k", "/v3/../mod/v2/lock/k", "/mod/v2/lock/k;x", "/mod/v2/lock/../lock/k", "/mod/v2/lock\\k",
		"/mod/v2/lock./k", "/mod/v2/lock%20/k", "/mod%252fv2/lock/k", "/mod/v2/lock/k%00",
	}
	for _, path := range locks {
		for _, module := range []struct {
			name, query string
			wrong       []http.Header
		}{
			{"lock", "?ttl=60&value=v", []http.Header{nil, badge}},
			{"leader", "?ttl=60&name=v", []http.Header{nil, password}},
		} {
			if module.name == "leader" {
				path = strings.NewReplacer("leader", "lock", "lock", "leader", "Lock", "Leader").Replace(path)
			}
			for _, brings := range module.wrong {
				for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
					if r := g.from(t, outside, method, path+module.query, brings); r.err == nil && r.status < 400 {
						t.Errorf("%s %s with %v: %v", method, path, brings, r)
					}
				}
			}
		}
	}
	for _, path := range []string{
		"/v3/kv/put", "/V3/kv/put", "//v3/kv/put", "/mod/../v3/kv/put", "/mod/v2/lock/../../../v3/kv/put", "/mod%2f../v3/kv/put", "/mod/%2e%2e/v3/kv/put",
		"/mod/openapi.json/../../v3/kv/put", "/%76%33/kv/put", "/MOD/../v3/kv/put",
	} {
		for _, brings := range []http.Header{nil, password, badge} {
			if r := g.from(t, outside, "POST", path, brings); r.status < 400 {
				t.Errorf("POST %s with %v: %v", path, brings, r)
			}
		}
	}
	for _, path := range []string{
		"/MOD/Dashboard/", "//mod/dashboard/", "/mod//dashboard/api/cluster", "/mod/./dashboard/keys", "/mod/dashboard/../dashboard/", "/mod%2fdashboard/",
		"/%6dod/dashboard/api/cluster", "/x/../mod/dashboard/api/cluster", "/mod/v2/lock/../../dashboard/keys", "/mod/dashboard/keys/..%2f..%2f..%2f..%2fx",
		"/mod/dashboard%2fapi%2fcluster", "/mod/openapi.json/../dashboard/", "/mod%2f", "/mod/.", "/mod/dashboard/.",
	} {
		for _, brings := range []http.Header{nil, password, badge} {
			if r := g.from(t, outside, "GET", path, brings); r.err == nil && r.status < 400 {
				t.Errorf("GET %s with %v: %v", path, brings, r)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	kept, err := etcd.Client(t).Get(ctx, "", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil || kept.Count > 0 {
		t.Errorf("etcd has %v (%v)", kept.Kvs, err)
	}

	for address, code := range map[string]codes.Code{inside: codes.OK, outside: codes.PermissionDenied} {
		dial := dialFrom(t, address)
		c, err := clientv3.New(clientv3.Config{
			Endpoints: []string{g.url}, Logger: zap.NewNop(),
			DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) {
				return dial(ctx, "tcp", to)
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Put(ctx, "a", "b"); grpcstatus.Code(err) != code {
			t.Errorf("writing with gRPC from %s: %v, want %v", address, err, code)
		}
		_ = c.Close()
	}
}
