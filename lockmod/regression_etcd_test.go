package lockmod_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
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
	server := etcdtest.Start(t)
	client := server.Client(t)
	sessions := func() int64 {
		t.Helper()
		resp, err := client.Get(t.Context(), "/test/gateway/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			t.Fatal(err)
		}
		return resp.Count
	}
	h, x := open(t, server), open(t, server)
	wire := etcdtest.NewWire(t, server.Endpoint)
	y := openThrough(t, wire)
	const n = 60
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for i := range n {
		key := fmt.Sprint("k", i)
		h.lock(t, request(key))
		x.goLock(ctx, valued(key, "bar"))
		y.goLock(ctx, valued(key, "bar"))
	}
	var places [n]store.Entry
	for i := range places {
		key := fmt.Sprint("k", i)
		places[i] = x.queued(t, key, 2).Entries[1]
		patience.Until(t, patient, func() error {
			resp, err := client.Get(t.Context(), "/test/lock/"+key+"/"+places[i].Name)
			if err == nil && (len(resp.Kvs) != 1 || resp.Kvs[0].Version != 2) {
				err = fmt.Errorf("not both gateways have joined for %s", key)
			}
			return err
		})
	}
	both := sessions()
	wire.Refuse(true)
	patience.Until(t, 2*patient, func() error {
		if left := sessions(); left != both-1 {
			return fmt.Errorf("%d gateways have a session, want %d", left, both-1)
		}
		return nil
	})
	// What the places hang on was kept alive until shortly before, so they might go shortly after.
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		for i, place := range places {
			if l := x.queued(t, fmt.Sprint("k", i), 2); l.Entries[1].Index != place.Index {
				t.Fatalf("the place for k%d is %v now, was %v", i, l.Entries[1], place)
			}
		}
	}
}

// A grant's answer is lost and the TTL runs out meanwhile: the request gets another place.
func TestGrantThatExpiredUnseen_I5(t *testing.T) {
	server := etcdtest.Start(t)
	for n := 0; !expiresUnseen(t, server, fmt.Sprint("k", n)); n++ {
		if n == 4 {
			t.Fatal("the grant's answer has always been heard")
		}
	}
}

// expiresUnseen returns false if the grant's answer was heard.
func expiresUnseen(t *testing.T, server *etcdtest.Process, key string) bool {
	h := open(t, server)
	wire := etcdtest.NewWire(t, server.Endpoint)
	y := openThrough(t, wire)
	holder := h.lock(t, request(key))
	brief := request(key)
	brief.TTL = 2 * time.Second
	// A lease in the pool, so that the grant is one round trip.
	warm := brief
	warm.Key = "warm"
	y.unlock(t, "warm", y.lock(t, warm))
	told := y.goLock(t.Context(), brief)
	h.queued(t, key, 2)

	// The gateway hears that it is its turn, and its grant arrives, but its answer does not.
	wire.Delay(500 * time.Millisecond)
	h.unlock(t, key, holder)
	var unseen store.Entry
	patience.Until(t, patient, func() error {
		l, err := h.Queue(t.Context(), key)
		if err == nil && !(len(l.Entries) == 1 && l.Entries[0].Held) && len(told) == 0 {
			return errors.New("it has not been granted")
		}
		if err == nil && len(l.Entries) == 1 {
			unseen = l.Entries[0]
		}
		return err
	})
	wire.Mute(true)
	patience.Until(t, patient, func() error {
		l, err := h.Queue(t.Context(), key)
		if err == nil && len(l.Entries) > 0 {
			err = errors.New("the hold has not run out")
		}
		return err
	})
	if len(told) > 0 {
		return false
	}
	wire.Mute(false)
	wire.Delay(0)
	wire.Cut()
	if r := receive(t, told); r.err != nil || r.entry.Index <= unseen.Index {
		t.Errorf("got %v (%v), want another place than %v", r.entry, r.err, unseen)
	}
	return true
}
