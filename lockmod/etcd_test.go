package lockmod_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
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

const (
	space   = "lock"
	patient = 20 * time.Second
)

// gateway is a service on a real etcd, and what is under it.
type gateway struct {
	*lockmod.Service
	store *etcdv3.Store
}

func open(t *testing.T, server *etcdtest.Process) gateway {
	t.Helper()
	st := etcdv3.Open(server.Client(t, etcdv3.DialOptions()...), etcdv3.Options{Prefix: "/test"})
	svc := lockmod.New(st, space, zap.NewNop())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		svc.Close(ctx)
		if err := st.Close(ctx); err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("closing the store: %v", err)
		}
	})
	return gateway{svc, st}
}

func request(key string) lockmod.Request {
	return lockmod.Request{Key: key, TTL: time.Minute, Timeout: lockmod.WaitForever}
}

func valued(key, value string) lockmod.Request {
	r := request(key)
	r.Value, r.HasValue = value, true
	return r
}

func (g gateway) lock(t *testing.T, r lockmod.Request) store.Entry {
	t.Helper()
	hold, err := g.Acquire(t.Context(), r)
	if err != nil {
		t.Fatalf("acquiring %s: %v", r.Key, err)
	}
	hold.Settle(true)
	return hold.Entry
}

func (g gateway) unlock(t *testing.T, key string, e store.Entry) {
	t.Helper()
	if err := g.Release(t.Context(), key, store.Target{Index: e.Index}); err != nil {
		t.Errorf("releasing %s: %v", key, err)
	}
}

// result of a request that runs in the background.
type result struct {
	entry store.Entry
	err   error
	at    time.Time
}

func (g gateway) goLock(ctx context.Context, r lockmod.Request) <-chan result {
	c := make(chan result, 1)
	go func() {
		hold, err := g.Acquire(ctx, r)
		res := result{err: err, at: time.Now()}
		if err == nil {
			res.entry = hold.Entry
			hold.Settle(true)
		}
		c <- res
	}()
	return c
}

// queued waits until the queue of key has n entries.
func (g gateway) queued(t *testing.T, key string, n int) store.Listing {
	t.Helper()
	var l store.Listing
	patience.Until(t, patient, func() error {
		var err error
		if l, err = g.Queue(t.Context(), key); err == nil && len(l.Entries) != n {
			err = fmt.Errorf("%d entries in the queue, want %d", len(l.Entries), n)
		}
		return err
	})
	return l
}

func receive(t *testing.T, c <-chan result) result {
	t.Helper()
	select {
	case r := <-c:
		return r
	case <-time.After(30 * time.Second):
		t.Fatal("no answer within 30 s")
		return result{}
	}
}

// With etcd away a request is answered in less than 5 s, and those that wait go
// on when it is back, without losing their places (I5).
func TestEtcdAway_I5(t *testing.T) {
	server := etcdtest.Start(t)
	g := open(t, server)
	holder := g.lock(t, request("k"))
	first := g.goLock(t.Context(), request("k"))
	g.queued(t, "k", 2)
	second := g.goLock(t.Context(), request("k"))
	places := g.queued(t, "k", 3)

	server.Stop()
	// A request that the breaking connection takes along is unknown, not unavailable.
	if _, err := g.Queue(t.Context(), "other"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("reading with etcd away: %v, want ErrUnavailable", err)
	}
	clock := patience.Start(t)
	if _, err := g.Acquire(t.Context(), request("other")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("acquiring with etcd away: %v, want ErrUnavailable", err)
	}
	if took := clock.Took(); took > 5*time.Second {
		t.Errorf("that took %v, want less than 5 s", took)
	}
	server.Restart(t)

	g.unlock(t, "k", holder)
	r1 := receive(t, first)
	if r1.err != nil || r1.entry.Index != places.Entries[1].Index {
		t.Fatalf("the first in the queue got %v, %v; want index %d", r1.entry.Index, r1.err, places.Entries[1].Index)
	}
	g.unlock(t, "k", r1.entry)
	r2 := receive(t, second)
	if r2.err != nil || r2.entry.Index != places.Entries[2].Index {
		t.Fatalf("the second in the queue got %v, %v; want index %d", r2.entry.Index, r2.err, places.Entries[2].Index)
	}
}

// A waiter whose session has expired while it waited queues again, by itself.
func TestSessionLost_I5(t *testing.T) {
	server := etcdtest.Start(t)
	g, client := open(t, server), server.Client(t)
	holder := g.lock(t, request("k"))
	c := g.goLock(t.Context(), request("k"))
	old := g.queued(t, "k", 2).Entries[1]

	leases, err := client.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leases.Leases {
		info, err := client.TimeToLive(t.Context(), l.ID)
		if err != nil {
			t.Fatal(err)
		}
		if info.GrantedTTL == 10 { // the session's
			if _, err := client.Revoke(t.Context(), l.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	patience.Until(t, patient, func() error {
		l, err := g.Queue(t.Context(), "k")
		if err == nil && (len(l.Entries) != 2 || l.Entries[1].Index <= old.Index) {
			err = fmt.Errorf("the queue is %v; want a new second entry", l.Entries)
		}
		return err
	})
	g.unlock(t, "k", holder)
	if r := receive(t, c); r.err != nil || r.entry.Index <= old.Index {
		t.Errorf("got %v, %v", r.entry, r.err)
	}
}

// One value, one place, through two gateways: both are told at the same moment,
// with the same index; if one leaves, or its gateway dies, the other keeps it.
func TestSharedValueAcrossGateways_I7(t *testing.T) {
	server := etcdtest.Start(t)
	a, b := open(t, server), open(t, server)
	holder := a.lock(t, request("k"))

	ctx, leave := context.WithCancel(t.Context())
	one := a.goLock(ctx, valued("k", "bar"))
	place := a.queued(t, "k", 2).Entries[1]
	two := b.goLock(t.Context(), valued("k", "bar"))
	three := a.goLock(t.Context(), valued("k", "other"))
	a.queued(t, "k", 3)
	patience.Until(t, patient, func() error {
		if b.Waiting() != 1 {
			return fmt.Errorf("%d wait on the second gateway", b.Waiting())
		}
		return nil
	})
	// The second gateway's request has joined when its write is in etcd.
	client := server.Client(t)
	patience.Until(t, patient, func() error {
		resp, err := client.Get(t.Context(), "/test/lock/k/"+place.Name)
		if err == nil && (len(resp.Kvs) != 1 || resp.Kvs[0].Version != 2) {
			err = errors.New("the second gateway has not joined")
		}
		return err
	})

	leave()
	if r := receive(t, one); !errors.Is(r.err, context.Canceled) {
		t.Errorf("the one that left got %v", r.err)
	}
	patience.Until(t, patient, func() error {
		resp, err := client.Get(t.Context(), "/test/lock/k/"+place.Name)
		if err == nil && (len(resp.Kvs) != 1 || resp.Kvs[0].Version != 3) {
			err = errors.New("the first gateway has not left")
		}
		return err
	})
	if l := a.queued(t, "k", 3); l.Entries[1].Index != place.Index {
		t.Fatalf("the place is %v now, was %v", l.Entries[1], place)
	}
	again := a.goLock(t.Context(), valued("k", "bar"))
	patience.Until(t, patient, func() error {
		resp, err := client.Get(t.Context(), "/test/lock/k/"+place.Name)
		if err == nil && (len(resp.Kvs) != 1 || resp.Kvs[0].Version != 4) {
			err = errors.New("the first gateway has not joined again")
		}
		return err
	})

	clock := patience.Start(t)
	b.unlock(t, "k", holder)
	r1, r2 := receive(t, again), receive(t, two)
	if r1.err != nil || r2.err != nil || r1.entry.Index != place.Index || r2.entry.Index != place.Index {
		t.Fatalf("got %v, %v and %v, %v; want index %d twice", r1.entry, r1.err, r2.entry, r2.err, place.Index)
	}
	if apart := clock.Ran(r1.at, r2.at); apart > time.Second {
		t.Errorf("they were told %v apart", apart)
	}
	if _, err := a.Renew(t.Context(), "k", store.Target{Value: "bar"}, time.Minute); err != nil {
		t.Errorf("renewing: %v", err)
	}
	a.unlock(t, "k", r1.entry)
	if r := receive(t, three); r.err != nil {
		t.Errorf("the next one got %v", r.err)
	}
}

// Clients through two gateways: one holder at a time, in the order of the
// indices; and afterwards nothing is left in etcd, no lease either.
func TestTwoGateways_I1_I2_I3(t *testing.T) {
	server := etcdtest.Start(t)
	gateways := []gateway{open(t, server), open(t, server)}
	holder := gateways[0].lock(t, request("k"))

	var mu sync.Mutex
	var order []uint64
	holding := 0
	var clients sync.WaitGroup
	const n = 200
	for i := range n {
		g := gateways[i%2]
		clients.Go(func() {
			hold, err := g.Acquire(t.Context(), request("k"))
			if err != nil {
				t.Errorf("acquiring: %v", err)
				return
			}
			mu.Lock()
			if holding++; holding != 1 {
				t.Errorf("%d hold the lock", holding)
			}
			order = append(order, hold.Entry.Index)
			holding--
			mu.Unlock()
			hold.Settle(true)
			g.unlock(t, "k", hold.Entry)
		})
	}
	places := gateways[0].queued(t, "k", n+1)
	gateways[1].unlock(t, "k", holder)
	clients.Wait()
	for i, e := range places.Entries[1:] {
		if order[i] != e.Index {
			t.Fatalf("%d was granted as number %d, want %d", order[i], i, e.Index)
		}
	}

	client := server.Client(t)
	patience.Until(t, patient, func() error {
		resp, err := client.Get(t.Context(), "/test/lock/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err == nil && resp.Count != 0 {
			err = fmt.Errorf("%d entries are left", resp.Count)
		}
		return err
	})
	patience.Until(t, patient, func() error {
		leases, err := client.Leases(t.Context())
		if err == nil && len(leases.Leases) > len(gateways) {
			err = fmt.Errorf("%d leases are left, want the sessions' %d", len(leases.Leases), len(gateways))
		}
		return err
	})
}

// A request that goes away leaves nothing behind within a second, and the one
// behind it moves up (I4).
func TestVanishedClients_I4(t *testing.T) {
	server := etcdtest.Start(t)
	g := open(t, server)
	holder := g.lock(t, request("k"))
	ctx, vanish := context.WithCancel(t.Context())
	for range 100 {
		g.goLock(ctx, request("k"))
	}
	g.queued(t, "k", 101)
	stays := g.goLock(t.Context(), request("k"))
	g.queued(t, "k", 102)

	clock := patience.Start(t)
	vanish()
	g.queued(t, "k", 2)
	if took := clock.Took(); took > time.Second {
		t.Errorf("their entries were gone after %v, want within 1 s", took)
	}
	g.unlock(t, "k", holder)
	if r := receive(t, stays); r.err != nil {
		t.Errorf("the one that stayed got %v", r.err)
	}
}
