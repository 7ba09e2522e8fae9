package memstore

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// queue is one lock's entries and what has happened to them.
type queue struct {
	key       store.Key
	entries   []*entry // in the order of their indices
	byName    map[string]*entry
	history   []batch
	compacted uint64        // the last revision that Compact took out of history
	forgotten int           // the place in the log behind all of its changes that Compact took out
	changed   chan struct{} // closed, and replaced, when there is more history, or less
}

// batch is all that one revision changed in one queue.
type batch struct {
	revision uint64
	events   []store.Event
}

// gateways is a set of them.
type gateways map[*Store]struct{}

func (g gateways) has(s *Store) bool { _, ok := g[s]; return ok }

// entry is one place in a queue.
type entry struct {
	name     string
	index    uint64
	mod      uint64 // the revision of the last change: the Ref of its snapshots
	value    string
	hasValue bool

	held     bool
	ttl      time.Duration
	deadline time.Time
	timer    *time.Timer

	waiting gateways // wait for it, with a live session
	claims  gateways // may have told a client that it is held, dead or alive
	lost    gateways // waited for it until their sessions ended
}

// snapshot is the entry as callers see it.
func (e *entry) snapshot() store.Entry {
	return store.Entry{
		Name: e.name, Index: e.index, Value: e.value, HasValue: e.hasValue,
		Held: e.held, TTL: e.ttl, Ref: e.mod,
	}
}

// snapshotLeft is a snapshot that tells what is left of the TTL, as stores do: in
// whole seconds.
func (e *entry) snapshotLeft(left time.Duration) store.Entry {
	snapshot := e.snapshot()
	snapshot.Left = left.Truncate(time.Second)
	return snapshot
}

// left is what is left of the TTL, zero while the entry waits.
func (e *entry) left() time.Duration {
	if !e.held {
		return 0
	}
	return max(0, time.Until(e.deadline))
}

// add puts e at the end.
func (q *queue) add(e *entry) {
	q.entries = append(q.entries, e)
	q.byName[e.name] = e
}

// has says whether e still is in the queue.
func (q *queue) has(e *entry) bool { return q.byName[e.name] == e }

// at returns the entry with that index, or nil.
func (q *queue) at(index uint64) *entry {
	if i, ok := q.search(index); ok {
		return q.entries[i]
	}
	return nil
}

func (q *queue) search(index uint64) (int, bool) {
	return slices.BinarySearchFunc(q.entries, index, func(e *entry, index uint64) int {
		return cmp.Compare(e.index, index)
	})
}

// named returns the entry with that name and index, or nil.
func (q *queue) named(name string, index uint64) *entry {
	if e := q.byName[name]; e != nil && e.index == index {
		return e
	}
	return nil
}

// target returns the entry that t means, or nil. Looking up is cheap here, so
// the hint is not needed.
func (q *queue) target(t store.Target) *entry {
	if t.Index == 0 {
		return q.byName[valuedName(t.Value)]
	}
	return q.at(t.Index)
}

// since returns what has happened after a revision.
func (q *queue) since(revision uint64) []batch {
	i, _ := slices.BinarySearchFunc(q.history, revision+1, func(b batch, revision uint64) int {
		return cmp.Compare(b.revision, revision)
	})
	return q.history[i:len(q.history):len(q.history)]
}

// note adds a change to the history.
func (q *queue) note(revision uint64, c change) {
	if n := len(q.history); n == 0 || q.history[n-1].revision != revision {
		q.history = append(q.history, batch{revision: revision})
	}
	last := &q.history[len(q.history)-1]
	last.events = append(last.events, store.Event{Revision: revision, Deleted: c.deleted, Entry: c.then})
	q.wake()
}

// wake makes every watch of the queue look again.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// expire deletes a held entry whose TTL is over.
func (c *Cluster) expire(q *queue, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !q.has(e) || time.Now().Before(e.deadline) {
		return // released, or renewed while the timer waited for the lock
	}
	t := c.begin()
	t.delete(q, e, ranOut)
	t.commit()
}
