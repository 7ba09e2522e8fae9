package etcdv3

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// A round of looks whose context ended before it began has seen nothing. The observer
// may come to judge it before it sees that it has ended itself, and must not panic.
func TestRoundThatDidNotLook(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	e := acquireFor(t, x, "k", time.Minute)
	q := x.queue(lock("k"))
	h := &hold{key: q.entry(e.Name), entry: e}
	o := &observer{s: x.Store, holds: map[string]*hold{h.key: h}, apply: func(uint64, []store.Change) {}}
	ctx, cancel := context.WithCancel(t.Context())
	whose := o.whose()
	cancel() // between the timer and the first look
	r := x.lookRound(ctx, whose, 0)
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("lookRound says %v, and judging it panics: %v", r.err, p)
		}
	}()
	if r.err == nil { // as run does
		o.judge(ctx, r.sightings)
	}
}

// What could not be read is not told as 0.
func TestQueuesWithoutTime(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	e := acquireFor(t, x, "k", time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // after the range has been read, before what is left is asked
	queues := []store.Queue{{Name: "k", Entries: []store.Entry{e}}}
	queues[0].Entries[0].Left = 0
	if err := x.fillLeft(ctx, queues); err == nil {
		t.Errorf("no error, and %v left", queues[0].Entries[0].Left)
	}
}

// A renewal right after an observer has begun is told like any other, if it adds 3 s
// or more.
func TestRenewalRightAfterTheBeginning(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x, y := openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	defer y.Close(context.Background())
	e := acquireFor(t, x, "k", time.Minute)
	left(t, x, "k", 54*time.Second) // more than 3 s to add
	o := observe(t, y.Store, store.Scope{Space: "lock", Name: "k"}, 0)
	if _, err := x.Renew(t.Context(), lock("k"), store.Target{Index: e.Index}, time.Minute); err != nil {
		t.Fatal(err)
	}
	clock := patience.Start(t)
	o.until(t, "a renewal that adds 6 s", "k", func(c store.Change) bool { return c.Renewed && c.Entry.Index == e.Index })
	if took := clock.Took(); took > 6*time.Second {
		t.Errorf("it is told after %v; the start has shown %v left", took, o.start[0].Entries[0].Left)
	}
}

// left waits until a hold has no more than that left.
func left(t *testing.T, g *testGateway, name string, ttl time.Duration) {
	t.Helper()
	eventually(t, "time goes by", func() bool {
		l, err := g.List(t.Context(), lock(name), 1)
		return err == nil && l.Holder().Left <= ttl
	})
}

// What an observer is told late, because etcd was out of reach, it does not tell as if
// it had begun just now: Left is what is left when that is told.
func TestLeftOfAHoldThatIsToldLate(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x, y := openThrough(t, srv, "/t"), openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	defer y.Close(context.Background())
	o := observe(t, x.Store, store.Scope{Space: "lock", Name: "k"}, 0)
	x.wire.Refuse(true)
	acquireFor(t, y, "k", 30*time.Second)
	left(t, y, "k", 22*time.Second)
	x.wire.Refuse(false)
	o.until(t, "what is left is told", "k", func(c store.Change) bool { return c.Entry.Held && c.Entry.Left < 24*time.Second })
}

// Somebody who observes a quiet queue in a busy etcd has missed nothing when etcd
// forgets what happened elsewhere, and goes on when the connection comes back.
func TestQuietQueueInABusyEtcd(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	raw := srv.Client(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	o := observe(t, x.Store, store.Scope{Space: "lock", Name: "quiet"}, 0)
	first := o.look2()
	for range 50 {
		must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "elsewhere", ""))
	}
	eventually(t, "the observer is told how far etcd is", func() bool { return o.look2() >= first+50 })
	last := must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "elsewhere", "")).Header.Revision
	must[*clientv3.CompactResponse](t)(raw.Compact(t.Context(), last-5)) // not the newest
	x.wire.Refuse(true)
	x.wire.Refuse(false)
	eventually(t, "etcd is there", func() bool {
		_, err := x.List(t.Context(), lock("quiet"), 1)
		return err == nil
	})
	e := acquireFor(t, x, "quiet", time.Minute)
	o.until(t, "a hold", "quiet", func(c store.Change) bool { return c.Entry.Index == e.Index })
}

func (o *told) look2() (revision uint64) {
	o.look(func() bool { revision = o.revision; return true })
	return revision
}

// When etcd comes back with older data, revisions begin again below those that an
// observer has told. It must find out, and not be silent until they have caught up.
func TestObserverOfARestoredEtcd(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	x := openThrough(t, srv, "/t")
	defer x.Close(context.Background())
	raw := srv.Client(t)
	for range 50 {
		must[*clientv3.PutResponse](t)(raw.Put(t.Context(), "elsewhere", ""))
	}
	o := observe(t, x.Store, store.Scope{Space: "lock", Name: "k"}, 0)
	srv.Stop()
	srv.Wipe(t)
	srv.Restart(t)
	deadline := time.Now().Add(30 * time.Second)
	acquireFor(t, x, "k", time.Minute)
	for time.Now().Before(deadline) {
		select {
		case <-o.done:
			return // the caller may begin anew
		case <-time.After(100 * time.Millisecond):
		}
		if o.look(func() bool { return len(o.changes) > 0 }) {
			return
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t.Errorf("a lock was taken 30 s ago; the observer, at %d, neither tells that nor ends", o.revision)
}
