package etcdv3

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
	"github.com/caddy-etcd/caddy-etcd/store/storetest"
)

// rk is the queue of these tests.
var rk = store.Key{Space: "lock", Name: "k"}

// barFor is a request of one value.
func barFor(ttl time.Duration, wait bool) store.Acquire {
	return store.Acquire{Value: "bar", HasValue: true, TTL: ttl, Wait: wait}
}

// A value's acquire takes effect and its answer is lost; another gateway joins the hold, and
// its client is told. What cleans up after the first one must not take the lease away.
func TestLostAcquireLeavesTheHoldThatAnotherJoined_I1(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x, y := openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	defer y.Close(context.Background())
	x.loss.next(storetest.LostAnswer)
	gx, err := x.Acquire(t.Context(), rk, barFor(time.Minute, true))
	if !errors.Is(err, store.ErrUnknown) {
		t.Fatal(err)
	}
	gy, err := y.Acquire(t.Context(), rk, barFor(time.Minute, true))
	if err != nil || !gy.Entry.Held {
		t.Fatal(gy, err)
	}
	if err := x.Withdraw(t.Context(), rk, gx.Entry); err != nil {
		t.Fatal(err)
	}
	<-time.After(2500 * time.Millisecond)
	l, _ := y.List(t.Context(), rk, 0)
	if len(l.Entries) != 1 {
		t.Errorf("y's hold of 60 s is gone after 2.5 s: %v", l.Entries)
	}
}

// Another gateway joins an entry before the first one has listed the queue; then it dies. The
// first one has to keep the entry alive.
func TestListingTellsThatAnEntryIsShared_I7(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	h, x, y := openThrough(t, srv, "/t"), openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	defer h.Close(context.Background())
	defer x.Close(context.Background())
	if _, err := h.Acquire(t.Context(), rk, store.Acquire{TTL: time.Hour, Wait: true}); err != nil {
		t.Fatal(err)
	}
	gx, err := x.Acquire(t.Context(), rk, barFor(time.Minute, true))
	if err != nil {
		t.Fatal(err)
	}
	if gy, err := y.Acquire(t.Context(), rk, barFor(time.Minute, true)); err != nil || gy.Entry.Index != gx.Entry.Index {
		t.Fatal(gy, err)
	}
	l, _ := x.List(t.Context(), rk, 0)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go x.Watch(ctx, rk, l.Revision, func(uint64, []store.Event) {})
	y.wire.Refuse(true)
	y.stop()
	<-time.After(14 * time.Second)
	l, err = x.List(t.Context(), rk, 0)
	if len(l.Entries) != 2 {
		t.Errorf("x still waits, but its entry is gone: %d entries %v", len(l.Entries), err)
	}
}

// A gateway withdraws, and its watch delivers later that another one had joined. It must not
// keep alive what it does not wait for: the other one dies.
func TestLateWatchKeepsNothingAlive_I4(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	h, x, y := openThrough(t, srv, "/t"), openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	defer h.Close(context.Background())
	defer x.Close(context.Background())
	if _, err := h.Acquire(t.Context(), rk, store.Acquire{TTL: time.Hour, Wait: true}); err != nil {
		t.Fatal(err)
	}
	gx, err := x.Acquire(t.Context(), rk, barFor(time.Minute, true))
	if err != nil {
		t.Fatal(err)
	}
	// Y joins, X withdraws; X's watch delivers these late (an unsynced watcher, a re-created stream).
	if _, err := y.Acquire(t.Context(), rk, barFor(time.Minute, true)); err != nil {
		t.Fatal(err)
	}
	if err := x.Withdraw(t.Context(), rk, gx.Entry); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go x.Watch(ctx, rk, gx.Entry.Index, func(uint64, []store.Event) {})
	<-time.After(time.Second)
	stop()
	y.wire.Refuse(true)
	y.stop()
	<-time.After(25 * time.Second)
	l, err := h.List(t.Context(), rk, 0)
	if len(l.Entries) != 1 {
		t.Errorf("25 s after y's death, nobody waits, there are %d entries %v", len(l.Entries), err)
	}
}

// A grant's answer is lost, and the TTL runs out before it can be asked for again: nobody has
// deleted the entry.
func TestExpiredGrantIsNotACancellation_I5(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	g, err := x.Acquire(t.Context(), rk, store.Acquire{TTL: 2 * time.Second, Wait: true, Contended: true})
	if err != nil {
		t.Fatal(err)
	}
	x.loss.next(storetest.LostAnswer)
	e, err := x.Grant(t.Context(), rk, g.Entry, store.Ahead{}, 2*time.Second)
	if !errors.Is(err, store.ErrUnknown) {
		t.Fatal(err)
	}
	eventually(t, "its TTL is over", func() bool {
		resp, err := x.get(t.Context(), x.queue(rk).entry(e.Name))
		return err == nil && len(resp.Kvs) == 0
	})
	if e, err = x.Grant(t.Context(), rk, e, store.Ahead{}, 2*time.Second); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	if exp, err := x.Expired(t.Context(), rk, e); !exp {
		t.Errorf("Expired: %v %v, want true: its TTL ran out before anybody was told", exp, err)
	}
}

// A request that does not wait, and one that is withdrawn before there is a watch, give their
// names back.
func TestNamesAreGivenBack(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	h, x := openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	defer h.Close(context.Background())
	defer x.Close(context.Background())
	if _, err := h.Acquire(t.Context(), rk, store.Acquire{TTL: time.Hour, Wait: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Acquire(t.Context(), rk, store.Acquire{TTL: time.Hour, Contended: true}); !errors.Is(err, store.ErrTaken) {
		t.Fatal(err)
	}
	if n := len(x.names.queues); n != 0 {
		t.Errorf("peek: %d queues' names remain", n)
	}

	g, err := x.Acquire(t.Context(), rk, store.Acquire{TTL: time.Hour, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Withdraw(t.Context(), rk, g.Entry); err != nil {
		t.Fatal(err)
	}
	if n := len(x.names.queues); n != 0 {
		t.Errorf("withdrawn before a watch: %d queues' names remain", n)
	}
}

// A shared place that was deleted by hand did not expire, also for a gateway that looks later.
func TestReleasedSharedEntryHasNotExpired(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	h, x, y := openThrough(t, srv, "/t"), openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	for _, g := range []*testGateway{h, x, y} {
		defer g.Close(context.Background())
	}
	if _, err := h.Acquire(t.Context(), rk, store.Acquire{TTL: time.Hour, Wait: true}); err != nil {
		t.Fatal(err)
	}
	gx, _ := x.Acquire(t.Context(), rk, barFor(time.Minute, true))
	gy, err := y.Acquire(t.Context(), rk, barFor(time.Minute, true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Release(t.Context(), rk, store.Target{Index: gx.Entry.Index}, nil); err != nil {
		t.Fatal(err)
	}
	<-time.After(2 * time.Second)
	if exp, err := y.Expired(t.Context(), rk, gy.Entry); exp || err != nil {
		t.Errorf("Expired: %v %v after a DELETE", exp, err)
	}
}

// A write of epoch 0, where the session has no key, is fenced off although the session's lease
// has gone.
func TestFenceWithoutASession_I10(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x, y := openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	defer y.Close(context.Background())
	gx, err := x.Acquire(t.Context(), rk, barFor(time.Minute, true))
	if err != nil {
		t.Fatal(err)
	}
	// Y: Contended try => peek, then joinHeld is the first Txn that is lost? peek is a Txn too: use acquire's first.
	ss, err := y.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := y.find(t.Context(), y.queue(rk), store.Target{Value: "bar"})
	if err != nil {
		t.Fatal(err)
	}
	deliver := y.loss.next(storetest.DelayedRequest)
	got, err := y.joinHeld(t.Context(), y.queue(rk), ss.epoch.Load(), e, 60)
	if !errors.Is(err, store.ErrUnknown) {
		t.Fatal(err)
	}
	if _, err := srv.Client(t).Revoke(t.Context(), ss.lease); err != nil {
		t.Fatal(err)
	}
	if err := y.Withdraw(t.Context(), rk, got.Entry); err != nil {
		t.Fatal(err)
	}
	deliver()
	// X could not tell its client: it withdraws; nobody waits for the entry any more.
	if err := x.Withdraw(t.Context(), rk, gx.Entry); err != nil {
		t.Fatal(err)
	}
	l, _ := x.List(t.Context(), rk, 0)
	if len(l.Entries) != 0 {
		t.Errorf("a hold that is nobody's: %+v", refOf(l.Entries[0]).rec)
	}
}

// A renewal with another TTL is written, and then the lease can't be renewed: that is not
// "nothing was written".
func TestRenewalThatTookEffectIsNotUnavailable(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	gx, err := x.Acquire(t.Context(), rk, barFor(time.Minute, true))
	if err != nil {
		t.Fatal(err)
	}
	// the keepalive streams are what fails, after the swap
	x.leases.keepalives.ctx = func() context.Context { c, s := context.WithCancel(context.Background()); s(); return c }()
	x.leases.keepalives.ended()
	_, err = x.Renew(t.Context(), rk, store.Target{Index: gx.Entry.Index}, 5*time.Second)
	l, _ := x.list(t.Context(), x.queue(rk), 0)
	if errors.Is(err, store.ErrUnavailable) && l.Entries[0].TTL != time.Minute {
		t.Errorf("ErrUnavailable (nothing written), but the TTL is now %v", l.Entries[0].TTL)
	}
}
