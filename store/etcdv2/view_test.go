package etcdv2

import (
	"path"
	"strings"
	"testing"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// FuzzEntry: what is in etcd under any key is an entry of one queue at most, in the
// scopes that have that queue and in no other; the keys that are made for a queue are
// found again there; and neither what somebody has written nor its TTL does harm.
func FuzzEntry(f *testing.F) {
	f.Add("customer1", uint64(12), "customer", "/p/lock/a/00000000000000000012", "bar", int64(60), true)
	f.Add("a/b", uint64(1), "a", "/p/lock/a%2Fb/00000000000000000001", "-", int64(0), false)
	f.Add("..", uint64(1<<64-1), ".", "/p/lock/%2e%2e/18446744073709551615", "\x00", int64(-1), true)
	f.Add("_hidden", uint64(7), "", "/p/lock/_hidden/99999999999999999999", "\x00-", int64(1<<62), true)
	f.Add("☃ é", uint64(0), "☃", "/p/lock/x/y/00000000000000000012", "", int64(1<<34), false)
	f.Add("a//b", uint64(3), "a/", "/p/parties/lock/a/00000000000000000012", "a\nb", int64(1), true)
	f.Add("\xff\x00", uint64(3), "\xff", "/p/leader/k/+0000000000000000012", "\xff", int64(1), false)
	f.Fuzz(func(t *testing.T, name string, index uint64, prefix, key, value string, ttl int64, changed bool) {
		s := &Store{prefix: "/p"}
		scopes := []store.Scope{
			{Space: "lock", Name: name}, {Space: "lock", Name: prefix, Prefix: true}, {Space: "lock", Prefix: true},
			{Space: "leader", Prefix: true}, {Space: "loc", Prefix: true},
		}
		node := func(key string) *client.Node {
			n := &client.Node{Key: key, Value: value, CreatedIndex: 5, ModifiedIndex: 5, TTL: ttl}
			if ttl != 0 {
				n.Expiration = new(time.Time)
			}
			if changed {
				n.ModifiedIndex = 7
			}
			return n
		}
		if name != "" && index != 0 {
			q := s.queue(store.Key{Space: "lock", Name: name})
			made := q.entry(index)
			if path.Clean(made) != made || strings.Contains(made, "/_") {
				t.Fatalf("etcd does not take %q, or hides it", made)
			}
			for _, scope := range scopes {
				if scope.Name == "" && !scope.Prefix {
					continue
				}
				has := scope.Space == "lock" && (scope.Name == name || scope.Prefix && strings.HasPrefix(name, scope.Name))
				queue, e, ok := s.view(scope).entry(node(made))
				if ok != has || ok && (queue != name || e.Index != index || e.Held != (changed && ttl != 0) || e.TTL < 0 || !e.Held && e.TTL != 0) {
					t.Errorf("%d of %q with %d s is in %+v: %v in %q as %+v", index, name, ttl, scope, ok, queue, e)
				}
			}
		}
		if path.Clean(key) == key { // as all are
			for _, scope := range scopes {
				queue, e, ok := s.view(scope).entry(node(key))
				if ok && (!scope.Has(queue) || s.queue(store.Key{Space: scope.Space, Name: queue}).entry(e.Index) != key) {
					t.Errorf("%q in %+v is %+v of %q", key, scope, e, queue)
				}
			}
		}
		for _, has := range []bool{true, false} {
			stored := storedValue(value, has)
			got, hasGot := givenValue(stored)
			if want := map[bool]string{true: value}[has]; got != want || hasGot != has {
				t.Errorf("%q (%v) is stored as %q and comes back as %q (%v)", value, has, stored, got, hasGot)
			}
		}
	})
}
