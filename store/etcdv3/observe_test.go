package etcdv3

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

var allLocks = store.Scope{Space: "lock", Prefix: true}

// told is what one Observe has told.
type told struct {
	stop context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	begun    bool
	start    []store.Queue
	revision uint64
	changes  []store.Change
	err      error
}

func observe(t *testing.T, s *Store, scope store.Scope, after uint64) *told {
	t.Helper()
	o := &told{done: make(chan struct{})}
	return o.run(t, s, scope, after, func(revision uint64, queues []store.Queue) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.begun, o.revision, o.start = true, revision, queues
	})
}

func (o *told) run(t *testing.T, s *Store, scope store.Scope, after uint64, start func(uint64, []store.Queue)) *told {
	ctx, cancel := context.WithCancel(context.Background())
	o.stop = cancel
	go func() {
		defer close(o.done)
		o.err = s.Observe(ctx, scope, after, start, func(revision uint64, changes []store.Change) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.revision = revision
			o.changes = append(o.changes, changes...)
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-o.done
	})
	if start != nil {
		eventually(t, "the observer begins", func() bool { return o.look(func() bool { return o.begun }) })
	}
	return o
}

func (o *told) look(f func() bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return f()
}

// until waits for a change of an entry of a queue.
func (o *told) until(t *testing.T, what, queue string, fits func(store.Change) bool) store.Change {
	t.Helper()
	var found store.Change
	eventually(t, what, func() bool {
		return o.look(func() bool {
			i := slices.IndexFunc(o.changes, func(c store.Change) bool { return c.Queue == queue && fits(c) })
			if i >= 0 {
				found = o.changes[i]
			}
			return i >= 0
		})
	})
	return found
}

func isGone(c store.Change) bool { return c.Deleted }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func lock(name string) store.Key { return store.Key{Space: "lock", Name: name} }

// acquireFor takes a lock, or waits for it.
func acquireFor(t *testing.T, g *testGateway, name string, ttl time.Duration) store.Entry {
	t.Helper()
	return must[store.Acquired](t)(g.Acquire(t.Context(), lock(name), store.Acquire{TTL: ttl, Wait: true})).Entry
}

func releaseIt(t *testing.T, g *testGateway, name string, e store.Entry) {
	t.Helper()
	must[*store.Entry](t)(g.Release(t.Context(), lock(name), store.Target{Index: e.Index}, nil))
}

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
		"on a lease from another's hold": {end: func(t *testing.T, name string) {
			e := acquireFor(t, x, name, 7*time.Minute)
			must[store.Entry](t)(y.Renew(t.Context(), lock(name), store.Target{Index: e.Index}, 7*time.Minute)) // now y knows the lease
			releaseIt(t, y, name, e)
			next := acquireFor(t, y, name, 7*time.Minute)
			if refOf(next).lease != refOf(e).lease {
				t.Errorf("%+v is on another lease than %+v", next, e)
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

// Keys that no gateway can have made are in no queue that a survey or an observer
// shows; an entry put by hand is.
func TestOddKeysAreNoQueues(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	raw := srv.Client(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	names := []string{"a b", "a-b", "a", "a%", "%", "..", "ü/ö", "_"}
	for _, name := range names {
		acquireFor(t, x, name, time.Minute)
	}
	odd := []string{"a b/x", "a", "a-", "/x", "%/x", "%2/x", "%zz/x", "%61/x", "_/x", "../x", "ü/x", "", "/"}
	for _, key := range odd {
		must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "/t/lock/"+key, "x"))
	}
	must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "/t/lock/a/by/hand", "x"))
	must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "/t/locks/a/x", "x"))
	want := slices.SortedFunc(slices.Values(names), store.CompareNames)
	for _, limit := range []int{1, 2, 100} {
		var got []string
		for after, more := "", true; more; after = got[len(got)-1] {
			page := must[store.Survey](t)(x.Queues(t.Context(), allLocks, after, limit))
			for _, q := range page.Queues {
				got = append(got, q.Name)
			}
			more = page.More
		}
		if !slices.Equal(got, want) {
			t.Errorf("in steps of %d, the queues are %q, want %q", limit, got, want)
		}
	}

	o := observe(t, x.Store, allLocks, 0)
	if len(o.start) != len(names) {
		t.Errorf("the observer starts with %+v", o.start)
	}
	for _, key := range odd {
		must[*clientv3.DeleteResponse](t)(raw.Delete(t.Context(), "/t/lock/"+key))
	}
	must[*clientv3.DeleteResponse](t)(raw.Delete(t.Context(), "/t/lock/a/by/hand"))
	o.until(t, "what was put by hand goes", "a", isGone)
	if len(o.changes) != 1 || o.changes[0].Expired {
		t.Errorf("the observer was told %+v", o.changes)
	}
}

// Two thousand queues, some of them large: all are shown, and each holder is looked at,
// but no more than a few in a second.
func TestManyQueues(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	raw := srv.Client(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	const n = 2000
	lease := must[*clientv3.LeaseGrantResponse](t)(raw.Grant(t.Context(), 600)).ID
	held, waits := record{}.heldBy("g", 600).encode("v"), record{State: stateWaiting}.encode("")
	var ops []clientv3.Op
	flush := func() {
		must[*clientv3.TxnResponse](t)(raw.Txn(t.Context()).Then(ops...).Commit())
		ops = nil
	}
	name := func(i int) string { return fmt.Sprintf("job-%04d", i) }
	for i := range n {
		q := x.queue(lock(name(i)))
		ops = append(ops, clientv3.OpPut(q.entry("v-holder"), held, clientv3.WithLease(lease)))
		if i%500 == 7 {
			flush()
			for j := range 90 {
				ops = append(ops, clientv3.OpPut(q.entry(fmt.Sprintf("a-%d", j)), waits))
			}
		}
		if len(ops) >= 30 {
			flush()
		}
	}
	ops = append(ops, clientv3.OpPut(x.queue(lock("job")).entry("v-holder"), held, clientv3.WithLease(lease)))
	flush()

	scope := store.Scope{Space: "lock", Name: "job", Prefix: true}
	entries := func(i int) int {
		if i%500 == 7 {
			return 91
		}
		return 1
	}
	o := observe(t, x.Store, scope, 0)
	if len(o.start) != n+1 {
		t.Errorf("the observer starts with %d queues", len(o.start))
	}
	for _, q := range o.start {
		if q.Entries[0].Left < 590*time.Second {
			t.Fatalf("%s is shown as %+v", q.Name, q.Entries[0])
		}
	}
	all := 0
	for after, more := "", true; more; {
		page := must[store.Survey](t)(x.Queues(t.Context(), scope, after, 700))
		for _, q := range page.Queues {
			// The last one is the one without a number: a slash comes behind it.
			if all < n && (q.Name != name(all) || len(q.Entries) != entries(all)) || all >= n && q.Name != "job" {
				t.Fatalf("number %d is %s with %d entries", all, q.Name, len(q.Entries))
			}
			all++
		}
		after, more = page.Queues[len(page.Queues)-1].Name, page.More
	}
	if all != n+1 {
		t.Errorf("there are %d queues", all)
	}
	looked, began := x.timeToLives.Load(), time.Now()
	eventually(t, "there are three rounds of looks", func() bool { return x.timeToLives.Load()-looked >= 3*looksATime })
	if took := time.Since(began); took < lookEvery*3/2 {
		t.Errorf("%d looks took %v", 3*looksATime, took)
	}

	releaseIt(t, x, name(7), store.Entry{Index: o.start[slices.IndexFunc(o.start, func(q store.Queue) bool { return q.Name == name(7) })].Entries[0].Index})
	o.until(t, "one goes", name(7), isGone)
	must[*clientv3.LeaseRevokeResponse](t)(raw.Revoke(t.Context(), lease))
	eventually(t, "all go", func() bool { return o.look(func() bool { return len(o.changes) == n+1 }) })
}

// A lease that has more left may be under another hold by now.
func TestRaisedLeaseOfAnotherHold(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	e := acquireFor(t, x, "k", time.Minute)
	r := refOf(e)
	a := asked{key: x.queue(lock("k")).entry(e.Name), lease: r.lease, revision: r.rev}
	a.expect = granted(time.Now().Add(-10*time.Second), time.Minute)
	if got := must[sighting](t)(x.sight(t.Context(), a)); !got.renewed || got.unclear {
		t.Errorf("a hold with more left than it can have looks like %+v", got)
	}
	releaseIt(t, x, "k", e)
	if next := acquireFor(t, x, "k", time.Minute); refOf(next).lease != r.lease || next.Name != e.Name {
		t.Fatalf("%+v is on another lease than %+v", next, e)
	}
	if got := must[sighting](t)(x.sight(t.Context(), a)); got.renewed || !got.unclear {
		t.Errorf("the next hold on the lease makes the one before look like %+v", got)
	}
}

// A progress notification tells that there were no changes.
func TestProgressIsTold(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	var got []uint64
	o := &observer{s: x.Store, revision: 5, apply: func(revision uint64, changes []store.Change) {
		if len(changes) > 0 {
			t.Errorf("there are changes %+v", changes)
		}
		got = append(got, revision)
	}}
	for _, revision := range []int64{4, 5, 7, 7, 9} {
		progress := clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{Revision: revision}}
		if err := o.tellAll(t.Context(), []arrival{{progress, time.Now()}}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []uint64{7, 9}) {
		t.Errorf("told of %v", got)
	}
}
