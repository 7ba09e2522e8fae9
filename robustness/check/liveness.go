package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

const (
	// atOnce is I4's and I5's second.
	atOnce = time.Second
	// late is how much longer than its TTL a hold may last (I6).
	late = 2 * time.Second
	// dead is how long the entries of a dead gateway may stay (I4).
	dead = 15 * time.Second
)

// ghosts is I4 and I6: each entry is that of a request that waits, or of a hold that is on.
func (r *report) ghosts(l *lock) {
	before := time.Duration(0) // the sight before was then
	for _, s := range l.sights {
		for _, e := range s.Entries {
			if _, ok := l.granted[e.Index]; e.Held && !ok {
				l.granted[e.Index] = before
			}
		}
		moments := []history.Span{s.Last}
		for _, calm := range r.quiet.calm(history.Span{From: s.First.To, To: s.Last.From}) {
			if calm.To < s.Last.From { // who stands there when the next trouble begins can't be excused by that
				moments = append(moments, history.Span{From: calm.To, To: calm.To})
			}
		}
		for _, at := range moments {
			r.strangers(l, s, at)
			for _, e := range s.Entries {
				r.ghost(l, at, e)
			}
		}
		before = s.Last.From
	}
}

// ghost judges an entry by who needs it at a moment.
func (r *report) ghost(l *lock, at history.Span, e history.Entry) {
	until, since, why := time.Duration(0), time.Duration(0), "nobody has asked for it"
	needed := func(limit, end time.Duration, reason string) {
		if limit >= until {
			until, since, why = limit, end, reason
		}
	}
	named := []asked{{value: e.Value, hasValue: e.HasValue}, {index: e.Index}}
	if h := l.byIndex[e.Index]; h != nil {
		over := h.over(r.quiet)
		needed(r.quiet.gone(over, 0, at.To), over, "its hold was over")
		if !h.hasValue || h.ended <= at.From { // the others have another entry
			named = nil
		}
	}
	for _, by := range named {
		for _, op := range l.asking[by] {
			if op.Call > at.To || until >= at.From {
				break
			}
			switch {
			case op.Kind == history.Acquire && op.OK() && op.Got != e.Index && !e.HasValue && r.quiet.during(op.Call, op.Return): // it made another one
			case op.Kind == history.Acquire && op.Return >= at.From:
				return
			case op.OK() && (op.Kind == history.Renew || op.Got == e.Index) && l.byIndex[e.Index] != nil: // see the hold
			case op.Kind == history.Acquire: // who was told another index may have had two entries with one value, or have queued again
				needed(r.quiet.gone(op.Return, op.Gateway, at.To), op.Return, "the last request for it had ended")
				if op.Unknown() && e.Held && l.granted[e.Index] < op.Return+atOnce { // it was sent the index, and may have gone without reading it
					over := r.quiet.expired(op.Return, seconds(op.TTL), op.Gateway)
					needed(r.quiet.gone(over, 0, at.To), over, "the last request for it had ended, and what it was given as well")
				}
			case e.Held && (op.OK() || op.Unknown()):
				over := r.quiet.expired(op.Return, seconds(op.TTL), op.Gateway)
				needed(r.quiet.gone(over, 0, at.To), over, "it was renewed, and that was over")
			}
		}
	}
	if at.From > until {
		r.add("I4", at.To, "%d, %q, is in etcd %v after %s", e.Index, e.Value, at.From-since, why)
	}
}

// strangers is I4 for entries without a value, which nobody can tell from each other: there
// are no more of them than there are requests that may have one.
func (r *report) strangers(l *lock, s history.Sight, at history.Span) {
	there := 0
	for _, e := range s.Entries {
		if !e.HasValue && !e.Held {
			there++
		}
	}
	if there < 2 { // one is judged by itself
		return
	}
	may := 0
	for _, op := range l.asking[asked{}] {
		if op.Call > at.To {
			break
		}
		if op.Return >= at.From || r.quiet.gone(op.Return, op.Gateway, at.To) >= at.From {
			may++
		}
	}
	if there > may {
		r.add("I4", at.To, "%d entries without a value are in etcd, and %d requests may have one", there, may)
	}
}

// handovers is I5: when a lock is released, or its time is over, while somebody waits for
// it, the next one has it within a second.
func (r *report) handovers(l *lock) {
	for _, h := range l.holds {
		over := h.over(r.quiet)
		limit := r.quiet.after(over, atOnce)
		if !r.quiet.during(h.told, limit) {
			continue
		}
		if waits, ok := l.waiting(min(h.ending, over), limit); ok && !r.busy(l, h, limit) {
			r.add("I5", limit, "%d was over at %v, and client %d, which has waited since %v, is not told", h.index, over, waits.Client, waits.Call)
		}
	}
}

// waiting finds a request that waits from before a moment until after limit.
func (l *lock) waiting(from, limit time.Duration) (history.Op, bool) {
	for _, op := range l.ops {
		if op.Call >= from {
			break
		}
		if op.Kind == history.Acquire && op.Timeout == history.Forever && op.Return > limit {
			return op, true
		}
	}
	return history.Op{}, false
}

// busy says whether somebody else may have the lock, or be the next, at a moment between
// the hold's end and limit: who has been told, or who went without having been.
func (r *report) busy(l *lock, h *hold, limit time.Duration) bool {
	from := max(h.soonest(), h.lasted)
	for _, op := range l.ops {
		if op.Call > limit {
			break
		}
		if op.Kind != history.Acquire || op.Return > limit {
			continue
		}
		if op.OK() && op.Got > h.index || !op.OK() && r.stays(op, from) >= from {
			return true
		}
	}
	return false
}

// stays is until when the entry of a request may stand in the queue that has ended without
// having been told an index, as long as another one holds the lock until from. (If it gets the
// lock after that, it may keep it.)
func (r *report) stays(op history.Op, from time.Duration) time.Duration {
	if op.Status == 410 || op.Status == 423 { // it was gone when that was said
		return op.Return
	}
	return max(op.Return, r.quiet.gone(op.Return, op.Gateway, from))
}

// heads is I5 as it stands in etcd: the head of the queue gets the lock within a second, and
// who asked for it is told so, if it is still there.
func (r *report) heads(l *lock) {
	type head struct {
		index uint64
		held  bool
	}
	var now head
	var since time.Duration
	for _, s := range l.sights {
		if len(s.Entries) == 0 {
			now = head{}
			continue
		}
		e := s.Entries[0]
		if h := (head{e.Index, e.Held}); h != now {
			now, since = h, s.First.To
		}
		for _, calm := range r.lasting(since, s) {
			if op, ok := l.asks(e, calm.From, calm.To); ok {
				r.add("I5", calm.To, "%d has been the head of the queue since %v (held: %t), and client %d, which has waited since %v, is not told, though nothing was the matter since %v",
					e.Index, since, e.Held, op.Client, op.Call, calm.From)
				since = never // it has been said
				break
			}
		}
	}
}

// lasting are the times of more than a second in which nothing was the matter, and something
// that was seen first at since stood there, until the last look at s.
func (r *report) lasting(since time.Duration, s history.Sight) (times []history.Span) {
	for _, calm := range r.quiet.calm(history.Span{From: since, To: s.Last.From}) {
		if calm.To > r.quiet.after(calm.From, atOnce) {
			times = append(times, calm)
		}
	}
	return times
}

// asks finds a request that waits in an entry from before since until after at.
func (l *lock) asks(e history.Entry, since, at time.Duration) (history.Op, bool) {
	for _, op := range l.ops {
		if op.Call >= since {
			break
		}
		if op.Kind == history.Acquire && op.Return > at && (op.OK() && op.Got == e.Index || e.HasValue && op.HasValue && op.Value == e.Value) {
			return op, true
		}
	}
	return history.Op{}, false
}

// waits are I5 and the timeouts: nobody waits for ever, nor for longer than was asked for,
// nor is sent away from a lock that is free.
func (r *report) waits(l *lock) {
	free := r.free(l)
	for _, op := range l.ops {
		limit := r.quiet.after(op.Call, seconds(max(op.Timeout, 0))+atOnce)
		if op.Kind == history.Renew && op.Status == 404 {
			limit = r.quiet.after(limit, late) // a hold whose time is over may be there yet, and then may not
		}
		overdue := op.Return > limit && r.quiet.during(op.Call, limit)
		if op.Kind != history.Acquire {
			if overdue {
				r.add("timeout", op.Return, "client %d is answered %v after it asked to %s, which takes no time", op.Client, op.Return-op.Call, op.Kind)
			}
			continue
		}
		if op.Error == history.GivenUp {
			r.add("I5", op.Return, "client %d has waited since %v, until the end of the run", op.Client, op.Call)
		}
		if op.Status == 423 {
			if op.Timeout == history.Forever || op.Return-op.Call < seconds(op.Timeout) {
				r.add("timeout", op.Return, "client %d is told %v after it asked that its time is over, with a timeout of %d s", op.Client, op.Return-op.Call, op.Timeout)
			}
			if r.quiet.during(op.Call, op.Return) && free(op) {
				r.add("I5", op.Return, "client %d, which asked at %v, is told that somebody else has the lock, or waits for it, and nobody has since", op.Client, op.Call)
			}
		}
		if overdue && op.Timeout != history.Forever && !op.Left {
			r.add("timeout", op.Return, "client %d is answered %v after it asked, with a timeout of %d s", op.Client, op.Return-op.Call, op.Timeout)
		}
	}
}

// free returns a function that says whether nobody but a request's client can have had the
// lock, or a place in its queue, since it was made.
func (r *report) free(l *lock) func(op history.Op) bool {
	type last struct {
		of  int // in l.ops
		end time.Duration
	}
	// The two that may have stayed the longest, of the first n requests.
	longest := make([][2]last, len(l.ops)+1)
	for i, op := range l.ops {
		longest[i+1] = longest[i]
		if op.Kind != history.Acquire && op.Kind != history.Renew {
			continue
		}
		now := last{i, r.quiet.gone(op.Return, op.Gateway, never)}
		if h := l.byIndex[op.Got]; op.OK() && h != nil {
			now.end = h.over(r.quiet) + atOnce
		} else if op.Unknown() || op.Kind == history.Renew && op.OK() {
			now.end = max(now.end, r.quiet.expired(op.Return, seconds(op.TTL), op.Gateway)+atOnce)
		}
		switch two := &longest[i+1]; {
		case now.end > two[0].end:
			two[0], two[1] = now, two[0]
		case now.end > two[1].end:
			two[1] = now
		}
	}
	return func(op history.Op) bool {
		n, _ := slices.BinarySearchFunc(l.ops, op.Return, func(o history.Op, t time.Duration) int { return cmp.Compare(o.Call, t) })
		for _, other := range longest[n] {
			if other.end >= op.Call && l.ops[other.of] != op {
				return false
			}
		}
		return true
	}
}

// end is I10: nothing is left.
func (r *report) end(l *lock) {
	if n := len(l.sights); n > 0 && len(l.sights[n-1].Entries) > 0 {
		r.add("I10", l.sights[n-1].Last.To, "left in etcd: %v", l.sights[n-1].Entries)
	}
}
