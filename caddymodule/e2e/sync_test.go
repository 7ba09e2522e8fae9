package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv2 "go.etcd.io/etcd/client/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// advertising runs a gateway before members that tell clients that they are where it
// is, with that scheme.
func advertising(t *testing.T, scheme string, start func(flags etcdtest.Option) []*etcdtest.Process, options ...string) *gateway {
	t.Helper()
	g := newGateway(t)
	var endpoints []string
	for _, m := range start(etcdtest.WithFlags("--advertise-client-urls", scheme+"://"+g.site)) {
		endpoints = append(endpoints, m.Endpoint)
	}
	g.configure(strings.Join(append(options, onEtcd(strings.Join(endpoints, " "))), "\n\t\t"))
	g.run()
	return g
}

// dialled is where a client has connected to.
type dialled struct {
	mu        sync.Mutex
	addresses []string
}

func (d *dialled) dial(ctx context.Context, address string) (net.Conn, error) {
	d.mu.Lock()
	d.addresses = append(d.addresses, address)
	d.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// want fails the test unless that was one address.
func (d *dialled) want(t testing.TB, address string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.addresses)
	if got := slices.Compact(d.addresses); len(got) != 1 || got[0] != address {
		t.Errorf("it has connected to %v, want %s", got, address)
	}
}

// syncing is client/v3 that asks for the members every moment.
func syncing(t testing.TB, endpoint string) (*clientv3.Client, *dialled) {
	t.Helper()
	d := new(dialled)
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint}, AutoSyncInterval: 50 * time.Millisecond, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(d.dial)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, d
}

// clientOfV2 is client/v2.
func clientOfV2(t testing.TB, endpoint string) (clientv2.Client, *dialled) {
	t.Helper()
	d := new(dialled)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return d.dial(ctx, address) }}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := clientv2.New(clientv2.Config{Endpoints: []string{endpoint}, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c, d
}

// synced waits until it knows that many members, all at one address.
func synced(t testing.TB, c *clientv3.Client, n int, url string) {
	t.Helper()
	patience.Until(t, 10*time.Second, func() error {
		known := c.Endpoints()
		if len(known) != n || len(slices.Compact(slices.Clone(known))) != 1 || known[0] != url {
			return fmt.Errorf("it knows %v, want %d times %s", known, n, url)
		}
		return nil
	})
}

// Clients that ask the cluster for its members, and go where those say, come back to
// the gateway if the members say that they are there.
func TestSync(t *testing.T) {
	t.Parallel()
	g := advertising(t, "http", func(flags etcdtest.Option) []*etcdtest.Process {
		return etcdtest.StartCluster(t, etcdtest.V35, flags, etcdtest.WithFlags("--enable-v2=true"))
	})
	t.Run("client v3", func(t *testing.T) {
		c, dialled := syncing(t, g.url)
		watch := c.Watch(t.Context(), "sync")
		synced(t, c, 3, g.url)
		if _, err := c.Put(t.Context(), "sync", "v"); err != nil {
			t.Error(err)
		}
		if resp := <-watch; len(resp.Events) != 1 {
			t.Errorf("the watch got %v, %v", resp.Events, resp.Err())
		}
		dialled.want(t, g.site)
	})
	t.Run("client v2", func(t *testing.T) {
		c, d := clientOfV2(t, g.url)
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, endpoint := range c.Endpoints() {
			if endpoint != g.url {
				t.Errorf("it knows %s", endpoint)
			}
		}
		if _, err := clientv2.NewKeysAPI(c).Set(t.Context(), "sync", "v", nil); err != nil {
			t.Error(err)
		}
		d.want(t, g.site)
	})
	t.Run("etcdctl of v2", func(t *testing.T) {
		for _, args := range [][]string{{"set", "k", "v"}, {"--no-sync", "set", "k", "v"}} {
			out := ctl(t, etcdtest.V34, "2", append([]string{"--debug", "--endpoints", g.url}, args...)...)
			if strings.Count(out, "http://") != strings.Count(out, g.url) || strings.Count(out, g.url) == 0 {
				t.Errorf("etcdctl %v says\n%s", args, out)
			}
		}
	})
	t.Run("HTTP", func(t *testing.T) {
		for _, path := range []string{"/v2/members", "/v3/cluster/member/list"} {
			method := http.MethodGet
			if strings.HasPrefix(path, "/v3") {
				method = http.MethodPost
			}
			req, err := http.NewRequestWithContext(t.Context(), method, g.url+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if r := send(req); strings.Count(r.body, `"clientURLs":["`+g.url+`"]`) != 3 {
				t.Errorf("%s: %v", path, r)
			}
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/v2/machines", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r := send(req); r.body != strings.Join([]string{g.url, g.url, g.url}, ", ") {
			t.Errorf("/v2/machines: %v", r)
		}
	})
	t.Run("etcdctl of v3", func(t *testing.T) {
		var states []struct {
			Endpoint string
			Status   struct {
				Header struct {
					Member uint64 `json:"member_id"`
				}
			}
		}
		out := ctl(t, etcdtest.V37, "3", "--endpoints", g.site, "endpoint", "status", "--cluster", "-w", "json")
		_, list, _ := strings.Cut(out, "[{") // there may be warnings before and after it
		if err := json.NewDecoder(strings.NewReader("[{" + list)).Decode(&states); err != nil || len(states) != 3 {
			t.Fatalf("%v: %s", err, out)
		}
		for _, s := range states {
			if s.Endpoint != g.url || s.Status.Header.Member != states[0].Status.Header.Member {
				t.Errorf("endpoint status says %+v", states)
			}
		}
		out = ctl(t, etcdtest.V37, "3", "--endpoints", g.site, "endpoint", "health", "--cluster")
		if strings.Count(out, g.url+" is healthy") != 3 {
			t.Errorf("endpoint health says\n%s", out)
		}
	})
}

// ctl runs etcdctl, and returns what it says.
func ctl(t testing.TB, version etcdtest.Version, api string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, etcdtest.Etcdctl(t, version), args...)
	cmd.Env = append(os.Environ(), "ETCDCTL_API="+api)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("etcdctl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// Where members say that they are elsewhere, clients go there: past the gateway, or to
// where nothing answers. The scheme is the gateway's, whatever etcd itself speaks.
func TestSync_elsewhere(t *testing.T) {
	t.Parallel()
	one := func(options ...etcdtest.Option) func(etcdtest.Option) []*etcdtest.Process {
		return func(flags etcdtest.Option) []*etcdtest.Process {
			return []*etcdtest.Process{etcdtest.StartProcess(t, etcdtest.V37, append(options, flags)...)}
		}
	}
	t.Run("past the gateway", func(t *testing.T) {
		t.Parallel()
		etcd := etcdtest.StartProcess(t, etcdtest.V37)
		g := start(t, onEtcd(etcd.Endpoint))
		c, _ := syncing(t, g.url)
		synced(t, c, 1, etcd.Endpoint)
	})
	t.Run("to several gateways", func(t *testing.T) {
		t.Parallel()
		const first, second = "http://127.0.0.1:1", "http://127.0.0.1:2"
		etcd := etcdtest.StartProcess(t, etcdtest.V37, etcdtest.WithFlags("--advertise-client-urls", first+","+second))
		c := open(t, start(t, onEtcd(etcd.Endpoint)).url)
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if known := c.Endpoints(); !slices.Equal(known, []string{first, second}) {
			t.Errorf("it knows %v", known)
		}
	})
	t.Run("https, while the gateway is http", func(t *testing.T) {
		t.Parallel()
		g := advertising(t, "https", func(flags etcdtest.Option) []*etcdtest.Process {
			return []*etcdtest.Process{etcdtest.StartV2(t, etcdtest.V35, flags)}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		v2, kept := clientOfV2(t, g.url)
		if err := v2.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := clientv2.NewKeysAPI(v2).Set(ctx, "sync", "v", nil); err == nil {
			t.Error("a write over TLS came through a gateway without")
		}
		kept.want(t, g.site)
		// Client/v3 goes on as it has begun, but a new one does not begin.
		v3, _ := syncing(t, g.url)
		synced(t, v3, 1, "https://"+g.site)
		if _, err := v3.Put(ctx, "k", "v"); err != nil {
			t.Error(err)
		}
		again, _ := syncing(t, "https://"+g.site)
		ctx, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := again.Put(ctx, "k", "v"); err == nil {
			t.Error("a new client's write over TLS came through")
		}
	})
	t.Run("http, while etcd is https", func(t *testing.T) {
		t.Parallel()
		c := etcdtest.NewCertificates(t)
		g := advertising(t, "http", one(etcdtest.WithTLS(c)),
			tlsOption(c.CA, c))
		v3, dialled := syncing(t, g.url)
		synced(t, v3, 1, g.url)
		if _, err := v3.Put(t.Context(), "k", "v"); err != nil {
			t.Error(err)
		}
		dialled.want(t, g.site)
	})
}
