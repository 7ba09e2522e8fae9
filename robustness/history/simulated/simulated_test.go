package simulated

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// What judges histories is tested with what is in these, so all that a client can see has to
// be there.
func TestEverythingHappens(t *testing.T) {
	seen := make(map[string]int)
	told := make(map[uint64]history.Op)
	for seed := range uint64(200) {
		clear(told)
		h := Run(Config{
			Seed: seed, Locks: 3, Clients: 8, Length: 20 * time.Second, Pause: 300 * time.Millisecond, Hold: 300 * time.Millisecond, Faults: true,
		})
		for _, op := range h.Ops {
			seen[fmt.Sprintf("%s %s %d, gone: %t", op.Space, op.Kind, op.Status, op.Left)]++
			if op.Kind != history.Acquire || !op.OK() {
				continue
			}
			if first, ok := told[op.Got]; ok && first.Client != op.Client {
				seen["two are told one index"]++
			}
			told[op.Got] = op
		}
		for _, s := range h.Sights {
			for _, e := range s.Entries {
				if _, ok := told[e.Index]; e.Held && !ok {
					seen["a hold that nobody is told of"]++
				}
			}
		}
	}
	for _, what := range []string{
		"lock acquire 200, gone: false", "lock acquire 410, gone: false", "lock acquire 423, gone: false", "lock acquire 504, gone: false",
		"lock acquire 0, gone: false", "lock acquire 0, gone: true", "lock renew 200, gone: false", "lock renew 404, gone: false",
		"lock renew 0, gone: false", "lock renew 504, gone: false", "lock release 200, gone: false", "lock release 404, gone: false",
		"lock release 0, gone: false", "lock release 504, gone: false", "lock get 200, gone: false", "lock holds 200, gone: false",
		"lock holds 412, gone: false", "leader acquire 200, gone: false", "leader holds 200, gone: false",
		"two are told one index", "a hold that nobody is told of",
	} {
		if seen[what] == 0 {
			t.Errorf("never: %s", what)
		}
	}
	t.Log(seen)
}

// A seed is a history: what was found with one can be found again.
func TestSeed(t *testing.T) {
	c := Config{Seed: 7, Locks: 3, Clients: 8, Length: 20 * time.Second, Pause: 300 * time.Millisecond, Hold: 300 * time.Millisecond, Faults: true}
	a, b := Run(c), Run(c)
	if !reflect.DeepEqual(a.ByLock(), b.ByLock()) || !reflect.DeepEqual(a.Events, b.Events) {
		t.Error("two histories of one seed differ")
	}
}
