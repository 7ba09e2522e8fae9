package model

import (
	"flag"
	"math/rand/v2"
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
		for _, f := range Check(h, time.Minute) {
			t.Fatalf("-seed %d -histories 1: %v", *seed+n, f)
		}
	}
}

// lie is an answer that can't have been given while a plain hold was on, or after it.
type lie struct {
	name string
	tell func(h *history.History, hold simulated.Plain, about history.Op) bool // about is a request in the middle of the hold
}

var lies = []lie{
	{"another one gets it", func(h *history.History, _ simulated.Plain, about history.Op) bool {
		about.Kind, about.Got, about.TTL, about.Timeout = history.Acquire, 1_000_000, 5, history.Forever
		about.Value, about.HasValue = "another", true
		h.Ops = append(h.Ops, about)
		return true
	}},
	{"it is free", func(h *history.History, _ simulated.Plain, about history.Op) bool {
		about.Kind, about.Got = history.Get, 0
		h.Ops = append(h.Ops, about)
		return true
	}},
	{"another one has it", func(h *history.History, _ simulated.Plain, about history.Op) bool {
		about.Kind, about.Got, about.Shown = history.Get, 1_000_000, "another"
		h.Ops = append(h.Ops, about)
		return true
	}},
	{"another value has it", func(h *history.History, hold simulated.Plain, about history.Op) bool {
		about.Kind, about.Got, about.Shown = history.Get, h.Ops[hold.Acquire].Got, "another"
		h.Ops = append(h.Ops, about)
		return true
	}},
	{"it is not the holder", func(h *history.History, hold simulated.Plain, about history.Op) bool {
		about.Kind, about.Index, about.Status = history.Holds, h.Ops[hold.Acquire].Got, 412
		h.Ops = append(h.Ops, about)
		return true
	}},
	{"it can't be renewed", func(h *history.History, hold simulated.Plain, about history.Op) bool {
		about.Kind, about.Index, about.TTL, about.Status = history.Renew, h.Ops[hold.Acquire].Got, 5, 404
		h.Ops = append(h.Ops, about)
		return true
	}},
	{"there is nothing to release", func(h *history.History, hold simulated.Plain, _ history.Op) bool {
		if hold.Release < 0 || hold.Sure.To != h.Ops[hold.Release].Call {
			return false
		}
		op := &h.Ops[hold.Release]
		// It may have run out while that was under way.
		acquired := h.Ops[hold.Acquire]
		if op.Return >= acquired.Call+seconds(acquired.TTL) {
			return false
		}
		op.Status = 404
		return true
	}},
	{"its release has done nothing", func(h *history.History, hold simulated.Plain, about history.Op) bool {
		if hold.Release < 0 {
			return false
		}
		about.Call = h.Ops[hold.Release].Return + 1
		about.Return = about.Call + time.Millisecond
		about.Kind, about.Got, about.Shown = history.Get, h.Ops[hold.Acquire].Got, shown(h.Ops[hold.Acquire])
		h.Ops = append(h.Ops, about)
		return true
	}},
	{"it is given once more after its release", func(h *history.History, hold simulated.Plain, about history.Op) bool {
		if hold.Release < 0 || !h.Ops[hold.Acquire].HasValue {
			return false
		}
		again := h.Ops[hold.Acquire]
		again.Call = h.Ops[hold.Release].Return + 1
		again.Return = again.Call + time.Millisecond
		h.Ops = append(h.Ops, again)
		return true
	}},
	{"its index is smaller than one of before", func(h *history.History, hold simulated.Plain, about history.Op) bool {
		acquired := &h.Ops[hold.Acquire]
		for _, op := range h.Ops {
			if op.Kind == history.Acquire && op.OK() && op.Lock() == acquired.Lock() && op.Return < acquired.Call {
				for i := range h.Ops {
					if h.Ops[i].Index == acquired.Got {
						h.Ops[i].Index = op.Got - 1
					}
				}
				// There may be one with that index, whose hold is over: that can't be, either.
				acquired.Got = op.Got - 1
				return acquired.Got > 0
			}
		}
		return false
	}},
}

// Whatever else happens in a history: an answer that can't have been given is found.
func TestLies(t *testing.T) {
	told := make(map[string]int)
	for n := range uint64(*histories) {
		h := simulated.Run(simulated.Varied(*seed + n))
		random := rand.New(rand.NewPCG(*seed+n, 1))
		lie := lies[n%uint64(len(lies))]
		if !tell(h, random, lie) {
			continue
		}
		told[lie.name]++
		if findings := Check(h, time.Minute); len(findings) == 0 || findings[0].Unsure {
			t.Errorf("-seed %d -histories 1: %q has not been found", *seed+n, lie.name)
		}
	}
	for _, lie := range lies {
		if n := told[lie.name]; n < *histories/len(lies)/10 {
			t.Errorf("only %d lies are %q", n, lie.name)
		}
	}
}

// tell tells a lie about some hold, unless there is none to tell it about.
func tell(h *history.History, random *rand.Rand, lie lie) bool {
	hold, ok := anyHold(h, random)
	if !ok {
		return false
	}
	about := history.Op{Client: 99, Gateway: 1, Space: h.Ops[hold.Acquire].Space, Key: h.Ops[hold.Acquire].Key, Status: 200}
	about.Call = hold.Sure.From + 1
	about.Return = about.Call + (hold.Sure.To-about.Call)/2
	return lie.tell(h, hold, about)
}

// anyHold is some plain hold that takes a while.
func anyHold(h *history.History, random *rand.Rand) (simulated.Plain, bool) {
	all := simulated.Lasting(h)
	if len(all) == 0 {
		return simulated.Plain{}, false
	}
	return all[random.IntN(len(all))], true
}

// Porcupine comes to the same, for what it can judge in time.
func TestPorcupineAgreesOnMadeUpHistories(t *testing.T) {
	for n := range uint64(min(*histories, 100)) {
		c := simulated.Varied(*seed + n)
		c.Locks, c.Clients, c.Length = 1, 6, 8*time.Second
		h := simulated.Run(c)
		if hold, ok := anyHold(h, rand.New(rand.NewPCG(*seed+n, 1))); ok && n%2 == 0 {
			h.Ops[hold.Acquire].Got += 1_000_000 // an index that nobody had
		}
		for name, ops := range h.ByLock() {
			agree(t, name.String(), inputs(ops))
		}
	}
}
