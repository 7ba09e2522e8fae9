package check

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
	"github.com/caddy-etcd/caddy-etcd/robustness/history/simulated"
)

var (
	seed      = flag.Uint64("seed", 1, "of the first made-up history; the next ones follow")
	histories = flag.Int("histories", 1000, "how many histories are made up")
)

// Whatever a right lock does under whatever circumstances, it is not called wrong.
func TestRightHistories(t *testing.T) {
	for n := range uint64(*histories) {
		h := simulated.Run(simulated.Varied(*seed + n))
		for _, v := range Check(h) {
			t.Errorf("-seed %d -histories 1: %v", *seed+n, v)
		}
		if t.Failed() {
			return
		}
	}
}

// wrongs are changes that certainly make a right history wrong.
var wrongs = []struct {
	by   string // the invariant that is broken
	name string
	do   func(h *history.History, hold simulated.Plain) bool // false: not to this hold
	calm bool                                                // where time counts, nothing may be the matter
}{
	{"I1", "another one gets it as well", func(h *history.History, hold simulated.Plain) bool {
		op := h.Ops[hold.Acquire]
		op.Client, op.Got, op.Value, op.HasValue = 99, op.Got+1_000_000, "another", true
		op.Call = hold.Sure.From + 1
		op.Return = op.Call + 1
		h.Ops = append(h.Ops, op)
		return true
	}, false},
	{"I1", "its entry goes", func(h *history.History, hold simulated.Plain) bool {
		return inSight(h, hold, func(s *history.Sight, at int) { s.Entries = slices.Delete(slices.Clone(s.Entries), at, at+1) })
	}, false},
	{"I2", "its index is smaller than one of before", func(h *history.History, hold simulated.Plain) bool {
		acquired := &h.Ops[hold.Acquire]
		for _, op := range h.Ops {
			if op.Kind == history.Acquire && op.OK() && op.Lock() == acquired.Lock() && op.Return < acquired.Call && op.Got > 1 {
				acquired.Got = op.Got - 1
				return true
			}
		}
		return false
	}, false},
	{"I2", "it is given once more after its release", func(h *history.History, hold simulated.Plain) bool {
		if hold.Release < 0 {
			return false
		}
		op := h.Ops[hold.Acquire]
		op.Call = h.Ops[hold.Release].Return + 1
		op.Return = op.Call + 1
		h.Ops = append(h.Ops, op)
		return true
	}, false},
	{"I3", "somebody waits before it", func(h *history.History, hold simulated.Plain) bool {
		return inSight(h, hold, func(s *history.Sight, _ int) {
			s.Entries = append([]history.Entry{{Index: s.Entries[0].Index - 1, Value: "another", HasValue: true}}, s.Entries...)
		})
	}, false},
	{"I4", "its release does nothing", func(h *history.History, hold simulated.Plain) bool {
		if hold.Release < 0 {
			return false
		}
		op := h.Ops[hold.Acquire]
		return see(h, op, h.Ops[hold.Release].Return+1100*time.Millisecond, history.Entry{Index: op.Got, Value: op.Value, HasValue: op.HasValue, Held: true})
	}, true},
	{"I4", "its TTL does not end it", func(h *history.History, hold simulated.Plain) bool {
		op := h.Ops[hold.Acquire]
		return see(h, op, op.Return+seconds(op.TTL)+3100*time.Millisecond, history.Entry{Index: op.Got, Value: op.Value, HasValue: op.HasValue, Held: true})
	}, true},
	{"I5", "it is told late that it is its turn", func(h *history.History, hold simulated.Plain) bool {
		op := &h.Ops[hold.Acquire]
		late := op.Return + 1500*time.Millisecond
		if op.Timeout != history.Forever || hold.Sure.To < late {
			return false
		}
		for _, before := range h.Ops { // which was released while this one waited
			if before.Kind == history.Release && before.OK() && before.Lock() == op.Lock() && before.Call > op.Call && before.Return <= op.Return &&
				slices.ContainsFunc(h.Ops, func(o history.Op) bool {
					return o.Kind == history.Acquire && o.OK() && (before.Index == o.Got || before.Index == 0 && before.Value == o.Value) && o.Return < before.Call && o.Got < op.Got
				}) {
				if slices.ContainsFunc(h.Ops, func(o history.Op) bool { // somebody in between
					return o.Kind == history.Acquire && o.Lock() == op.Lock() && o != *op && o.Return >= before.Call && o.Return <= late
				}) {
					continue
				}
				op.Return = late
				return true
			}
		}
		return false
	}, true},
	{"410", "it is told to have been cancelled", func(h *history.History, hold simulated.Plain) bool {
		if op := &h.Ops[hold.Acquire]; hold.Release < 0 {
			op.Status, op.Code, op.Got = 410, cancelledCode, 0
			return true
		}
		return false
	}, false},
	{"I8", "it gets an error", func(h *history.History, hold simulated.Plain) bool {
		op := &h.Ops[hold.Acquire]
		op.Status, op.Got = 500, 0
		return true
	}, true},
	{"timeout", "it is told too early that its time is over", func(h *history.History, hold simulated.Plain) bool {
		op := &h.Ops[hold.Acquire]
		op.Status, op.Got, op.Timeout = 423, 0, 60
		return op.Return < op.Call+time.Minute
	}, false},
}

// inSight changes a sight that was seen while a hold was on.
func inSight(h *history.History, hold simulated.Plain, change func(s *history.Sight, at int)) bool {
	op := h.Ops[hold.Acquire]
	for i := range h.Sights {
		s := &h.Sights[i]
		if s.Name == op.Lock() && s.First.From > hold.Sure.From && s.First.To < hold.Sure.To {
			change(s, slices.IndexFunc(s.Entries, func(e history.Entry) bool { return e.Index == op.Got }))
			return true
		}
	}
	return false
}

// see has an entry of a lock be seen at a moment when it should not be there.
func see(h *history.History, op history.Op, at time.Duration, e history.Entry) bool {
	for i, s := range h.Sights {
		if s.Name == op.Lock() && s.First.From > at {
			sight := history.Sight{Name: s.Name, First: history.Span{From: at, To: at}, Last: history.Span{From: at, To: at}, Entries: []history.Entry{e}}
			h.Sights = slices.Insert(h.Sights, i, sight)
			return true
		}
	}
	return false
}

// Whatever else happens in a history: what is certainly wrong is found, and by the check that
// is for it.
func TestWrongHistories(t *testing.T) {
	done := make(map[string]int)
	for n := range uint64(*histories) {
		wrong := wrongs[n%uint64(len(wrongs))]
		c := simulated.Varied(*seed + n)
		if wrong.calm {
			c.Faults, c.Polite = false, true
		}
		h := simulated.Run(c)
		holds := simulated.Lasting(h)
		if len(holds) == 0 {
			continue
		}
		random := rand.New(rand.NewPCG(c.Seed, 1))
		random.Shuffle(len(holds), func(i, j int) { holds[i], holds[j] = holds[j], holds[i] })
		i := slices.IndexFunc(holds, func(hold simulated.Plain) bool { return wrong.do(h, hold) })
		if i < 0 {
			continue
		}
		done[wrong.by+" "+wrong.name]++
		found := Check(h)
		if !slices.ContainsFunc(found, func(v Violation) bool { return v.Invariant == wrong.by }) {
			t.Errorf("-seed %d -histories 1: %q has not been found, about client %d's of %v: %v",
				c.Seed, wrong.name, h.Ops[holds[i].Acquire].Client, h.Ops[holds[i].Acquire].Call, found)
		}
	}
	for _, wrong := range wrongs {
		if n := done[wrong.by+" "+wrong.name]; n < *histories/len(wrongs)/10 {
			t.Errorf("only %d histories are wrong in that %s", n, wrong.name)
		}
	}
}
