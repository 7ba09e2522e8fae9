package robustness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/cluster"
	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// figures are what a run has measured, beside its history.
type figures struct {
	faults, violations        int
	written, refused          int            // to the sets, and too late
	memoryBefore, memoryAfter cluster.Memory // of all gateways
}

// of are these figures, and those of the history, for people.
func (f figures) of(h *history.History) string {
	var b strings.Builder
	outcomes := make(map[string]int)
	for _, op := range h.Ops {
		outcome := fmt.Sprintf("%s %d", op.Kind, op.Status)
		if op.Left {
			outcome = fmt.Sprintf("%s, gone", op.Kind)
		}
		outcomes[outcome]++
	}
	fmt.Fprintf(&b, "%d requests, %d faults, %d violations", len(h.Ops), f.faults, f.violations)
	for _, o := range slices.Sorted(maps.Keys(outcomes)) {
		fmt.Fprintf(&b, "; %s: %d", o, outcomes[o])
	}
	fmt.Fprintf(&b, "\nwritten to the sets %d times, and refused %d times\n", f.written, f.refused)
	fmt.Fprintf(&b, "the gateways' memory in use: %d MiB before, %d MiB after; resident: %d MiB, %d MiB\n",
		f.memoryBefore.InUse>>20, f.memoryAfter.InUse>>20, f.memoryBefore.Resident>>20, f.memoryAfter.Resident>>20)
	times, longest, sum := slow(h.Events)
	fmt.Fprintf(&b, "slow without a fault: %d times, %v at most, %v in all\n", times, longest.Round(time.Millisecond), sum.Round(time.Millisecond))
	for _, u := range unavailable(h) {
		fmt.Fprintf(&b, "%-34s %3d times, longest unavailability: %v", u.kind, u.times, u.longest.Round(time.Millisecond))
		if u.there > 0 {
			fmt.Fprintf(&b, ", at the gateway that it happens to: %v", u.there.Round(time.Millisecond))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// slow is how often, how long at most, and how long in all locks could not be had quickly, while
// there was no fault.
func slow(events []history.Event) (times int, longest, sum time.Duration) {
	for _, e := range events {
		if e.Kind == history.Unwell && !disturbed(e, events) {
			times, longest, sum = times+1, max(longest, e.To-e.From), sum+e.To-e.From
		}
	}
	return times, longest, sum
}

// disturbed says whether another fault overlaps an event.
func disturbed(e history.Event, events []history.Event) bool {
	return slices.ContainsFunc(events, func(f history.Event) bool {
		return f != e && (f.Fault() || f.Gentle) && f.Kind != history.Unwell && f.Overlaps(e.Span)
	})
}

// unavailability is how long no lock could be had, at any one gateway, because of faults of
// one kind.
type unavailability struct {
	kind    string
	times   int
	longest time.Duration // at a gateway that the fault did not happen to
	there   time.Duration // at the one that it did
}

// together is the kind of faults that came two at once.
const together = "two of these at once"

// unavailable is that of each kind of fault: the longest time in which nobody got any lock at
// a gateway.
func unavailable(h *history.History) (all []unavailability) {
	served := make(map[int][]time.Duration) // by gateway, when a lock was had
	for _, op := range h.Ops {
		if op.Kind == history.Acquire && op.OK() {
			served[op.Gateway] = append(served[op.Gateway], op.Return)
		}
	}
	for _, times := range served {
		slices.Sort(times)
	}
	byKind := make(map[string]*unavailability)
	for _, e := range h.Events {
		if !e.Fault() && !e.Gentle || e.Kind == history.Unwell {
			continue
		}
		kind := e.Kind
		if disturbed(e, h.Events) {
			kind = together
		}
		u := byKind[kind]
		if u == nil {
			u = &unavailability{kind: kind}
			byKind[kind] = u
		}
		u.times++
		for gateway, times := range served {
			longest := &u.longest
			if gateway == e.Gateway {
				longest = &u.there
			}
			*longest = max(*longest, gap(times, e.Span))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		all = append(all, *byKind[kind])
	}
	return all
}

// gap is the longest time between two of the moments, which are in their order, that follow
// each other, of which one is within the span, or both around it.
func gap(times []time.Duration, in history.Span) (longest time.Duration) {
	for i := 1; i < len(times); i++ {
		if in.Overlaps(history.Span{From: times[i-1], To: times[i]}) {
			longest = max(longest, times[i]-times[i-1])
		}
	}
	return longest
}
