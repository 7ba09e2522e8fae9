package etcdv2

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
	"github.com/caddy-etcd/caddy-etcd/store/storetest"
)

// Most of the suite's time is waiting for TTLs to run out: its tests wait side by
// side.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" {
		_ = flag.Set("test.parallel", "20")
	}
	os.Exit(m.Run())
}

// TestContract runs the suite that every driver must pass, on real etcds.
func TestContract(t *testing.T) {
	for _, version := range []etcdtest.Version{etcdtest.V35, etcdtest.V34} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			// An etcd for each test that runs: etcd remembers the last 1,000 events of
			// all tests together.
			var servers pool
			var harnesses atomic.Int32
			storetest.Run(t, func(sub *testing.T) storetest.Harness {
				server := servers.take(sub, func() *etcdtest.Process { return etcdtest.StartV2(t, version) })
				keys := keysOf(sub, server.Endpoint)
				prefix := fmt.Sprintf("/test%d", harnesses.Add(1))
				gateways := map[store.Store]*testGateway{}
				return storetest.Harness{
					SessionTTL:  sessionTTL + 3*time.Second, // and what etcd's expiry takes, and sweeping
					HoldEvents:  2,
					LateEntries: newTTL + time.Second,
					Open: func(t *testing.T) store.Store {
						g := open(t, server.Endpoint, prefix)
						gateways[g.Store] = g
						return g.Store
					},
					Expire: func(t *testing.T, s store.Store) { gateways[s].expire(t, keys, open(t, server.Endpoint, prefix)) },
					Kill: func(_ *testing.T, s store.Store) {
						gateways[s].wire.Refuse(true)
						gateways[s].stop()
					},
					Cut: func(_ *testing.T, s store.Store, cut bool) { gateways[s].wire.Refuse(cut) },
					Lose: func(_ *testing.T, s store.Store, how storetest.Loss) func() {
						return gateways[s].loss.next(how, 1)
					},
					Compact: func(t *testing.T) { overrun(t, keys) },
				}
			})
		})
	}
}

// pool has etcds that no test uses now.
type pool struct {
	mu   sync.Mutex
	free []*etcdtest.Process
}

func (p *pool) take(t *testing.T, start func() *etcdtest.Process) *etcdtest.Process {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var server *etcdtest.Process
	if n := len(p.free); n > 0 {
		server, p.free = p.free[n-1], p.free[:n-1]
	} else {
		server = start()
	}
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.free = append(p.free, server)
	})
	return server
}

func keysOf(t *testing.T, endpoint string) client.KeysAPI {
	t.Helper()
	cli, err := client.New(client.Config{Endpoints: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	return client.NewKeysAPI(cli)
}

// overrun has etcd forget what happened until now: it remembers 1,000 events.
func overrun(t *testing.T, keys client.KeysAPI) {
	t.Helper()
	var all sync.WaitGroup
	for w := range 10 {
		all.Go(func() {
			for range 110 {
				if _, err := keys.Set(t.Context(), fmt.Sprint("/other/", w), "", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// testGateway is a store with its own, breakable, way to etcd.
type testGateway struct {
	*Store
	wire  *etcdtest.Wire
	loss  *loss
	clock *patience.Clock // of its observers; nil if there are none
}

func open(t *testing.T, endpoint, prefix string) *testGateway {
	t.Helper()
	g := &testGateway{wire: etcdtest.NewWire(t, endpoint)}
	var err error
	g.Store, err = Open(Options{Endpoints: []string{g.wire.Endpoint}, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	g.loss = &loss{through: g.callers.transport}
	g.callers.transport = g.loss
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return g
}

// expire ends the gateway's session, and returns when another one has noticed.
func (g *testGateway) expire(t *testing.T, keys client.KeysAPI, undertaker *testGateway) {
	t.Helper()
	g.loss.refuseSessions(true)
	defer g.loss.refuseSessions(false)
	if _, err := keys.Delete(t.Context(), g.gatewayKey(g.id), nil); err != nil && !client.IsKeyNotFound(err) {
		t.Fatal(err)
	}
	if err := undertaker.sweep(t.Context(), undertaker.queue(store.Key{Space: "lock", Name: "key"})); err != nil {
		t.Fatal(err)
	}
	g.session.refreshed.Store(new(time.Time))
}

// loss loses a write, or its answer.
type loss struct {
	through http.RoundTripper

	session sync.RWMutex // held, for reading, by every write of a session
	refused bool         // all of them are

	mu      sync.Mutex
	how     storetest.Loss
	after   int
	deliver func()
}

// refuseSessions has all writes of a session refused. None is on its way any more then.
func (l *loss) refuseSessions(refused bool) {
	l.session.Lock()
	defer l.session.Unlock()
	l.refused = refused
}

// next has one of the next writes lost, the first if nth is 1.
func (l *loss) next(how storetest.Loss, nth int) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.how, l.after, l.deliver = how, nth, func() {}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.how = ""
		l.deliver()
	}
}

// CloseIdleConnections is what http.Client looks for.
func (l *loss) CloseIdleConnections() { (&http.Client{Transport: l.through}).CloseIdleConnections() }

var errLost = errors.New("the connection was lost")

func (l *loss) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, "/"+gatewaySpace+"/") && req.Method == http.MethodPut {
		l.session.RLock()
		defer l.session.RUnlock()
		if l.refused {
			return nil, errLost
		}
		return l.through.RoundTrip(req)
	}
	l.mu.Lock()
	if l.how == "" || req.Method == http.MethodGet {
		l.mu.Unlock()
		return l.through.RoundTrip(req)
	}
	if l.after--; l.after > 0 {
		l.mu.Unlock()
		return l.through.RoundTrip(req)
	}
	how := l.how
	l.how = ""
	late := req.Clone(context.WithoutCancel(req.Context()))
	send := func() {
		if resp, err := l.through.RoundTrip(late); err == nil {
			_ = resp.Body.Close()
		}
	}
	if how == storetest.DelayedRequest {
		l.deliver = send
	}
	l.mu.Unlock()
	if how == storetest.LostAnswer {
		send()
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		trace.WroteHeaders()
	}
	return nil, errLost
}
