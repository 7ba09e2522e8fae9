package lockmod_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
	"github.com/caddy-etcd/caddy-etcd/store/etcdv3"
)

// openThrough is open for a gateway that is cut off in the test, and so may not be
// able to say goodbye.
func openThrough(t *testing.T, wire *etcdtest.Wire) gateway {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{wire.Endpoint}, DialOptions: etcdv3.DialOptions(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	g := gateway{store: etcdv3.Open(c, etcdv3.Options{Prefix: "/test"})}
	g.Service = lockmod.New(g.store, space, zap.NewNop())
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), 3*time.Second)
		defer stop()
		g.Close(ctx)
		_ = g.store.Close(ctx)
	})
	return g
}

// Two gateways ask for the same values at once, and then one of them is cut off: the other one's
// places stay.
func TestSharedPlacesOutliveAGateway_I7(t *testing.T) {
	srv := etcdtest.Start(t)
	h, x := open(t, srv), open(t, srv)
	wire := etcdtest.NewWire(t, srv.Endpoint)
	y := openThrough(t, wire)
	const n = 60
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	index := map[int]uint64{}
	for i := range n {
		key := fmt.Sprint("k", i)
		h.lock(t, request(key))
		x.goLock(ctx, valued(key, "bar"))
		y.goLock(ctx, valued(key, "bar"))
	}
	<-time.After(2 * time.Second)
	for i := range n {
		l, _ := x.Queue(ctx, fmt.Sprint("k", i))
		if len(l.Entries) != 2 {
			t.Fatal(i, len(l.Entries))
		}
		index[i] = l.Entries[1].Index
	}
	wire.Refuse(true)
	<-time.After(15 * time.Second)
	lost := 0
	for i := range n {
		l, err := x.Queue(ctx, fmt.Sprint("k", i))
		if len(l.Entries) != 2 || l.Entries[1].Index != index[i] {
			lost++
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if lost > 0 {
		t.Errorf("x still waits on %d keys; %d of its places were lost with y", n, lost)
	}
}

// A grant's answer is lost and the TTL runs out meanwhile: the request gets another place.
func TestGrantThatExpiredUnseen_I5(t *testing.T) {
	srv := etcdtest.Start(t)
	h := open(t, srv)
	wire := etcdtest.NewWire(t, srv.Endpoint)
	y := openThrough(t, wire)
	e := h.lock(t, request("k"))
	r := request("k")
	r.TTL = 2 * time.Second
	// a pool lease, so that the grant is one round trip
	warm := y.lock(t, func() lockmod.Request { r := r; r.Key = "warm"; return r }())
	w := y.goLock(t.Context(), r)
	h.queued(t, "k", 2)
	<-time.After(500 * time.Millisecond)
	_ = y.Release(t.Context(), "warm", store.Target{Index: warm.Index})
	// H releases; Y hears of it, and its grant goes out, but nothing comes back.
	go func() { h.unlock(t, "k", e) }()
	for {
		l, err := h.Queue(t.Context(), "k")
		if err == nil && len(l.Entries) == 1 {
			break
		}
	}
	wire.Mute(true)
	<-time.After(4500 * time.Millisecond)
	wire.Mute(false)
	wire.Cut()
	select {
	case res := <-w:
		if res.err != nil {
			t.Errorf("%v", res.err)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing")
	}
}
