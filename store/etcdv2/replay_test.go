package etcdv2

import (
	"fmt"
	"net/http"
	"slices"
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

// To be told what was there costs one write, and those who ask for it together share
// it.
func TestReplayWritesAMark(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	keys := keysOf(t, server.Endpoint)
	a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
	holder := a.acquire(t, anonymous)
	at := a.Revision()
	a.release(t, holder)
	before := indexNow(t, keys)
	b.observe(t, lockScope, at, false).isTold(t, a.Revision())
	if now := indexNow(t, keys); now != before {
		t.Errorf("%d writes for an observer that needs not be told what was there", now-before)
	}
	b.observe(t, lockScope, at, true).begun(t).wants(t)
	resp, err := keys.Get(t.Context(), "/test/observed", nil)
	if err != nil {
		t.Fatal(err)
	}
	if now := indexNow(t, keys); now != before+1 || resp.Node.ModifiedIndex != now || resp.Node.TTL != 0 {
		t.Errorf("a replay brought etcd from %d to %d; the mark is %v", before, now, resp.Node)
	}

	const many = 50
	before++
	var observers []*observer
	for range many {
		observers = append(observers, b.observe(t, lockScope, at, true))
	}
	for _, o := range observers {
		o.begun(t).wants(t)
		if len(o.first) != 1 || o.first[0].Entries[0].Index != holder.Index || !o.first[0].Entries[0].Held {
			t.Errorf("at %d there was %+v", at, o.first)
		}
	}
	if now := indexNow(t, keys); now < before+1 || now > before+many/2 {
		t.Errorf("%d writes for %d observers at once", now-before, many)
	}
}

// Things happen between the look at what there is and the mark, and after the mark.
// The state at each index is what it was, and what follows is told once.
func TestReplayWhileThingsHappen(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	b := open(t, server.Endpoint, "/test")
	first, second := b.acquire(t, anonymous), b.acquire(t, anonymous)
	at := b.Revision()
	third := b.hold(t, "third")

	marking := ah.halt(to(a.observedKey(), http.MethodPut))
	o := a.observe(t, allLocks, at, true)
	await(t, "about to write the mark", marking.reached)
	b.release(t, first)
	second, err := b.Grant(t.Context(), lockKey, second, store.Ahead{}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	fourth := b.hold(t, "fourth")
	reading := ah.halt(waitsForAnEvent)
	marking.goOn()
	await(t, "about to read history", reading.reached)
	fifth := b.hold(t, "fifth")
	if _, err := b.Release(t.Context(), store.Key{Space: "lock", Name: "third"}, store.Target{Index: third.Index}, nil); err != nil {
		t.Fatal(err)
	}
	reading.goOn()
	o.begun(t).wants(t, second.Index, fourth.Index, fifth.Index)

	var entries []store.Entry
	for _, q := range o.first {
		entries = append(entries, q.Entries...)
	}
	if len(entries) != 2 || entries[0].Index != first.Index || !entries[0].Held || entries[1].Index != second.Index || entries[1].Held {
		t.Errorf("at %d there was %+v, want %d that holds and %d that waits", at, entries, first.Index, second.Index)
	}
	if len(entries) == 2 && entries[0].Left != 0 {
		t.Errorf("of what has gone, %v is left", entries[0].Left)
	}
	var told []string // the queue, and whether the entry is deleted, or held
	for _, c := range o.told() {
		told = append(told, fmt.Sprint(c.Queue, " ", c.Deleted, " ", c.Entry.Held))
	}
	want := []string{
		"third false false", "third false true", "k true false", "k false true",
		"fourth false false", "fourth false true", "fifth false false", "fifth false true", "third true false",
	}
	if !slices.Equal(told, want) {
		t.Errorf("it was told\n%v\nwant\n%v", told, want)
	}
}

// The answer to the mark is lost, or the mark: then another one is written.
func TestReplayWithItsMarkLost(t *testing.T) {
	for _, how := range []storetest.Loss{storetest.LostRequest, storetest.LostAnswer, storetest.DelayedRequest} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			server := etcdtest.StartV2(t, etcdtest.V35)
			a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
			holder := b.acquire(t, anonymous)
			at := b.Revision()
			b.release(t, holder)
			deliver := a.loss.next(how, 1)
			o := a.observe(t, lockScope, at, true).begun(t)
			deliver()
			next := b.acquire(t, anonymous)
			o.wants(t, next.Index)
			if len(o.first) != 1 || o.first[0].Entries[0].Index != holder.Index {
				t.Errorf("at %d there was %+v, want %d", at, o.first, holder.Index)
			}
		})
	}
}

// etcd remembers 1,000 events: that many can be replayed, and of more it says so.
func TestReplayOfAllThatEtcdRemembers(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	keys := keysOf(t, server.Endpoint)
	g := open(t, server.Endpoint, "/test")
	e := g.acquire(t, anonymous)
	at := g.Revision()
	const written = 990 // and the marks
	write := func(n int) {
		t.Helper()
		var all sync.WaitGroup
		var todo atomic.Int32
		todo.Store(int32(n))
		for range 8 {
			all.Go(func() {
				for todo.Add(-1) >= 0 {
					if _, err := keys.CreateInOrder(t.Context(), g.queue(lockKey).entries, "by hand", nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	}
	write(written)
	for _, scope := range []store.Scope{lockScope, allLocks} {
		begin := time.Now()
		o := g.observe(t, scope, at, true).begun(t)
		patience.Until(t, 10*time.Second, func() error {
			if n := len(o.indices()); n != written+1 {
				return fmt.Errorf("the observer was told of %d entries, want %d", n, written+1)
			}
			return nil
		})
		t.Logf("replaying %d events took %v", written, time.Since(begin))
		if len(o.first) != 1 || len(o.first[0].Entries) != 1 || o.first[0].Entries[0].Index != e.Index {
			t.Errorf("at %d there was %+v", at, o.first)
		}
	}
	write(20)
	for _, scope := range []store.Scope{lockScope, allLocks} {
		for _, withStart := range []bool{true, false} {
			o := g.observe(t, scope, at, withStart)
			o.fails(t, store.ErrCompacted)
			if o.started || len(o.told()) > 0 {
				t.Errorf("it was told something of a history with a gap: %+v, %+v", o.first, o.told())
			}
		}
	}
}

// What somebody writes without telling watchers can't be told: it is no state that
// anybody saw.
func TestReplayNoticesARefreshByHand(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	keys := keysOf(t, server.Endpoint)
	g := open(t, server.Endpoint, "/test")
	e := g.acquire(t, anonymous)
	at := g.Revision()
	g.hold(t, "other")
	g.observe(t, lockScope, at, true).begun(t)
	if _, err := keys.Set(t.Context(), g.queue(lockKey).entry(e.Index), "", &client.SetOptions{
		PrevExist: client.PrevExist, Refresh: true, TTL: time.Hour,
	}); err != nil {
		t.Fatal(err)
	}
	g.observe(t, lockScope, at, true).fails(t, store.ErrCompacted)
	g.observe(t, store.Scope{Space: "lock", Name: "other"}, at, true).begun(t)
	g.observe(t, lockScope, g.Revision(), true).begun(t)
}

// What was held at an index, and still is, shows what is left of it now, and so do
// changes that are told later; of what has gone since, nothing is left.
func TestObserverOfThePastIsToldWhatIsLeftNow_I6(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	keys := keysOf(t, server.Endpoint)
	g := open(t, server.Endpoint, "/test")
	before := indexNow(t, keys)
	e := g.acquire(t, anonymous)
	at := g.Revision()
	gone := g.hold(t, "gone")
	if _, err := g.Release(t.Context(), store.Key{Space: "lock", Name: "gone"}, store.Target{Index: gone.Index}, nil); err != nil {
		t.Fatal(err)
	}
	patience.Until(t, 10*time.Second, func() error {
		l, err := g.List(t.Context(), lockKey, 0)
		if err == nil && l.Entries[0].Left > 57*time.Second {
			err = fmt.Errorf("%v is left", l.Entries[0].Left)
		}
		return err
	})
	o := g.observe(t, allLocks, at, true).begun(t)
	if left := o.first[0].Entries[0].Left; left > 57*time.Second || left < 45*time.Second {
		t.Errorf("what is held for 3 s of a minute starts with %v left", left)
	}
	for _, withStart := range []bool{true, false} {
		o := g.observe(t, allLocks, before, withStart)
		begun := time.Now()
		last := g.hold(t, fmt.Sprint("last", withStart))
		patience.Until(t, 10*time.Second, func() error {
			if got := o.indices(); len(got) == 0 || got[len(got)-1] != last.Index {
				return fmt.Errorf("the observer was told of %d, want %d", got, last.Index)
			}
			return nil
		})
		for _, c := range o.told() {
			left := c.Entry.Left
			switch {
			case !c.Entry.Held:
			case c.Entry.Index == e.Index && (left > 57*time.Second || left < 45*time.Second):
				t.Errorf("the grant of 3 s ago for a minute is told with %v left", left)
			case c.Entry.Index == gone.Index && left != 0:
				t.Errorf("of the grant of what has gone, %v is left", left)
			case c.Entry.Index == last.Index && left < 57*time.Second-time.Since(begun):
				t.Errorf("the grant of now for a minute is told with %v left", left)
			}
		}
	}
}

// A change that is told late, since the observer could not ask for it earlier, is
// told with what is left then.
func TestObserverThatIsLateIsToldWhatIsLeft_I6(t *testing.T) {
	t.Parallel()
	server := etcdtest.StartV2(t, etcdtest.V35)
	a, ah := openHooked(t, server.Endpoint)
	b := open(t, server.Endpoint, "/test")
	polling := ah.halt(waitsForAnEvent)
	o := a.observe(t, lockScope, 0, true).begun(t)
	await(t, "about to ask for an event", polling.reached)
	e := b.acquire(t, anonymous)
	patience.Until(t, 10*time.Second, func() error {
		l, err := b.List(t.Context(), lockKey, 0)
		if err == nil && l.Entries[0].Left > 56*time.Second {
			err = fmt.Errorf("%v is left", l.Entries[0].Left)
		}
		return err
	})
	polling.goOn()
	o.wants(t, e.Index)
	patience.Until(t, 10*time.Second, func() error {
		told := o.told()
		last := told[len(told)-1].Entry
		if !last.Held {
			return fmt.Errorf("it was told %+v", told)
		}
		if last.Left > 57*time.Second || last.Left < 45*time.Second {
			t.Fatalf("the grant of 4 s ago for a minute is told with %v left", last.Left)
		}
		return nil
	})
}
