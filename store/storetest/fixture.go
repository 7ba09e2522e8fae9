package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	wait "github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store"
)

const (
	long     = 10 * time.Minute        // a TTL that does not end within a test
	medium   = short + 6*time.Second   // one that does, but not while a few calls are made
	patience = 20 * time.Second        // for what should happen soon
	interval = 5 * time.Millisecond    // between two tries
	slack    = 2 * time.Second         // etcd's own delay when a lease runs out
	coarse   = 1100 * time.Millisecond // what is left of a TTL is told in whole seconds
)

// fixture is what one test has at hand.
type fixture struct {
	*testing.T
	Harness
	key   store.Key
	clock *wait.Clock
}

func newFixture(t *testing.T, h Harness) *fixture {
	if h.SessionTTL == 0 {
		h.SessionTTL = 15 * time.Second
	}
	if h.HoldEvents == 0 {
		h.HoldEvents = 1
	}
	return &fixture{T: t, Harness: h, key: store.Key{Space: "lock", Name: "key"}, clock: wait.Start(t)}
}

// gateway is a store whose methods, as wrapped here, fail the test on an error.
// They are for the test's own goroutine. An entry is handed back to the gateway
// that it came from, since its Ref may be of no use to another.
type gateway struct {
	store.Store
	f *fixture
}

// open starts a gateway and closes it at the end of the test.
func (f *fixture) open() gateway {
	f.Helper()
	s := f.Harness.Open(f.T)
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		// The test may have closed it, or cut it off.
		_ = s.Close(ctx)
	})
	return gateway{s, f}
}

// openDoomed starts a gateway that the test kills.
func (f *fixture) openDoomed() gateway {
	f.Helper()
	return gateway{f.Harness.Open(f.T), f}
}

// ctx is a context for one call.
func (f *fixture) ctx() context.Context {
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	f.Cleanup(cancel)
	return ctx
}

// eventually polls until ok.
func (f *fixture) eventually(within time.Duration, what string, ok func() bool) {
	f.Helper()
	wait.Until(f.T, within, func() error {
		if !ok() {
			return errors.New("not so: " + what)
		}
		return nil
	})
}

// wantErr checks for one of the contract's errors.
func (f *fixture) wantErr(err, want error, doing string) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("%s: got error %v, want %v", doing, err, want)
	}
}

func (f *fixture) must(err error, doing string) {
	f.Helper()
	if err != nil {
		f.Fatalf("%s: %v", doing, err)
	}
}

// anonymous is a request without a value that waits.
func anonymous() store.Acquire { return store.Acquire{TTL: long, Wait: true} }

// valued is a request with a value that waits.
func valued(value string) store.Acquire {
	return store.Acquire{Value: value, HasValue: true, TTL: long, Wait: true}
}

// try makes a request one that does not wait.
func try(a store.Acquire) store.Acquire {
	a.Wait = false
	return a
}

// lasting gives a request another TTL.
func lasting(a store.Acquire, ttl time.Duration) store.Acquire {
	a.TTL = ttl
	return a
}

func (g gateway) acquire(a store.Acquire) store.Acquired {
	g.f.Helper()
	got, err := g.Acquire(g.f.ctx(), g.f.key, a)
	g.f.must(err, "Acquire")
	if got.Entry.Index == 0 || got.Entry.Name == "" {
		g.f.Fatalf("Acquire returned an entry without index or name: %s", describe(got.Entry))
	}
	if got.Entry.HasValue != a.HasValue || got.Entry.Value != a.Value {
		g.f.Fatalf("Acquire of value %.40q returned %s", a.Value, describe(got.Entry))
	}
	return got
}

// hold acquires what must be granted at once.
func (g gateway) hold(a store.Acquire) store.Entry {
	g.f.Helper()
	got := g.acquire(a)
	if !got.Entry.Held {
		g.f.Fatalf("Acquire did not grant at once: %s", describe(got.Entry))
	}
	return got.Entry
}

// queue acquires what must wait.
func (g gateway) queue(a store.Acquire) store.Entry {
	g.f.Helper()
	got := g.acquire(a)
	switch {
	case got.Entry.Held:
		g.f.Fatalf("Acquire granted a lock that is taken: %s", describe(got.Entry))
	case got.Entry.TTL != 0:
		g.f.Fatalf("a waiting entry has a TTL: %s", describe(got.Entry))
	case got.Renewed:
		g.f.Fatalf("a waiting entry is renewed: %s", describe(got.Entry))
	}
	return got.Entry
}

func (g gateway) grant(e store.Entry, ttl time.Duration) store.Entry {
	g.f.Helper()
	start := time.Now()
	got, err := g.Grant(g.f.ctx(), g.f.key, e, store.Ahead{}, ttl)
	g.f.must(err, "Grant")
	if !got.Held || got.Index != e.Index || got.Name != e.Name || got.Value != e.Value || got.TTL < ttl {
		g.f.Fatalf("Grant of %s for %v returned %s", describe(e), ttl, describe(got))
	}
	if got.Left < ttl-time.Since(start) {
		g.f.Fatalf("Grant for %v left %v", ttl, got.Left)
	}
	return got
}

func (g gateway) withdraw(e store.Entry) {
	g.f.Helper()
	g.f.must(g.Withdraw(g.f.ctx(), g.f.key, e), "Withdraw")
}

// release releases by index.
func (g gateway) release(e store.Entry) {
	g.f.Helper()
	granted, err := g.Release(g.f.ctx(), g.f.key, store.Target{Index: e.Index}, nil)
	g.f.must(err, "Release")
	if granted != nil {
		g.f.Fatalf("Release without a successor granted %s", describe(*granted))
	}
}

func (g gateway) list() store.Listing {
	g.f.Helper()
	l, err := g.List(g.f.ctx(), g.f.key, 0)
	g.f.must(err, "List")
	return l
}

// find returns the entry as it is listed now.
func (g gateway) find(e store.Entry) store.Entry {
	g.f.Helper()
	for _, listed := range g.list().Entries {
		if listed.Index == e.Index {
			return listed
		}
	}
	g.f.Fatalf("%s is not in the queue", describe(e))
	return store.Entry{}
}

// has says whether the entry is listed now.
func (g gateway) has(e store.Entry) bool {
	g.f.Helper()
	for _, listed := range g.list().Entries {
		if listed.Index == e.Index {
			return true
		}
	}
	return false
}

// wantTTL checks what a listed entry says of its TTL.
func (f *fixture) wantTTL(listed store.Entry, ttl, since time.Duration) {
	f.Helper()
	if !listed.Held || listed.Left < ttl-since-coarse || listed.Left > ttl || f.ExactTTL && listed.TTL != ttl {
		f.Fatalf("held for %v since %v, listed %s", ttl, since, describe(listed))
	}
}

func held(e store.Entry) store.Entry    { e.Held = true; return e }
func waiting(e store.Entry) store.Entry { e.Held = false; return e }

// wantQueue checks what is in the queue, and in which order, and who holds.
func (g gateway) wantQueue(want ...store.Entry) {
	g.f.Helper()
	got := g.list().Entries
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = got[i].Index == want[i].Index && got[i].Name == want[i].Name && got[i].Held == want[i].Held &&
			got[i].Value == want[i].Value && got[i].HasValue == want[i].HasValue
	}
	if !same {
		g.f.Fatalf("queue is\n%s\nwant\n%s", describeAll(got), describeAll(want))
	}
}

// describe is an entry for a message: short, and without its Ref.
func describe(e store.Entry) string {
	value := "-"
	if e.HasValue {
		value = fmt.Sprintf("%.20q", e.Value)
	}
	return fmt.Sprintf("{%.12s index %d value %s held %t ttl %v left %v}", e.Name, e.Index, value, e.Held, e.TTL, e.Left)
}

func describeAll(entries []store.Entry) string {
	s := ""
	for _, e := range entries {
		s += "  " + describe(e) + "\n"
	}
	return s
}
