package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// What clients bring to show who they are goes to etcd as it is, and what etcd says
// to it comes back: through the gateway, nothing is other than directly.
func TestUsers_clients(t *testing.T) {
	t.Parallel()
	e := guard37(t)
	g := start(t, onEtcd(e.Endpoint)+asGateway)
	e.sameThrough(g.url, "app:apps", 0, "put", "a", "b")
	e.sameThrough(g.url, "app:apps", 0, "get", "a")
	e.sameThrough(g.url, "root:roots", 0, "user", "list")
	e.sameThrough(g.url, "root:roots", 0, "role", "get", "app")

	token := e.token("app", "apps")
	for token, status := range map[string]int{token: 200, "": 400, "wrong": 401, "Basic c2NyaXB0czpoaWNjdXA=": 401} {
		const get = `{"key":"YQ=="}`
		direct, through := e.json(e.Endpoint, "/v3/kv/range", token, get), e.json(g.url, "/v3/kv/range", token, get)
		if through.status != status || through.String() != direct.String() {
			t.Errorf("with the token %q: %v, directly %v, want %d", token, through, direct, status)
		}
	}
}

// json asks etcd's JSON API.
func (e *guarded) json(endpoint, path, token, body string) reply {
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, endpoint+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	return send(req)
}

// token logs in.
func (e *guarded) token(name, password string) string {
	e.t.Helper()
	r := e.json(e.Endpoint, "/v3/auth/authenticate", "", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password))
	var login struct{ Token string }
	if err := json.Unmarshal([]byte(r.body), &login); err != nil || login.Token == "" {
		e.t.Fatalf("logging in: %v", r)
	}
	return login.Token
}

// sameThrough runs etcdctl directly and through a gateway.
func (e *guarded) sameThrough(gateway, user string, want int, args ...string) {
	e.t.Helper()
	direct, directCode := e.etcdctl(e.Endpoint, user, args...)
	through, code := e.etcdctl(gateway, user, args...)
	if code != want || code != directCode || through != direct {
		e.t.Errorf("etcdctl %q as %q: exit code %d, directly %d, want %d\n%s\ndirectly\n%s", args, user, code, directCode, want, through, direct)
	}
}

// The README's role for everything but the gateway's keys lets nobody near them.
func TestUsers_app(t *testing.T) {
	t.Parallel()
	e := guard37(t)
	g := start(t, onEtcd(e.Endpoint)+asGateway)
	index := g.lock("k")
	lock, code := e.etcdctl(e.Endpoint, "gateway:gateways", "get", "--prefix", "--keys-only", "/_etcd/mod/lock/k/")
	if lock = strings.TrimSpace(lock); code != 0 || lock == "" {
		t.Fatalf("the lock's key: exit code %d, %q", code, lock)
	}
	lease, code := e.etcdctl(e.Endpoint, "gateway:gateways", "get", "--prefix", "--keys-only", "/_etcd/mod/lease/")
	lease = strings.TrimPrefix(strings.TrimSpace(lease), "/_etcd/mod/lease/")
	if code != 0 || len(lease) != 16 {
		t.Fatalf("the lock's lease: exit code %d, %q", code, lease)
	}

	for _, key := range []string{"a", "/", "/_etcd", "/_etcd/mod", "/_etcd/mod0", "/_etcd/mode", "~"} {
		for _, args := range [][]string{{"put", key, "v"}, {"get", key}, {"del", key}} {
			if out, code := e.etcdctl(g.url, "app:apps", args...); code != 0 {
				t.Errorf("etcdctl %q: exit code %d, %s", args, code, out)
			}
		}
	}
	for _, args := range [][]string{
		{"get", lock}, {"put", lock, "v"}, {"del", lock}, {"put", "/_etcd/mod/", "v"}, {"put", "/_etcd/mod/lock/l/x", "v"},
		{"get", "--prefix", ""}, {"get", "--prefix", "/_etcd"}, {"get", "--from-key", "/"}, {"get", "/", "/_etcd/mod/lock/"},
		{"del", "--prefix", ""}, {"del", "--from-key", "/_etcd/mod/"}, {"watch", "--prefix", ""}, {"watch", lock},
		{"lease", "list"}, {"lease", "keep-alive", "--once", lease}, {"lease", "revoke", lease}, {"put", "--lease", lease, "a", "v"},
		{"role", "grant-permission", "app", "readwrite", "--prefix", "/"}, {"auth", "disable"}, {"compact", "1"},
	} {
		if out, code := e.etcdctl(e.Endpoint, "app:apps", args...); code == 0 || !strings.Contains(out, "permission denied") {
			t.Errorf("etcdctl %q: exit code %d, %s", args, code, out)
		}
	}
	g.unlock("k", index)
}

// With a certificate for a user, the gateway needs no password; but then whoever
// brings nothing through it is that user.
func TestUsers_certificate(t *testing.T) {
	t.Parallel()
	c := etcdtest.NewCertificates(t) // for a user "test"
	p := etcdtest.StartProcess(t, etcdtest.V37, etcdtest.WithTLS(c), etcdtest.WithFlags("--bcrypt-cost=4"))
	option := onEtcd(p.Endpoint) + "\n\t\t" + tlsOption(c.CA, c)
	// The scripts run through a gateway, so that they need no certificate.
	p.Endpoint = start(t, option).url
	e := guard(t, p, etcdtest.V37, "gateway-user.sh")
	for _, args := range [][]string{{"user", "add", "test", "--no-password"}, {"user", "grant-role", "test", "gateway"}} {
		if out, code := e.etcdctl(p.Endpoint, "", args...); code != 0 {
			t.Fatalf("etcdctl %q: exit code %d, %s", args, code, out)
		}
	}
	e = guard(t, p, etcdtest.V37, "etcd-auth.sh")
	for user, config := range map[string]string{"test": option, "gateway": option + asGateway} {
		g := start(t, config)
		g.unlock(user, g.lock(user))
		for key, works := range map[string]bool{"/_etcd/mod/lock/l/x": true, "a": false} {
			out, code := e.etcdctl(g.url, "", "put", key, "v")
			if works != (code == 0) {
				t.Errorf("nobody writes %s through the gateway of %s: exit code %d, %s", key, user, code, out)
			}
		}
	}
}
