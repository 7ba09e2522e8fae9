package e2e

import (
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// backend is a kind of etcd that the lock is kept in, and how.
type backend struct {
	name    string
	options string // in a gateway's etcd option, beside the endpoint

	start func(t testing.TB) (server, string) // and its endpoint
	open  func(t testing.TB, endpoint string) direct

	first      string // the index of a fresh etcd's first lock, or any
	looksFirst bool   // a request with a value reads the queue before it writes
	crowd      int    // how many wait where many do
	remembers  int    // events, where they are few
}

// backends are those that every test of the lock runs on.
var (
	backends = []backend{v3embedded, v3on37, v2on35, v2on34}

	v3embedded = backend{name: "v3 embedded", open: openV3, first: "2", crowd: 10_000}

	v3on37 = backend{name: "v3 on 3.7", start: start37, open: openV3, first: "2", crowd: 1_000}

	v2on35 = backend{
		name: "v2 on 3.5", options: "api v2", start: startV2(etcdtest.V35), open: openV2,
		first: anyIndex, looksFirst: true, crowd: 1_000, remembers: 1_000,
	}
	v2on34 = backend{
		name: "v2 on 3.4", options: "api v2", start: startV2(etcdtest.V34), open: openV2,
		first: anyIndex, looksFirst: true, crowd: 1_000, remembers: 1_000,
	}
)

// server is what a test can do to an etcd.
type server interface {
	Stop()
	Restart(t testing.TB) // on the same data and port
}

func start37(t testing.TB) (server, string) {
	s := etcdtest.Start(t)
	return s, s.Endpoint
}

func startV2(version etcdtest.Version) func(testing.TB) (server, string) {
	return func(t testing.TB) (server, string) {
		p := etcdtest.StartV2(t, version)
		return p, p.Endpoint
	}
}

// etcd is a backend that runs for one test.
type etcd struct {
	backend
	server          // the embedded one: nil until the first gateway runs
	endpoint string // where it is, for others than the gateway that it is in
}

// onEach runs a test on each of the backends, while others run too.
func onEach(t *testing.T, test func(t *testing.T, e *etcd)) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			test(t, b.run(t))
		})
	}
}

// onEachAlone runs a test on each of the backends while nothing else runs: one that
// measures, or that keeps the machine busy.
func onEachAlone(t *testing.T, test func(t *testing.T, e *etcd)) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) { test(t, b.run(t)) })
	}
}

func (b backend) run(t testing.TB) *etcd {
	t.Helper()
	e := &etcd{backend: b}
	if b.start != nil {
		e.server, e.endpoint = b.start(t)
	}
	return e
}

// gateway starts a gateway. If the etcd is to be embedded, the test's first gateway
// has it.
func (e *etcd) gateway(t testing.TB) *gateway {
	t.Helper()
	if e.server == nil {
		g, endpoint := startEmbedded(t)
		e.server, e.endpoint = g, endpoint
		return g
	}
	return e.through(t, e.endpoint)
}

// apart starts a gateway that has no etcd in it.
func (e *etcd) apart(t testing.TB) *gateway {
	t.Helper()
	if e.server == nil {
		e.gateway(t)
	}
	return e.gateway(t)
}

// through starts a gateway that reaches the etcd at another endpoint.
func (e *etcd) through(t testing.TB, endpoint string) *gateway {
	t.Helper()
	return start(t, onEtcd(endpoint)+"\n\t\t"+e.options)
}

// wire starts a gateway and returns the wire between it and the etcd.
func (e *etcd) wire(t testing.TB) (*gateway, *etcdtest.Wire) {
	t.Helper()
	if e.server == nil {
		e.gateway(t)
	}
	w := etcdtest.NewWire(t, e.endpoint)
	return e.through(t, w.Endpoint), w
}

// direct goes to the etcd without a gateway, once one runs.
func (e *etcd) direct(t testing.TB) direct {
	t.Helper()
	return e.open(t, e.endpoint)
}

// startEmbedded starts a gateway with an embedded etcd, which others reach at
// endpoint.
func startEmbedded(t testing.TB) (g *gateway, endpoint string) {
	t.Helper()
	endpoint = "http://" + etcdtest.FreeAddress(t)
	return start(t, "embedded ./data {\n\t\t\tlisten "+endpoint+"\n\t\t}"), endpoint
}

// Stop and Restart are those of the etcd in the gateway, which goes with it.
func (g *gateway) Stop() { g.terminate() }

// Restart runs a stopped gateway again.
func (g *gateway) Restart(testing.TB) { g.run() }
