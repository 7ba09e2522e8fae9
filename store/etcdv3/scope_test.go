package etcdv3

import (
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// FuzzPlace: what is in etcd under any key is an entry of one queue at most, in the
// scopes that have that queue and in no other; and the keys that are made for a queue
// are found again there, in the range that is read for it.
func FuzzPlace(f *testing.F) {
	f.Add("customer1", "v-abc", "customer", "/p/lock/a/v-x")
	f.Add("a/b", "a-0", "a", "/p/lock/a%2Fb/a-0")
	f.Add("a/b/c", "a-g1-1-2", "a/b", "/p/lock/a/b/c")
	f.Add("..", "x", ".", "/p/lock/%2e%2e/x")
	f.Add("_hidden", "x", "", "/p/lock/_hidden/x")
	f.Add("☃ é", "x/y", "☃", "/p/leader/☃/x")
	f.Add("\xff\x00", "", "\xff", "/p/lock//x")
	f.Add("lock", "lock", "lock", "/p/lock/")
	f.Fuzz(func(t *testing.T, queue, entry, prefix, key string) {
		s := &Store{prefix: "/p"}
		scopes := []store.Scope{
			{Space: "lock", Name: queue}, {Space: "lock", Name: prefix, Prefix: true}, {Space: "lock", Prefix: true},
			{Space: "leader", Prefix: true}, {Space: "loc", Prefix: true},
		}
		if queue != "" {
			q := s.queue(store.Key{Space: "lock", Name: queue})
			made := q.entry(entry)
			if q.name(made) != entry || made < q.prefix || made >= q.end {
				t.Errorf("%q of %q is %q, which is %q in %q to %q", entry, queue, made, q.name(made), q.prefix, q.end)
			}
			for _, scope := range scopes {
				r := s.keyRange(scope)
				has := scope.Space == "lock" && (scope.Name == queue || scope.Prefix && strings.HasPrefix(queue, scope.Name))
				p, ok := r.place(made)
				if ok != has || ok && (p.queue != queue || p.q.name(made) != entry || made < r.from || made >= r.end) {
					t.Errorf("%q of %q is in %+v: %v as %+v, in %q to %q", entry, queue, scope, ok, p, r.from, r.end)
				}
			}
		}
		for _, scope := range scopes {
			p, ok := s.keyRange(scope).place(key)
			if !ok {
				continue
			}
			q := s.queue(store.Key{Space: scope.Space, Name: p.queue})
			if !scope.Has(p.queue) || p.q.prefix != q.prefix || q.entry(p.q.name(key)) != key {
				t.Errorf("%q in %+v is %+v, whose entries are at %q", key, scope, p, q.prefix)
			}
		}
	})
}
