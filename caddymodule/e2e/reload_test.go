package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// A reload leaves alone what goes on for long between clients and etcd, also if it
// brings other endpoints: then that stays with the old etcd. The gateway's end ends
// it.
func TestReload_streams_I8_I9(t *testing.T) {
	t.Parallel()
	certificates := etcdtest.NewCertificates(t)
	t.Run("h2c", func(t *testing.T) {
		t.Parallel()
		reloads(t, nil, func(g *gateway) { g.caddy("stop", "--address", g.admin) })
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		reloads(t, &certificates, func(g *gateway) { _ = g.cmd.Process.Signal(syscall.SIGTERM) })
	})
}

// changing is a gateway whose configuration changes, and its clients' side.
type changing struct {
	*gateway
	front *front
}

func startChanging(t *testing.T, endpoint string, certificates *etcdtest.Certificates) *changing {
	t.Helper()
	c := &changing{gateway: newGateway(t)}
	host := c.site
	if certificates != nil {
		host = etcdtest.FreeAddress(t)
		c.extra = fmt.Sprintf("\nhttps://%s {\n\ttls %s %s\n\tetcd\n}\n", host, certificates.Cert, certificates.Key)
	}
	c.change(endpoint)
	c.run()
	c.front = newFront(t, host, certificates)
	return c
}

// change writes another configuration.
func (c *changing) change(endpoint string) {
	c.t.Helper()
	c.configure(onEtcd(endpoint) + "\n\t\tapi v2")
	text, err := os.ReadFile(c.path("Caddyfile"))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.path("Caddyfile"), []byte(strings.Replace(string(text), "protocols h1 h2c", "protocols h1 h2 h2c", 1)), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func reloads(t *testing.T, certificates *etcdtest.Certificates, stop func(*gateway)) {
	etcd, other := etcdtest.StartV2(t, etcdtest.V35), etcdtest.StartV2(t, etcdtest.V35)
	g := startChanging(t, etcd.Endpoint, certificates)
	f := g.front

	direct := open(t, etcd.Endpoint)
	holder, err := concurrency.NewSession(direct)
	if err != nil {
		t.Fatal(err)
	}
	held := concurrency.NewMutex(holder, "/mutex")
	if err := held.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "lines")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := os.OpenFile(fifo, os.O_RDWR, 0) // or it waits for a reader
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lines.Close() })
	fmt.Fprintln(lines, "begun")
	watch, alive := f.streams()
	watches := []*long{
		f.long("a gRPC watch", watch),
		f.long("a JSON watch", f.body(http.MethodPost, "/v3/watch", watchJSON)),
		f.long("a stream of v2", f.body(http.MethodGet, "/v2/keys/"+watchedKey+"?wait=true&stream=true&recursive=true", "")),
		f.long("a WebSocket", f.webSocket),
	}
	command := f.long("etcdctl lock", f.etcdctlLock(fifo))
	keepalive, mutex := f.long("a keepalive", alive), f.long("a Mutex", f.mutex)
	poll := f.long("a long poll of v2", f.body(http.MethodGet, "/v2/keys/polled?wait=true", ""))
	for _, l := range watches[1:] {
		if l.name != "a stream of v2" {
			l.brings(t, "created")
		}
	}
	for _, l := range []*long{command, keepalive, mutex} {
		l.brings(t, "begun")
	}
	patience.Until(t, 10*time.Second, func() error {
		resp, err := direct.Get(t.Context(), "/mutex/", clientv3.WithPrefix())
		if err == nil && len(resp.Kvs) != 2 {
			err = fmt.Errorf("%d want the mutex", len(resp.Kvs))
		}
		return err
	})
	patience.Until(t, 10*time.Second, func() error { return watching(etcd, 2) }) // of v2

	write := func(value string) {
		t.Helper()
		if _, err := direct.Put(t.Context(), watchedKey, value); err != nil {
			t.Fatal(err)
		}
		put(t, etcd, watchedKey, value)
		fmt.Fprintln(lines, value)
	}
	check := func(value string) {
		t.Helper()
		write(value)
		for _, l := range append(watches, command) {
			l.brings(t, value)
		}
		for _, l := range []*long{keepalive, mutex, poll} {
			l.goesOn(t)
		}
	}
	fresh := func(i int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := f.v3.Put(ctx, "fresh", "v"); err != nil {
			t.Errorf("a write over gRPC after reload %d: %v", i, err)
		}
		if err := ask(ctx, f.http, f.url()+"/v3/kv/put", `{"key":"YQ==","value":"dg=="}`, nil); err != nil {
			t.Errorf("a write over HTTP after reload %d: %v", i, err)
		}
	}
	check("before")
	for i := range 3 {
		g.reload()
		fresh(i)
		check(fmt.Sprintf("after reload %d", i))
	}
	if err := held.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	mutex.brings(t, "locked")

	g.change(other.Endpoint)
	g.reload()
	fresh(3)
	if resp, err := open(t, other.Endpoint).Get(t.Context(), "fresh"); err != nil || len(resp.Kvs) != 1 {
		t.Errorf("what is new does not go to the new etcd: %v, %v", resp, err)
	}
	check("after other endpoints")
	put(t, etcd, "polled", "at last")
	poll.brings(t, "at last")

	_ = lines.Close()
	select {
	case <-command.ended: // which wants the gateway for it
	case <-time.After(10 * time.Second):
		t.Error("etcdctl lock has not ended with its command")
	}
	begin := time.Now()
	stop(g.gateway)
	select {
	case <-g.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("still running after 10 s")
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	} else {
		t.Logf("stopping took %v", took)
	}
	for _, l := range append(watches, keepalive) {
		select {
		case <-l.ended:
		case <-time.After(5 * time.Second):
			t.Errorf("%s has not ended", l.name)
		}
	}
}

// put writes a key with the v2 API.
func put(t testing.TB, etcd *etcdtest.Process, key, value string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, etcd.Endpoint+"/v2/keys/"+key, strings.NewReader("value="+value))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r := send(req); r.err != nil || r.status >= 300 {
		t.Fatalf("PUT %s: %v", key, r)
	}
}

// watching says whether so many watch an etcd with the v2 API.
func watching(etcd *etcdtest.Process, n int) error {
	resp, err := http.Get(etcd.Endpoint + "/v2/stats/store")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && !strings.Contains(string(text), fmt.Sprintf(`"watchers":%d`, n)) {
		err = fmt.Errorf("want %d watchers: %s", n, text)
	}
	return err
}
