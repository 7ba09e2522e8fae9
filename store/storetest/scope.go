package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

var scopeTests = []test{
	{"ObserverStartsWithWhatIsThere", observerStarts},
	{"ObserverStartsLinearizably_I1", observerStartsLinearizably},
	{"ObserverSeesTheNewQueuesOfItsScope", observerSeesNewQueues},
}

// prefixes are of scopes: of many names, of one, of some that are escaped.
var prefixes = []string{"", "a", "a/", ".", "..", "_", "%", "%2F", "/", "ü", "\xc3", strings.Repeat("k", 1023)}

// scopes has each of some queues alone, and with all that begin like it.
func scopes(space string) []store.Scope {
	var all []store.Scope
	for _, prefix := range prefixes {
		all = append(all, store.Scope{Space: space, Name: prefix, Prefix: true})
		if prefix != "" {
			all = append(all, store.Scope{Space: space, Name: prefix})
		}
	}
	return all
}

// crowd has somebody hold the lock of every odd name, and of some in another space,
// and others wait for some of them, and returns what is there for each space.
func (f *fixture) crowd(a, b gateway) map[string]picture {
	f.Helper()
	there := map[string]picture{"lock": {}, "leader": {}}
	for i, key := range keysToTry() {
		if key.Space == "leader" && i%8 > 0 {
			continue
		}
		g := a.at(key.Name)
		g.f.key.Space = key.Space
		entries := []store.Entry{held(g.hold(valued("v")))}
		if i%3 == 0 {
			other := b.at(key.Name)
			other.f.key.Space = key.Space
			entries = append(entries, other.queue(anonymous()))
		}
		there[key.Space][key.Name] = entries
	}
	return there
}

func observerStarts(f *fixture) {
	a, b := f.open(), f.open()
	begun := time.Now()
	there := f.crowd(a, b)
	for space, all := range there {
		for i, s := range scopes(space) {
			if space == "leader" && i%3 > 0 {
				continue // to save time
			}
			o := f.observe(b, s, 0)
			_, now := o.begin()
			o.stop()
			f.wantPicture(now, all.within(s), fmt.Sprintf("%+.40v starts with", s))
			for _, entries := range now {
				f.wantTTL(entries[0], long, time.Since(begun))
			}
		}
	}

	// Only what is empty shows nothing.
	empty := f.observe(b, store.Scope{Space: "lock", Name: "nobody", Prefix: true}, 0)
	if _, now := empty.begin(); len(now) > 0 {
		f.Fatalf("an empty scope starts with\n%v", now)
	}
}

func observerStartsLinearizably(f *fixture) {
	a, b := f.open(), f.open()
	var revision uint64
	for range 15 {
		e := a.hold(valued("v"))
		o := f.observe(b, everything, 0)
		at, now := o.begin()
		o.stop()
		f.wantPicture(now, picture{f.key.Name: {e}}, "the observer starts with")
		if at < e.Index || at < revision || b.Revision() < at {
			f.Fatalf("after %s, an observer starts at %d (before: %d, seen: %d)", describe(e), at, revision, b.Revision())
		}
		revision = at
		b.release(e)
		o = f.observe(a, exactly(f.key), 0)
		_, now = o.begin()
		o.stop()
		f.wantPicture(now, picture{}, "the observer starts with")
	}
}

func observerSeesNewQueues(f *fixture) {
	a, b := f.open(), f.open()
	observers := []*observer{
		f.observe(a, everything, 0),
		f.observe(b, store.Scope{Space: "leader", Prefix: true}, 0),
	}
	for _, prefix := range []string{"a/", ".", "_", "%2", "ü", "k"} {
		observers = append(observers,
			f.observe(a, store.Scope{Space: "lock", Name: prefix, Prefix: true}, 0),
			f.observe(b, store.Scope{Space: "leader", Name: prefix, Prefix: true}, 0),
			f.observe(b, store.Scope{Space: "lock", Name: prefix}, 0))
	}
	for _, o := range observers {
		o.begin()
	}
	there := f.crowd(a, b)
	for _, o := range observers {
		o.until(there[o.scope.Space].within(o.scope))
	}
}
