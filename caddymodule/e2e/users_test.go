package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// The passwords of the README's users.
var passwords = []string{"ROOT_PASSWORD=roots", "ETCD_PASSWORD=gateways", "APP_PASSWORD=apps"}

// asGateway is the etcd option for the gateway's user.
const asGateway = "\n\t\tusername gateway\n\t\tpassword gateways\n\t\t"

// guarded is an etcd that asks for passwords.
type guarded struct {
	*etcdtest.Process
	t   *testing.T
	dir string   // with etcdctl
	env []string // for it, and for the README's scripts
}

// guard runs scripts of the README on an etcd, as they are printed.
func guard(t *testing.T, p *etcdtest.Process, etcdctl etcdtest.Version, scripts ...string) *guarded {
	t.Helper()
	e := &guarded{t: t, Process: p, dir: t.TempDir()}
	if err := os.Symlink(etcdtest.Etcdctl(t, etcdctl), filepath.Join(e.dir, "etcdctl")); err != nil {
		t.Fatal(err)
	}
	e.env = append([]string{"PATH=" + e.dir + string(os.PathListSeparator) + os.Getenv("PATH")}, passwords...)
	if e.env = append(e.env, "ETCDCTL_ENDPOINTS="+p.Endpoint); etcdctl == etcdtest.V34 {
		e.env = append(e.env, "ETCDCTL_API=2", "ETCDCTL_ENDPOINT="+p.Endpoint)
	}
	for _, script := range scripts {
		file := filepath.Join(e.dir, script)
		if err := os.WriteFile(file, []byte(block(t, "#!/bin/sh\n# "+script)), 0o700); err != nil {
			t.Fatal(err)
		}
		wantTool(t, e.env, 0, "", "sh", file)
		if strings.Contains(script, "auth") {
			e.env = append(e.env, "ETCDCTL_USER=root:roots")
		}
	}
	return e
}

// guard37 is today's etcd with the README's users, whose passwords cost little.
func guard37(t *testing.T, flags ...string) *guarded {
	t.Helper()
	p := etcdtest.StartProcess(t, etcdtest.V37, etcdtest.WithFlags("--bcrypt-cost=4"), etcdtest.WithFlags(flags...))
	return guard(t, p, etcdtest.V37, "gateway-user.sh", "etcd-auth.sh", "app-user.sh")
}

// etcdctl runs it as that user, at an endpoint.
func (e *guarded) etcdctl(endpoint, user string, args ...string) (out string, code int) {
	e.t.Helper()
	global := []string{"--endpoints", endpoint, "--command-timeout=5s"}
	if user != "" {
		global = append(global, "--user", user)
	}
	out, code = tool(e.t, nil, filepath.Join(e.dir, "etcdctl"), append(global, args...)...)
	var lines []string
	for line := range strings.Lines(out) { // what it logs has the time in it
		if !strings.HasPrefix(line, "{") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, ""), code
}

// forgotten is how often somebody has come with a token that etcd did not know.
func (e *guarded) forgotten() int {
	log, err := os.ReadFile(e.Log)
	if err != nil {
		e.t.Fatal(err)
	}
	return bytes.Count(log, []byte(`"invalid auth token"`))
}

// The gateway's user, as the README makes it, is enough for everything that the
// gateway does; also when its token has been idle for too long, and when etcd starts
// anew and knows none. It is good for nothing else.
func TestUsers_gateway(t *testing.T) {
	t.Parallel()
	e := guard37(t, "--auth-token-ttl=1") // for a second, if nobody uses it
	g := start(t, onEtcd(e.Endpoint)+asGateway)
	live(t, g, "k")

	// For as long as the holder has the lock, nothing uses the token.
	before := e.forgotten()
	want(t, g.do(t.Context(), http.MethodPost, "idle?ttl=3", "value", "a"), http.StatusOK, whatever)
	want(t, g.do(t.Context(), http.MethodPost, "idle?ttl=60", "value", "b"), http.StatusOK, whatever)
	if e.forgotten() == before {
		t.Error("the token has not run out")
	}

	holder := g.lock("kept")
	waits := g.post(t.Context(), "kept?ttl=60")
	patience.Until(t, 10*time.Second, func() error { return g.hasQueue("kept", 2) })
	e.Stop()
	e.Restart(t)
	patience.Until(t, 20*time.Second, func() error {
		if r := g.do(t.Context(), http.MethodDelete, "kept?index="+holder); r.status != http.StatusOK {
			return fmt.Errorf("DELETE: %v", r)
		}
		return nil
	})
	want(t, receive(t, waits), http.StatusOK, whatever)

	for _, args := range [][]string{
		{"put", "a", "b"}, {"get", "a"}, {"del", "a"}, {"get", "--prefix", ""}, {"get", "--prefix", "/_etcd"}, {"put", "/_etcd/mod", "b"},
		{"put", "/_etcd/mod0", "b"}, {"get", "--from-key", "/_etcd/mod/"}, {"user", "list"}, {"role", "add", "r"},
		{"auth", "disable"}, {"snapshot", "save", g.path("snapshot")}, {"compact", "2"},
	} {
		if out, code := e.etcdctl(e.Endpoint, "gateway:gateways", args...); code == 0 || !strings.Contains(out, "permission denied") {
			t.Errorf("as the gateway, etcdctl %q: exit code %d, %s", args, code, out)
		}
	}
}

// live is the life of a lock and of an election, with all that there is to ask.
func live(t *testing.T, g *gateway, key string) {
	path, ctx := "/mod/v2/lock/"+key, t.Context()
	events := g.listen(t, path, "")
	first := g.lock(key, "value", "a")
	second := g.post(ctx, key+"?ttl=2", "value", "b")
	events.tells("queued", "b")
	third := g.post(ctx, key+"?ttl=60", "value", "c")
	events.tells("queued", "c")
	want(t, g.do(ctx, http.MethodPut, key+"?ttl=60", "index", first), http.StatusOK, "")
	want(t, g.do(ctx, http.MethodGet, "?prefix="+key+"&limit=1"), http.StatusOK, whatever)
	changed := make(chan reply, 1)
	go func() { changed <- g.do(ctx, http.MethodGet, key+"?wait=true&waitIndex="+first) }()
	g.unlock(key, first)
	want(t, receive(t, second), http.StatusOK, whatever) // it has ended before it is answered
	want(t, receive(t, changed), http.StatusOK, whatever)
	want(t, receive(t, third), http.StatusOK, whatever) // b has run out
	want(t, g.do(ctx, http.MethodDelete, key+"?value=c"), http.StatusOK, "")
	events.tells("acquired", "a")
	events.tells("released", "a")
	events.tells("expired", "b")
	events.close()

	election := func(method, query string) reply {
		req, err := http.NewRequestWithContext(ctx, method, g.url+"/mod/v2/leader/"+key+"?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		return send(req)
	}
	events = g.listen(t, "/mod/v2/leader/"+key, "")
	want(t, election(http.MethodPut, "ttl=60&name=n"), http.StatusOK, whatever)
	next := make(chan reply, 1)
	go func() { next <- election(http.MethodPut, "ttl=60&name=m") }()
	events.tells("queued", "m")
	want(t, election(http.MethodPut, "ttl=60&name=n&timeout=0"), http.StatusOK, whatever)
	want(t, election(http.MethodDelete, "name=n"), http.StatusOK, "")
	want(t, receive(t, next), http.StatusOK, whatever)
	want(t, election(http.MethodDelete, "name=m"), http.StatusOK, "")
	events.close()
}

// tells waits until it has been told that of whoever has that value.
func (s *stream) tells(kind, value string) {
	s.t.Helper()
	s.until(kind+" "+value, 20*time.Second, func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.kind == kind && e.data.Entry.Value == value })
	})
}
