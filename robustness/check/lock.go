package check

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// lock is what is known of one lock.
type lock struct {
	ops     []history.Op // in the order of their calls
	holds   []*hold      // that somebody was told of, in the order of their indices
	byIndex map[uint64]*hold
	asking  map[asked][]history.Op // acquires and renewals, by what they name, in the order of their calls
	sights  []history.Sight

	granted map[uint64]time.Duration // not before then was an entry held that has been seen to be, in etcd
}

// asked is what a request names an entry by. All that ask for a lock without a value have
// one, as nobody can tell their entries from each other.
type asked struct {
	index    uint64
	value    string
	hasValue bool
}

// hold is what is known of one index that somebody got.
type hold struct {
	index    uint64
	value    string
	hasValue bool
	alone    bool          // no other entry can have had its value
	asked    time.Duration // it was held at a moment after that, and nobody who asked for it was answered before
	told     time.Duration // the first was answered then
	acks     []history.Op  // acquires and renewals that were answered
	may      []history.Op  // those that may have been renewals of it
	ttl      time.Duration // the shortest that anybody asked for, answered or not
	longest  time.Duration
	ending   time.Duration // from then on a release may have ended it
	ended    time.Duration // a release has been answered then
	lasted   time.Duration // a release says that it was still held then, if etcd and the gateways are well
}

const never = time.Duration(1<<63 - 1)

func newLock(ops []history.Op, sights []history.Sight) *lock {
	l := &lock{
		ops: ops, byIndex: make(map[uint64]*hold), asking: make(map[asked][]history.Op),
		sights: sights, granted: make(map[uint64]time.Duration),
	}
	byValue := make(map[string][]*hold)
	unclear := make(map[string]bool) // values of requests that may have had an entry that nobody was told of
	for _, op := range ops {
		if op.Kind == history.Acquire || op.Kind == history.Renew {
			by := asked{op.Index, op.Value, op.HasValue}
			l.asking[by] = append(l.asking[by], op)
		}
		if op.Kind != history.Acquire {
			continue
		}
		if !op.OK() {
			unclear[op.Value] = true
			continue
		}
		h, ok := l.byIndex[op.Got]
		if !ok {
			h = &hold{
				index: op.Got, value: op.Value, hasValue: op.HasValue, asked: op.Call, told: op.Return,
				ttl: seconds(op.TTL), longest: seconds(op.TTL), ending: never, ended: never,
			}
			l.byIndex[op.Got] = h
			if op.HasValue {
				byValue[op.Value] = append(byValue[op.Value], h)
			}
		}
		h.told = min(h.told, op.Return)
		h.acks = append(h.acks, op)
	}
	for value, holds := range byValue {
		holds[0].alone = len(holds) == 1 && !unclear[value]
	}
	for _, op := range ops {
		var named []*hold
		if h := l.byIndex[op.Index]; op.Index != 0 && h != nil {
			named = []*hold{h}
		} else if op.Index == 0 && op.HasValue {
			named = byValue[op.Value]
		}
		for _, h := range named {
			h.note(op)
		}
	}
	l.holds = slices.SortedFunc(maps.Values(l.byIndex), func(a, b *hold) int { return cmp.Compare(a.index, b.index) })
	// Each was granted after those before it.
	for i := 1; i < len(l.holds); i++ {
		l.holds[i].asked = max(l.holds[i].asked, l.holds[i-1].asked)
	}
	return l
}

// note takes in a request that named the hold, by its value perhaps: then it may have meant
// another entry that had it.
func (h *hold) note(op history.Op) {
	switch {
	case op.Kind == history.Release && (op.Unknown() || op.OK() && op.Return >= h.asked): // if unknown, it may come late
		h.ending = min(h.ending, op.Call)
		if op.OK() && op.Call >= h.told {
			h.ended = min(h.ended, op.Return)
			if op.Index != 0 || h.alone {
				h.lasted = h.ending
			}
		}
	case op.Kind == history.Renew && (op.OK() || op.Unknown()), op.Kind == history.Acquire && (op.Status != 503 || op.Unknown()): // it may have been answered otherwise when that was over
		h.ttl = min(h.ttl, seconds(op.TTL))
		h.longest = max(h.longest, seconds(op.TTL))
		switch {
		case op.Kind == history.Renew && op.OK() && (op.Index != 0 || h.alone):
			h.acks = append(h.acks, op)
		case op.Kind == history.Renew || !op.OK() || op.Got != h.index:
			h.may = append(h.may, op)
		}
	}
}

// lasts is until when it was held at least, because of one acknowledgement.
func (h *hold) lasts(ack history.Op) time.Duration {
	granted := ack.Call
	if ack.Kind == history.Acquire {
		granted = max(granted, h.asked)
	}
	return min(granted+h.ttl, h.ending)
}

// sure are the times at which it was held, whatever else happened.
func (h *hold) sure() (spans []history.Span) {
	for _, op := range h.acks {
		if s := (history.Span{From: max(op.Return, h.told), To: h.lasts(op)}); s.From < s.To {
			spans = append(spans, s)
		}
	}
	return merged(spans)
}

// soonest is the moment before which it was not over, whatever else happened.
func (h *hold) soonest() (soonest time.Duration) {
	for _, op := range h.acks {
		soonest = max(soonest, h.lasts(op))
	}
	return soonest
}

// over is the moment from which it is not held any more for sure, if etcd and the gateways
// are well: after the last TTL has passed, or after a release.
func (h *hold) over(q quiet) (over time.Duration) {
	for _, op := range h.acks {
		over = max(over, q.expired(op.Return, h.longest, 0))
	}
	for _, op := range h.may {
		over = max(over, q.expired(op.Return, h.longest, op.Gateway))
	}
	return min(h.ended, over)
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
