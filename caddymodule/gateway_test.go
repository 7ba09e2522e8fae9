package caddymodule_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddy-etcd/caddy-etcd/caddymodule"
	_ "github.com/caddy-etcd/caddy-etcd/caddymodule/embedded"
	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// gateway is a Caddy in the test's process. There can be one at a time.
type gateway struct {
	t       *testing.T
	address string // it listens on
	servers string // more options for its server
	client  *http.Client

	transport *http.Transport
	loaded    atomic.Pointer[time.Time] // the last configuration
}

// RoundTrip sends a request again if it met the server of the configuration
// before at the moment of its end: net/http then closes a connection that has
// just been accepted, and Linux one that has not. A request that was sent before the load is never sent again.
func (g *gateway) RoundTrip(req *http.Request) (*http.Response, error) {
	begin := time.Now()
	for {
		resp, err := g.transport.RoundTrip(req)
		loaded := g.loaded.Load()
		lost := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
			err != nil && strings.Contains(err.Error(), "server closed idle connection")
		if !lost || loaded == nil || begin.Before(*loaded) || time.Since(*loaded) > time.Second {
			return resp, err
		}
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	g := &gateway{t: t, address: etcdtest.FreeAddress(t)}
	g.transport = &http.Transport{DialContext: g.dial}
	g.client = &http.Client{Transport: g}
	t.Cleanup(func() {
		g.transport.CloseIdleConnections()
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping caddy: %v", err)
		}
		// A request gives its reference back after it has been answered.
		patience.Until(t, 5*time.Second, func() error {
			if left := caddymodule.References(); len(left) > 0 {
				return fmt.Errorf("references left: %v", left)
			}
			return nil
		})
		caddymodule.AwaitClosing()
	})
	return g
}

func (g *gateway) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", g.address)
}

// caddyfile is a configuration with that etcd option and that site.
func (g *gateway) caddyfile(option, site string) string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output discard
	}
	servers {
		protocols h1 h2c
		%s
	}
	%s
}
http://%s {
	bind 127.0.0.1
	%s
}`, g.servers, option, g.address, site)
}

// try loads a configuration.
func (g *gateway) try(option, site string) error {
	g.t.Helper()
	config, err := adapt(g.caddyfile(option, site))
	if err != nil {
		return err
	}
	err = caddy.Load(config, true)
	now := time.Now()
	g.loaded.Store(&now)
	return err
}

func (g *gateway) load(option, site string) {
	g.t.Helper()
	if err := g.try(option, site); err != nil {
		g.t.Fatalf("loading the configuration: %v", err)
	}
	g.settled()
}

// settled waits until the server of the configuration before has stopped listening,
// and forgets the connections to it: it may otherwise answer once more.
func (g *gateway) settled() {
	g.t.Helper()
	patience.Until(g.t, 5*time.Second, func() error { return etcdtest.OneListener(g.address) })
	g.transport.CloseIdleConnections()
}

func adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

// embeddedIn is the global option for an etcd in the test's process.
func embeddedIn(dir string) string { return "etcd {\n embedded " + dir + "\n}" }

// etcdAt is the global option for an etcd at an address.
func etcdAt(endpoint string, more ...string) string {
	return "etcd {\n endpoints " + endpoint + "\n" + strings.Join(more, "\n") + "\n}"
}

// reply is an answer, read whole.
type reply struct {
	err    error
	status int
	body   string
	header http.Header
}

func (g *gateway) do(method, path string) reply { return g.send(method, path, nil) }

// send sends a request with a body.
func (g *gateway) send(method, path string, body io.Reader) reply {
	req, err := http.NewRequest(method, "http://"+g.address+path, body)
	if err != nil {
		return reply{err: err}
	}
	return answered(g.client.Do(req))
}

// answered reads an answer whole, but for that of a request that has become a
// WebSocket: those have no end.
func answered(resp *http.Response, err error) reply {
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return reply{status: resp.StatusCode, header: resp.Header}
	}
	text, err := io.ReadAll(resp.Body)
	return reply{err: err, status: resp.StatusCode, body: string(text), header: resp.Header}
}

// want fails the test unless the answer is that; an empty body means any.
func (g *gateway) want(r reply, status int, body string) {
	g.t.Helper()
	if r.err != nil || r.status != status || (body != "" && r.body != body) {
		g.t.Fatalf("got %d %q %v, want %d %q", r.status, r.body, r.err, status, body)
	}
}

// lock takes a lock and returns its index.
func (g *gateway) lock(key string) string {
	g.t.Helper()
	r := g.do(http.MethodPost, "/mod/v2/lock/"+key+"?ttl=60")
	g.want(r, http.StatusOK, "")
	return r.body
}

func (g *gateway) unlock(key, index string) {
	g.t.Helper()
	g.want(g.do(http.MethodDelete, "/mod/v2/lock/"+key+"?index="+index), http.StatusOK, "")
}

// wait has a request wait for a lock that is held.
func (g *gateway) wait(key string) <-chan reply {
	g.t.Helper()
	return g.queue(http.MethodPost, "/mod/v2/lock/"+key, "ttl=60")
}

// queue has a request wait in the queue at that path.
func (g *gateway) queue(method, path, query string) <-chan reply {
	g.t.Helper()
	before := g.waitingAt(path)
	answer := make(chan reply, 1)
	go func() { answer <- g.do(method, path+"?"+query) }()
	patience.Until(g.t, 10*time.Second, func() error {
		if g.waitingAt(path) == before {
			return errors.New("the request does not queue")
		}
		return nil
	})
	return answer
}

func (g *gateway) waiting(key string) int { return g.waitingAt("/mod/v2/lock/" + key) }

func (g *gateway) waitingAt(path string) int {
	req, err := http.NewRequest(http.MethodGet, "http://"+g.address+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := g.client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.Count(string(body), `"waiting"`)
}

func receive(t *testing.T, answer <-chan reply) reply {
	t.Helper()
	select {
	case r := <-answer:
		return r
	case <-time.After(10 * time.Second):
		t.Fatal("no answer within 10 s")
		return reply{}
	}
}
