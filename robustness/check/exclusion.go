package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// overlap is I1: no two indices are held at once.
func (r *report) overlap(l *lock) {
	type held struct {
		history.Span
		index uint64
	}
	var all []held
	for _, h := range l.holds {
		for _, s := range h.sure() {
			all = append(all, held{s, h.index})
		}
	}
	slices.SortFunc(all, func(a, b held) int { return cmp.Compare(a.From, b.From) })
	var longest held // of those that have begun
	for _, s := range all {
		if longest.index != 0 && longest.index != s.index && s.From < longest.To {
			r.add("I1", s.From, "%d and %d are both held, for %v at least", longest.index, s.index, min(s.To, longest.To)-s.From)
		}
		if s.To > longest.To {
			longest = s
		}
	}
}

// indices is I2: whoever asks after somebody has been told an index gets a greater one,
// each holder's is greater than those of the holders before, and an index is one entry's.
func (r *report) indices(l *lock) {
	var got []history.Op
	owner := make(map[uint64]history.Op)
	for _, op := range l.ops {
		if op.Kind != history.Acquire || !op.OK() {
			continue
		}
		if first, ok := owner[op.Got]; ok && (!op.HasValue || op.HasValue != first.HasValue || op.Value != first.Value) {
			r.add("I2", op.Return, "%d is given to client %d for %q, and to client %d for %q", op.Got, first.Client, first.Value, op.Client, op.Value)
		}
		owner[op.Got] = op
		got = append(got, op) // in the order of their calls
		if h := l.byIndex[op.Got]; op.Call > h.ended {
			r.add("I2", op.Return, "%d is given to client %d, which asked at %v, and had been released at %v", op.Got, op.Client, op.Call, h.ended)
		}
	}
	told := slices.SortedFunc(slices.Values(got), func(a, b history.Op) int { return cmp.Compare(a.Return, b.Return) })
	newest := uint64(0)
	for _, op := range got {
		for len(told) > 0 && told[0].Return < op.Call {
			newest, told = max(newest, told[0].Got), told[1:]
		}
		if op.Got < newest {
			r.add("I2", op.Return, "%d is given after %d", op.Got, newest)
		}
	}
	var before *hold // of those with smaller indices, the one that can't have been over sooner than the others
	for _, h := range l.holds {
		if before != nil && before.told > h.told && before.soonest() > h.told { // else they overlap
			r.add("I2", before.told, "%d is told at %v, and %d at %v, when that can't have been over", h.index, h.told, before.index, before.told)
		}
		if before == nil || h.soonest() > before.soonest() {
			before = h
		}
	}
}

// holders is I1 and I3 as it stands in etcd: while somebody surely holds the lock, etcd has
// that entry, and none before it.
func (r *report) holders(l *lock) {
	for _, h := range l.holds {
		for _, sure := range h.sure() {
			for _, s := range l.between(sure) {
				for _, look := range []history.Span{s.First, s.Last} {
					if look.From < sure.From || look.To >= sure.To {
						continue
					}
					switch at := slices.IndexFunc(s.Entries, func(e history.Entry) bool { return e.Index == h.index }); {
					case at < 0:
						r.add("I1", look.To, "%d is held, and etcd has no such entry", h.index)
					case at > 0:
						r.add("I3", look.To, "%d is held, and %d waits before it", h.index, s.Entries[0].Index)
					}
				}
			}
		}
	}
}

// between are the sights that have to do with a time. They are in their order.
func (l *lock) between(t history.Span) []history.Sight {
	from, _ := slices.BinarySearchFunc(l.sights, t.From, func(s history.Sight, t time.Duration) int { return cmp.Compare(s.Last.To, t) })
	to, _ := slices.BinarySearchFunc(l.sights, t.To, func(s history.Sight, t time.Duration) int { return cmp.Compare(s.First.From, t) })
	return l.sights[from:max(from, to)]
}

// order is I3 as it stands in etcd alone: only the head is held.
func (r *report) order(l *lock) {
	reported := make(map[uint64]bool)
	for _, s := range l.sights {
		for i, e := range s.Entries {
			if i > 0 && e.Held && !reported[e.Index] {
				reported[e.Index] = true
				r.add("I3", s.First.To, "etcd has %d as held, and %d before it", e.Index, s.Entries[0].Index)
			}
		}
	}
}

// twins is I7: no value has two places, for longer than it takes to give one back.
func (r *report) twins(l *lock) {
	type pair [2]uint64
	since := make(map[pair]time.Duration)
	for _, s := range l.sights {
		first := make(map[string]uint64)
		for _, e := range s.Entries {
			if !e.HasValue {
				continue
			}
			other, ok := first[e.Value]
			first[e.Value] = e.Index
			if !ok {
				continue
			}
			p := pair{other, e.Index}
			if _, ok := since[p]; !ok {
				since[p] = s.First.To
			}
			if len(r.lasting(since[p], s)) > 0 {
				r.add("I7", s.Last.To, "%q has two places in the queue, %d and %d", e.Value, other, e.Index)
				since[p] = never // it has been said
			}
		}
	}
}
