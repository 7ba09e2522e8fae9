package etcdv3

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
	"github.com/caddy-etcd/caddy-etcd/store/storetest"
)

// Most of the suite's time is waiting for leases to expire: its tests wait side by
// side.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" {
		_ = flag.Set("test.parallel", "12")
	}
	os.Exit(m.Run())
}

// leaks fails the test if it leaves a goroutine behind.
func leaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// TestContract runs the suite that every driver must pass, on a real etcd.
func TestContract(t *testing.T) {
	server := etcdtest.Start(t)
	client := server.Client(t)
	var harnesses atomic.Int32
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		prefix := fmt.Sprintf("/test%d", harnesses.Add(1))
		gateways := map[store.Store]*testGateway{}
		return storetest.Harness{
			Handover:   true,
			ExactTTL:   true,
			SessionTTL: sessionTTL*time.Second + 3*time.Second, // and what etcd's expiry takes
			Open: func(t *testing.T) store.Store {
				g := openThrough(t, server, prefix)
				gateways[g.Store] = g
				return g.Store
			},
			Expire: func(t *testing.T, s store.Store) { gateways[s].expire(t, client) },
			Kill: func(_ *testing.T, s store.Store) {
				gateways[s].wire.Refuse(true)
				gateways[s].stop()
			},
			Cut: func(_ *testing.T, s store.Store, cut bool) { gateways[s].wire.Refuse(cut) },
			Lose: func(_ *testing.T, s store.Store, how storetest.Loss) func() {
				return gateways[s].loss.next(how)
			},
			Compact: func(t *testing.T) {
				now, err := client.Get(t.Context(), "x")
				if err == nil {
					_, err = client.Compact(t.Context(), now.Header.Revision, clientv3.WithCompactPhysical())
				}
				if err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// testGateway is a store with its own, breakable, way to etcd.
type testGateway struct {
	*Store
	wire *etcdtest.Wire
	loss *loss

	timeToLives atomic.Int64 // how often that was asked
}

func openThrough(t *testing.T, server *etcdtest.Process, prefix string) *testGateway {
	t.Helper()
	g := &testGateway{wire: etcdtest.NewWire(t, server.Endpoint), loss: &loss{}}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{g.wire.Endpoint},
		DialOptions: append(DialOptions(), grpc.WithChainUnaryInterceptor(g.count, g.loss.intercept)),
		Logger:      zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	g.Store = Open(client, Options{Prefix: prefix})
	return g
}

func (g *testGateway) count(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if method == "/etcdserverpb.Lease/LeaseTimeToLive" {
		g.timeToLives.Add(1)
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

// expire revokes the session's lease, and has the store know.
func (g *testGateway) expire(t *testing.T, client *clientv3.Client) {
	t.Helper()
	ss := g.session.Load()
	if ss == nil {
		return
	}
	if _, err := client.Revoke(t.Context(), ss.lease); err != nil {
		t.Fatal(err)
	}
	ss.ended.Store(true)
}

// loss loses a write, or its answer.
type loss struct {
	mu      sync.Mutex
	how     storetest.Loss
	deliver func()
}

// next has the next transaction lost.
func (l *loss) next(how storetest.Loss) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.how, l.deliver = how, func() {}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.deliver()
	}
}

func (l *loss) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	l.mu.Lock()
	how := l.how
	if how == "" || method != "/etcdserverpb.KV/Txn" {
		l.mu.Unlock()
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	l.how = ""
	if how == storetest.DelayedRequest {
		late := context.WithoutCancel(ctx)
		l.deliver = func() { _ = invoke(late, method, req, reply, cc, opts...) }
	}
	l.mu.Unlock()
	if how == storetest.LostAnswer {
		if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
			return err
		}
	}
	if sent, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok {
		sent.Store(true)
	}
	return status.Error(codes.Unavailable, "the connection was lost")
}

// A request that never left the process is not one with an unknown outcome: it
// is the difference between 503 and 504.
func TestNeverSentIsUnavailable(t *testing.T) {
	leaks(t)
	server := etcdtest.Start(t)
	g := openThrough(t, server, "/test")
	defer g.Close(context.Background())
	key := store.Key{Space: "lock", Name: "k"}
	a := store.Acquire{TTL: time.Minute, Wait: true}
	if _, err := g.Acquire(t.Context(), key, a); err != nil {
		t.Fatal(err)
	}
	g.wire.Refuse(true)
	clock := patience.Start(t)
	got, err := g.Acquire(t.Context(), key, a)
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) || got.Entry.Name != "" {
		t.Errorf("acquiring without a connection: %v, %v; want ErrUnavailable and nothing owed", got, err)
	}
	if took := clock.Took(); took > 5*time.Second {
		t.Errorf("it took %v, want at most 5 s", took)
	}
	g.wire.Refuse(false)
}

// Uncontended, an acquire and a release are a commit each, and a renewal none
// (the design's cost table).
func TestCommits(t *testing.T) {
	server := etcdtest.Start(t)
	client := server.Client(t)
	s := Open(server.Client(t, DialOptions()...), Options{Prefix: "/test"})
	defer s.Close(context.Background())
	key := store.Key{Space: "lock", Name: "k"}
	acquire := func(value string) store.Entry {
		t.Helper()
		return must[store.Acquired](t)(s.Acquire(t.Context(), key, store.Acquire{Value: value, HasValue: value != "", TTL: time.Minute, Wait: true})).Entry
	}
	release := func(target store.Target) {
		t.Helper()
		must[*store.Entry](t)(s.Release(t.Context(), key, target, nil))
	}
	byIndex := func(e store.Entry) store.Target { return store.Target{Index: e.Index} }
	byValue := func(e store.Entry) store.Target { return store.Target{Value: e.Value} }
	hinted := func(e store.Entry) store.Target { return store.Target{Index: e.Index, Hint: &e} }
	// wantCommits counts those of 20 times, when the session and the leases are there.
	wantCommits := func(what string, want uint64, do func()) {
		t.Helper()
		commits := func() uint64 {
			return must[*clientv3.StatusResponse](t)(client.Status(t.Context(), server.Endpoint)).RaftIndex
		}
		do()
		before := commits()
		const times = 20
		for range times {
			do()
		}
		if n := commits() - before; n != want*times {
			t.Errorf("%d times %s were %d commits, want %d", times, what, n, want*times)
		}
	}
	wantCommits("a cycle with 10 renewals", 2, func() {
		e := acquire("")
		for range 10 {
			must[store.Entry](t)(s.Renew(t.Context(), key, byIndex(e), time.Minute))
		}
		release(byIndex(e))
	})
	wantCommits("a cycle by value", 2, func() { release(byValue(acquire("v"))) })
	wantCommits("a cycle with a hint", 2, func() { release(hinted(acquire(""))) })

	holder := acquire("")
	wantCommits("to queue and be cancelled by value", 3, func() { release(byValue(acquire("v"))) })
	wantCommits("to queue and be cancelled with a hint", 3, func() { release(hinted(acquire(""))) })
	wantCommits("to queue and be cancelled by index", 3, func() { release(byIndex(acquire(""))) })
	release(byIndex(holder))
}
