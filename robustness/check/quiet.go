package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// quiet knows when nothing was the matter.
type quiet struct {
	troubles []history.Span // in their order, none of them overlapping another
	stalls   []history.Span
	faults   []history.Event // in their order, elections among them
}

func newQuiet(events []history.Event) quiet {
	var q quiet
	for _, e := range events {
		switch {
		case e.Kind == history.Stall:
			q.stalls = append(q.stalls, e.Span)
		case e.Fault():
			q.troubles = append(q.troubles, e.Span)
			q.faults = append(q.faults, e)
		case e.Kind == history.Election:
			q.faults = append(q.faults, e)
		}
	}
	slices.SortStableFunc(q.faults, func(a, b history.Event) int { return cmp.Compare(a.From, b.From) })
	q.troubles, q.stalls = merged(q.troubles), merged(q.stalls)
	return q
}

// merged are spans in their order, where those that overlap are one.
func merged(spans []history.Span) (all []history.Span) {
	slices.SortFunc(spans, func(a, b history.Span) int { return cmp.Compare(a.From, b.From) })
	for _, s := range spans {
		if n := len(all); n > 0 && all[n-1].Overlaps(s) {
			all[n-1].To = max(all[n-1].To, s.To)
			continue
		}
		all = append(all, s)
	}
	return all
}

// during says whether nothing was the matter between the two moments.
func (q quiet) during(from, to time.Duration) bool {
	i, _ := slices.BinarySearchFunc(q.troubles, from, func(s history.Span, t time.Duration) int { return cmp.Compare(s.To, t) })
	return i == len(q.troubles) || q.troubles[i].From > to
}

// after is the moment at which that much time has passed since from, in which the
// recorder was run.
func (q quiet) after(from, length time.Duration) time.Duration {
	end := from + length
	for _, s := range q.stalls {
		if s.To > from && s.From < end {
			end += s.To - max(s.From, from)
		}
	}
	return end
}

// calm are the parts of a time in which nothing was the matter, in their order.
func (q quiet) calm(t history.Span) (parts []history.Span) {
	i, _ := slices.BinarySearchFunc(q.troubles, t.From, func(s history.Span, t time.Duration) int { return cmp.Compare(s.To, t) })
	for ; i < len(q.troubles) && q.troubles[i].From < t.To; i++ {
		if s := q.troubles[i]; s.From > t.From {
			parts = append(parts, history.Span{From: t.From, To: s.From - 1})
		}
		t.From = q.troubles[i].To + 1
	}
	if t.From <= t.To {
		parts = append(parts, t)
	}
	return parts
}

// expired is the moment at which a TTL that began at from, at the latest, has surely ended
// what it is the TTL of (I6). With a new leader of etcd it may have begun anew. If nobody
// knows what became of the request that it is of, which was made through a gateway, that one
// may carry it out when it is well again.
func (q quiet) expired(from, ttl time.Duration, gateway int) time.Duration {
	end := from + ttl + late
	for _, f := range q.faults {
		if f.To > from && f.From < end && (etcds(f) || gateway != 0 && f.Gateway == gateway) {
			end = max(end, f.To+ttl+late)
		}
	}
	return end
}

// etcds says whether a fault is one of etcd, that may keep it from letting things expire.
func etcds(f history.Event) bool { return f.Gateway == 0 && f.Kind != history.Unwell }

// gone is until when, at most, what nobody needs after end may be in etcd, as far as that is
// known at a moment. That is a second, not counting the time in which something is the matter.
// But a gateway to which that happens may be dead, and its entries stay until its session is
// over, which a new leader of etcd may let begin anew. Gateway 0 is none.
func (q quiet) gone(end time.Duration, gateway int, at time.Duration) time.Duration {
	limit, died := q.after(end, atOnce), false
	for _, f := range q.faults {
		if f.From >= at {
			break
		}
		if f.To < end-atOnce || f.From > limit {
			continue
		}
		allowed := atOnce
		if gateway != 0 && f.Gateway == gateway || died && etcds(f) {
			allowed, died = dead, true
		}
		limit = max(limit, q.after(f.To, allowed))
	}
	return limit
}
