package check

import (
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// answers is I8, and what the contract says: while nothing is the matter, a reload under way
// or not, every request gets an answer that says something.
func (r *report) answers(h *history.History) {
	expected := map[history.Kind][]int{
		history.Acquire: {200, 410, 423},
		history.Renew:   {200, 404, 409},
		history.Release: {200, 404},
		history.Get:     {200},
		history.Holds:   {200, 412},
	}
	for _, op := range h.Ops {
		expected := slices.Contains(expected[op.Kind], op.Status) && (op.Status != 410 || op.Code == cancelledCode)
		gone := op.Left && op.Kind == history.Acquire // else it has been waited for long enough
		if gone || expected || !r.quiet.during(op.Call, op.Return) || r.kept(h.Events, op) {
			continue
		}
		r.name = op.Lock()
		r.add("I8", op.Return, "client %d asks gateway %d to %s at %v, while nothing is the matter, and gets %d (%d) %s", op.Client, op.Gateway, op.Kind, op.Call, op.Status, op.Code, op.Error)
	}
}

// kept says whether a request may have met a connection just when a reload closed it, which
// had been kept for the next one: HTTP has no way to tell the client before. What has waited
// is not excused.
func (r *report) kept(events []history.Event, op history.Op) bool {
	const moment = 200 * time.Millisecond
	return op.Status == 0 && op.Return <= r.quiet.after(op.Call, moment) && slices.ContainsFunc(events, func(e history.Event) bool {
		return e.Gentle && e.Gateway == op.Gateway && e.Overlaps(history.Span{From: op.Call, To: op.Return})
	})
}

// cancelledCode is the errorCode of a request that was cancelled.
const cancelledCode = 212

// cancelled: who waits is told that the request was cancelled only if somebody has done so.
func (r *report) cancelled(l *lock) {
	for _, op := range l.ops {
		if op.Kind == history.Acquire && op.Code == cancelledCode && !slices.ContainsFunc(l.ops, func(del history.Op) bool { return r.cancels(l, del, op) }) {
			r.add("410", op.Return, "client %d, which waits with %q, is told that it has been cancelled, and nobody has", op.Client, op.Value)
		}
	}
}

// cancels says whether a release may have taken a request's entry away while it waited.
// Requests with one value share an entry, also as long as their gateway has not heard that
// it is gone.
func (r *report) cancels(l *lock, del, op history.Op) bool {
	heard := del.Return
	if op.HasValue {
		if heard = r.quiet.after(heard, atOnce); !r.quiet.during(del.Return, op.Call) {
			heard = never
		}
	}
	switch {
	case del.Kind != history.Release || del.Call >= op.Return:
		return false
	case !del.Unknown() && (!del.OK() || heard <= op.Call): // what is unknown may come late
		return false
	case del.Index == 0:
		return del.HasValue && op.HasValue && del.Value == op.Value
	}
	h := l.byIndex[del.Index]
	return h == nil || h.hasValue && op.HasValue && h.value == op.Value // else it was somebody else's
}

// stops is I9.
func (r *report) stops(h *history.History, locks map[history.Name]*lock) {
	const limit = 5 * time.Second
	for _, e := range h.Events {
		if e.Kind != history.Stop {
			continue
		}
		r.name = history.Name{}
		if e.Healed > r.quiet.after(e.From, limit) {
			r.add("I9", e.Healed, "gateway %d took %v to stop", e.Gateway, e.Healed-e.From)
		}
		expected := []int{200, 410, 423, 503}
		disturbed := slices.ContainsFunc(h.Events, func(f history.Event) bool {
			return f.Fault() && f.Kind != history.Stop && f.Kind != history.Unwell && f.Overlaps(e.Span)
		})
		if disturbed {
			expected = append(expected, 504) // etcd may have been away just then
		}
		for _, op := range h.Ops {
			if op.Kind != history.Acquire || op.Gateway != e.Gateway || op.Call >= e.From-atOnce || op.Return <= e.From || op.Left {
				continue
			}
			r.name = op.Lock()
			if !slices.Contains(expected, op.Status) {
				r.add("I9", op.Return, "client %d waited since %v when gateway %d was stopped, and gets %d (%d) %s", op.Client, op.Call, op.Gateway, op.Status, op.Code, op.Error)
			}
			if op.Status == 503 && op.HasValue && !disturbed {
				r.abandoned(locks[r.name], e, op)
			}
		}
	}
}

// abandoned is I9 as it stands in etcd: a gateway that has stopped has taken the entries of
// its requests out of the queue.
func (r *report) abandoned(l *lock, stop history.Event, op history.Op) {
	for _, s := range l.between(history.Span{From: stop.Healed, To: stop.To}) {
		if s.Last.From <= stop.Healed {
			continue
		}
		i := slices.IndexFunc(s.Entries, func(e history.Entry) bool { return e.HasValue && e.Value == op.Value && !e.Held })
		others := slices.ContainsFunc(l.asking[asked{value: op.Value, hasValue: true}], func(o history.Op) bool {
			return o != op && o.Kind == history.Acquire && o.Call < s.Last.To && (o.Return >= stop.From && o.Status != 503 || o.Return >= stop.Healed)
		})
		if i >= 0 && !others {
			r.add("I9", s.Last.From, "%d, %q, is in etcd when gateway %d, through which client %d waited for it, has stopped", s.Entries[i].Index, op.Value, stop.Gateway, op.Client)
			return
		}
	}
}
