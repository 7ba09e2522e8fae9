package etcdv2

import (
	"fmt"
	"testing"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// recursively is how somebody deletes a directory, whatever is in it.
var recursively = &client.DeleteOptions{Recursive: true}

// A directory that is tidied up had nothing in it: no observer is disturbed, whether
// it waits or reads it in history.
func TestTidyingDisturbsNoObserver(t *testing.T) {
	for _, version := range []etcdtest.Version{etcdtest.V35, etcdtest.V34} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			server := etcdtest.StartV2(t, version)
			a, b := open(t, server.Endpoint, "/test"), open(t, server.Endpoint, "/test")
			holder, waits := a.acquire(t, anonymous), a.acquire(t, valued("v"))
			from := a.Revision()
			scopes := []store.Scope{lockScope, allLocks, {Space: "lock", Name: lockKey.Name + "2"}}
			var observers []*observer
			for _, scope := range scopes[:2] {
				observers = append(observers, b.observe(t, scope, 0, true).begun(t), b.observe(t, scope, from, false))
			}
			a.release(t, waits)
			a.release(t, holder)
			for i := range 20 { // in one go
				key := store.Key{Space: "lock", Name: fmt.Sprint("other", i)}
				got, err := a.Acquire(t.Context(), key, anonymous)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := a.Release(t.Context(), key, store.Target{Index: got.Entry.Index}, nil); err != nil {
					t.Fatal(err)
				}
			}
			a.tidyUnusedSince(t.Context(), time.Now().Add(time.Hour))
			if _, err := keysOf(t, server.Endpoint).Get(t.Context(), a.queue(lockKey).entries, nil); !client.IsKeyNotFound(err) {
				t.Fatalf("the directory is still there (%v)", err)
			}
			for _, scope := range scopes {
				observers = append(observers, b.observe(t, scope, from, true), b.observe(t, scope, from, false))
			}
			next := a.acquire(t, anonymous)
			other := a.hold(t, scopes[2].Name)
			for i, o := range observers {
				want := []uint64{next.Index}
				switch {
				case i == 2 || i == 3 || i == 6 || i == 7:
					want = append(want, other.Index)
				case i > 7:
					want = []uint64{other.Index}
				}
				o.wants(t, want...)
				if o.ended() != nil {
					t.Errorf("observer %d has ended: %v", i, o.err)
				}
			}
		})
	}
}

// Somebody deletes a directory with what is in it: who observes that must begin
// anew, whether he waits, or finds it in history.
func TestObserverOfWhatSomebodyDeletes(t *testing.T) {
	for name, dir := range map[string]func(*testGateway) string{
		"a queue":    func(g *testGateway) string { return g.queue(lockKey).entries },
		"all queues": func(g *testGateway) string { return g.prefix + "/lock" },
		"everything": func(g *testGateway) string { return g.prefix },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := etcdtest.StartV2(t, etcdtest.V35)
			keys := keysOf(t, server.Endpoint)
			g := open(t, server.Endpoint, "/test")
			g.acquire(t, anonymous)
			other := g.hold(t, "other")
			from := g.Revision()
			var observers []*observer
			for _, scope := range []store.Scope{lockScope, allLocks} {
				observers = append(observers, g.observe(t, scope, 0, true).begun(t), g.observe(t, scope, from, false))
			}
			elsewhere := store.Scope{Space: "lock", Name: "other"}
			apart := []*observer{g.observe(t, elsewhere, 0, true).begun(t)}
			if _, err := keys.Delete(t.Context(), dir(g), recursively); err != nil {
				t.Fatal(err)
			}
			for _, scope := range []store.Scope{lockScope, allLocks} {
				observers = append(observers, g.observe(t, scope, from, true), g.observe(t, scope, from, false))
			}
			apart = append(apart, g.observe(t, elsewhere, from, true))
			for _, o := range observers {
				o.fails(t, store.ErrCompacted)
			}
			for _, o := range apart {
				if name == "a queue" {
					o.wants(t, other.Index)
				} else {
					o.fails(t, store.ErrCompacted)
				}
			}

			// From now on it goes on.
			o := g.observe(t, allLocks, 0, true).begun(t)
			next := g.acquire(t, anonymous)
			if name == "a queue" {
				o.wants(t, other.Index, next.Index)
			} else {
				o.wants(t, next.Index)
			}
		})
	}
}
