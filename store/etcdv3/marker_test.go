package etcdv3

import (
	"context"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// However a hold ends, those who watch and those who look at it later are told the
// same. Then leases are revoked, which must not change what is told of the past.
func TestEndsOfHolds(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	raw := srv.Client(t)
	x, y := openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	const ttl = time.Minute
	key := func(g *testGateway, name string, e store.Entry) string { return g.queue(lock(name)).entry(e.Name) }
	revoke := func(t *testing.T, g *testGateway, name string) {
		e := must[store.Entry](t)(g.find(t.Context(), g.queue(lock(name)), store.Target{Index: must[store.Listing](t)(g.List(t.Context(), lock(name), 1)).Entries[0].Index}))
		must[*clientv3.LeaseRevokeResponse](t)(raw.Revoke(t.Context(), refOf(e).lease))
	}
	ends := map[string]struct {
		end     func(t *testing.T, name string)
		expired bool
	}{
		"released": {end: func(t *testing.T, name string) { releaseIt(t, x, name, acquireFor(t, x, name, ttl)) }},
		"withdrawn": {end: func(t *testing.T, name string) {
			e := acquireFor(t, x, name, ttl)
			if err := x.Withdraw(t.Context(), lock(name), e); err != nil {
				t.Fatal(err)
			}
		}},
		"released elsewhere": {end: func(t *testing.T, name string) { releaseIt(t, y, name, acquireFor(t, x, name, ttl)) }},
		"deleted by hand": {end: func(t *testing.T, name string) {
			e := acquireFor(t, x, name, ttl)
			must[*clientv3.DeleteResponse](t)(raw.Delete(t.Context(), key(x, name, e)))
		}},
		"handed over": {end: func(t *testing.T, name string) {
			e, w := acquireFor(t, x, name, ttl), acquireFor(t, x, name, ttl)
			granted := must[*store.Entry](t)(x.Release(t.Context(), lock(name), store.Target{Index: e.Index, Hint: &e}, &store.Successor{Entry: w, TTL: ttl}))
			if granted == nil {
				t.Fatal("nobody is granted the lock")
			}
		}},
		"granted, then released": {end: func(t *testing.T, name string) {
			e := must[store.Acquired](t)(x.Acquire(t.Context(), lock(name), store.Acquire{TTL: ttl, Wait: true, Contended: true})).Entry
			releaseIt(t, x, name, must[store.Entry](t)(x.Grant(t.Context(), lock(name), e, store.Ahead{}, ttl)))
		}},
		"renewed for longer, then released": {end: func(t *testing.T, name string) {
			e := acquireFor(t, x, name, ttl)
			must[store.Entry](t)(y.Renew(t.Context(), lock(name), store.Target{Index: e.Index}, 2*ttl))
			releaseIt(t, x, name, e)
		}},
		"after a hold that another made": {end: func(t *testing.T, name string) {
			e := acquireFor(t, x, name, 7*time.Minute)
			must[store.Entry](t)(y.Renew(t.Context(), lock(name), store.Target{Index: e.Index}, 7*time.Minute))
			releaseIt(t, y, name, e)
			next := acquireFor(t, y, name, 7*time.Minute)
			if refOf(next).lease == refOf(e).lease {
				t.Errorf("%+v is on the lease of %+v, of which y does not know under which leader it was granted", next, e)
			}
			releaseIt(t, y, name, next)
		}},
		"a value that two hold for longer": {end: func(t *testing.T, name string) {
			a := store.Acquire{Value: "v", HasValue: true, TTL: ttl, Wait: true}
			e := must[store.Acquired](t)(x.Acquire(t.Context(), lock(name), a)).Entry
			a.TTL = 3 * ttl
			must[store.Acquired](t)(y.Acquire(t.Context(), lock(name), a))
			releaseIt(t, x, name, e)
		}},
		"put by hand, without a lease": {end: func(t *testing.T, name string) {
			k := x.queue(lock(name)).entry("v-byhand")
			must[*clientv3.PutResponse](t)(raw.Put(t.Context(), k, record{}.heldBy("g", 60).encode("v")))
			must[*clientv3.DeleteResponse](t)(raw.Delete(t.Context(), k))
		}},
		"of a gateway that puts no markers": {end: func(t *testing.T, name string) {
			l := must[*clientv3.LeaseGrantResponse](t)(raw.Grant(t.Context(), 60))
			k := x.queue(lock(name)).entry("v-old")
			must[*clientv3.PutResponse](t)(raw.Put(t.Context(), k, record{}.heldBy("g", 60).encode("v"), clientv3.WithLease(l.ID)))
			must[*clientv3.LeaseRevokeResponse](t)(raw.Revoke(t.Context(), l.ID))
		}},

		"expired": {expired: true, end: func(t *testing.T, name string) { acquireFor(t, x, name, time.Second) }},
		"revoked": {expired: true, end: func(t *testing.T, name string) {
			acquireFor(t, x, name, ttl)
			revoke(t, x, name)
		}},
		"revoked on a used lease": {expired: true, end: func(t *testing.T, name string) {
			releaseIt(t, x, name, acquireFor(t, x, name, 8*time.Minute))
			acquireFor(t, x, name, 8*time.Minute)
			revoke(t, x, name)
		}},
		"revoked when it had been renewed for longer": {expired: true, end: func(t *testing.T, name string) {
			e := acquireFor(t, x, name, ttl)
			must[store.Entry](t)(y.Renew(t.Context(), lock(name), store.Target{Index: e.Index}, 2*ttl))
			revoke(t, x, name)
		}},
		"revoked after a grant": {expired: true, end: func(t *testing.T, name string) {
			e := must[store.Acquired](t)(x.Acquire(t.Context(), lock(name), store.Acquire{TTL: ttl, Wait: true, Contended: true})).Entry
			must[store.Entry](t)(x.Grant(t.Context(), lock(name), e, store.Ahead{}, ttl))
			revoke(t, x, name)
		}},
	}

	live := observe(t, y.Store, allLocks, 0)
	begin := live.revision
	for name, e := range ends {
		e.end(t, name)
	}
	want := func(o *told, who string) {
		t.Helper()
		for name, e := range ends {
			c := o.until(t, who+" is told the end of "+name, name, func(c store.Change) bool { return c.Deleted && (!e.expired || c.Expired) })
			if c.Expired != e.expired {
				t.Errorf("%s: %s is told as %+v", who, name, c)
			}
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, c := range o.changes {
			if c.Expired && !ends[c.Queue].expired {
				t.Errorf("%s: %s is told as %+v", who, c.Queue, c)
			}
		}
	}
	want(live, "one that was there")
	want(observe(t, x.Store, allLocks, begin), "one that came later")
	for _, g := range []*testGateway{x, y} {
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	z := openThrough(t, srv, "/t")
	defer z.Close(context.Background())
	want(observe(t, z.Store, allLocks, begin), "one that came after the leases had gone")
}

// A lease that was put back unused has no marker yet, and gets it with its first hold.
func TestUnusedLeaseIsMarkedLater(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	raw := srv.Client(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	acquireFor(t, x, "k", time.Hour)
	w := acquireFor(t, x, "k", time.Minute) // takes a lease, and does not need it
	markers := func() int {
		resp := must[*clientv3.GetResponse](t)(raw.Get(t.Context(), "/t/lease/", clientv3.WithPrefix(), clientv3.WithCountOnly()))
		return int(resp.Count)
	}
	if n := markers(); n != 1 {
		t.Fatalf("%d markers, want that of the holder", n)
	}
	if x.leases.idleCount != 1 {
		t.Fatalf("%d leases are idle, want 1", x.leases.idleCount)
	}
	acquireFor(t, x, "other", time.Minute)
	if n := markers(); n != 2 || x.leases.idleCount != 0 {
		t.Errorf("%d markers and %d idle leases, want 2 and none", n, x.leases.idleCount)
	}
	if err := x.Withdraw(t.Context(), lock("k"), w); err != nil {
		t.Fatal(err)
	}
}

// In a steady state, markers cost nothing: they are put once for each lease, stay as
// many as there are leases, and go with them.
func TestMarkersCostNothing(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	raw := srv.Client(t)
	x := openThrough(t, srv, "/t")
	watch := raw.Watch(t.Context(), "/t/lease/", clientv3.WithPrefix())
	for range 20 {
		e := acquireFor(t, x, "k", time.Minute)
		w := acquireFor(t, x, "k", time.Minute)
		granted := must[*store.Entry](t)(x.Release(t.Context(), lock("k"), store.Target{Index: e.Index, Hint: &e}, &store.Successor{Entry: w, TTL: time.Minute}))
		releaseIt(t, x, "k", must[store.Entry](t)(x.Grant(t.Context(), lock("k"), *granted, store.Ahead{}, time.Minute)))
	}
	if err := x.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var events []*clientv3.Event
	for len(events) < 4 {
		select {
		case resp := <-watch:
			events = append(events, resp.Events...)
		case <-time.After(10 * time.Second):
			t.Fatalf("the markers stay: %v", events)
		}
	}
	for i, e := range events { // two leases: of the one and the next
		if put := e.Type == mvccpb.PUT; put != (i < 2) {
			t.Errorf("change %d is %v", i, e)
		}
	}
}

// Where etcd has forgotten what was there when a hold went, that counts as released.
func TestForgottenEnds(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	raw := srv.Client(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	e := acquireFor(t, x, "k", time.Minute)
	lease := refOf(e).lease
	gone := must[*clientv3.LeaseRevokeResponse](t)(raw.Revoke(t.Context(), lease)).Header.Revision
	expired := func() bool { return must[bool](t)(x.ranOut(t.Context(), lease, gone)) }
	if !expired() {
		t.Error("a lease that was revoked has not run out")
	}
	last := must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "x", "")).Header.Revision
	must[*clientv3.CompactResponse](t)(raw.Compact(t.Context(), gone, clientv3.WithCompactPhysical()))
	if !expired() {
		t.Error("a lease of whose end etcd knows has not run out")
	}
	must[*clientv3.CompactResponse](t)(raw.Compact(t.Context(), last, clientv3.WithCompactPhysical()))
	if expired() {
		t.Error("it is made up that a lease has run out")
	}
}
