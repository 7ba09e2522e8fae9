package memstore

import (
	"cmp"
	"slices"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// log is what has happened in all queues, for those who look at more than one.
// Places in it are counted from the cluster's beginning on.
type log struct {
	moments   []moment
	forgotten int                // how many moments there were before these
	base      map[*queue][]known // what was there when they were forgotten
	changed   chan struct{}      // closed, and replaced, when there is more, or less
}

// moment is all that happened at one revision or, where it is not numbered,
// renewals after that revision.
type moment struct {
	revision uint64
	numbered bool
	changes  []change
}

// change is one change of one entry.
type change struct {
	q *queue
	known
	deleted, expired, renewed bool
}

// known is an entry and what it was at some time.
type known struct {
	e    *entry
	then store.Entry
}

func (l *log) add(m moment) {
	l.moments = append(l.moments, m)
	l.wake()
}

// wake makes every observer look again.
func (l *log) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// end is the place behind all that has happened.
func (l *log) end() int { return l.forgotten + len(l.moments) }

// behind is the place behind all that happened up to a revision.
func (l *log) behind(revision uint64) int {
	i, _ := slices.BinarySearchFunc(l.moments, revision+1, func(m moment, revision uint64) int {
		return cmp.Compare(m.revision, revision)
	})
	return l.forgotten + i
}

// from returns what has happened since a place that is not forgotten.
func (l *log) from(place int) []moment { return l.moments[place-l.forgotten:] }

// at is what was in the queues at a place that is not forgotten.
func (l *log) at(place int) map[*queue][]known {
	state := make(map[*queue][]known, len(l.base))
	for q, entries := range l.base {
		state[q] = slices.Clone(entries)
	}
	for _, m := range l.moments[:place-l.forgotten] {
		for _, c := range m.changes {
			i := slices.IndexFunc(state[c.q], func(k known) bool { return k.e == c.e })
			switch {
			case c.deleted:
				state[c.q] = slices.Delete(state[c.q], i, i+1)
			case i < 0:
				state[c.q] = append(state[c.q], c.known)
			default:
				state[c.q][i] = c.known
			}
		}
	}
	return state
}

// forget takes all moments out.
func (l *log) forget() {
	l.base = l.at(l.end())
	for i, m := range l.moments {
		for _, c := range m.changes {
			c.q.forgotten = l.forgotten + i + 1
		}
	}
	l.forgotten, l.moments = l.end(), nil
	l.wake() // those that have fallen behind
}
