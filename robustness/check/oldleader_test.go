package check

import (
	"testing"

	"github.com/caddy-etcd/caddy-etcd/robustness/history/sketch"
)

// A hold that is lost too early is excused where it may have been an old leader of etcd that ended it,
// and nowhere else.
func TestOldLeader(t *testing.T) {
	for _, c := range []struct {
		name, history, api string
		excused            bool
	}{
		{"the leader was stopped for longer than the TTL", `
			hang 1s 6s healed=4s
			election 2s 2.1s
			acquire 0 100ms ttl=2 got=1
			renew 1.9s 2.5s ttl=2 index=1
			renew 4s 4.1s ttl=2 index=1
			acquire 4.5s 5s ttl=5 got=2 client=2
		`, "v3", true},
		{"the old leader was last seen before it was stopped", `
			hang 1s 6s healed=4s
			election 900ms 4.1s
			acquire 0 100ms ttl=2 got=1
			renew 1.9s 3.9s ttl=2 index=1
			renew 4.1s 4.2s ttl=2 index=1
			acquire 4.5s 5s ttl=5 got=2 client=2
		`, "v3", true},
		{"over the v2 API, which has no leases", `
			hang 1s 6s healed=4s
			election 2s 2.1s
			acquire 0 100ms ttl=2 got=1
			renew 4s 4.1s ttl=2 index=1
			acquire 4.5s 5s ttl=5 got=2 client=2
		`, "v2", false},
		{"there was no other leader", `
			hang 1s 6s healed=4s
			acquire 0 100ms ttl=2 got=1
			renew 4s 4.1s ttl=2 index=1
			acquire 4.5s 5s ttl=5 got=2 client=2
		`, "v3", false},
		{"the TTL is long", `
			hang 1s 6s healed=4s
			election 2s 2.1s
			acquire 0 100ms ttl=20 got=1
			acquire 4.5s 5s ttl=5 got=2 client=2
		`, "v3", false},
		{"it was acquired after that", `
			hang 1s 6s healed=4s
			election 2s 2.1s
			acquire 4.1s 4.2s ttl=2 got=1
			acquire 4.5s 5s ttl=5 got=2 client=2
		`, "v3", false},
		{"it was acquired when another one led already", `
			hang 1s 6s healed=4s
			election 2s 2.1s
			acquire 2.5s 2.6s ttl=2 got=1
			renew 3.8s 3.9s ttl=2 index=1
			acquire 4.5s 5s ttl=5 got=2 client=2
		`, "v3", false},
		{"another one has joined it since", `
			hang 1s 6s healed=4s
			election 2s 2.1s
			acquire 0 100ms ttl=2 got=1 value=a
			renew 1.9s 2s ttl=2 index=1
			acquire 3.8s 3.9s ttl=2 got=1 value=a client=3
			acquire 4.5s 5s ttl=5 got=2 client=2
		`, "v3", true},
		{"before the leader went on", `
			hang 1s 6s healed=4s
			election 2s 2.1s
			acquire 2.5s 2.6s ttl=2 got=1
			acquire 3s 3.5s ttl=5 got=2 client=2
		`, "v3", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := sketch.History(c.history)
			h.Run.API = c.api
			if found := Check(h.Excused()); (len(found) == 0) != c.excused {
				t.Errorf("excused is %t, and found %v", c.excused, found)
			}
			if len(Check(h)) == 0 {
				t.Error("there is nothing to excuse")
			}
		})
	}
}
