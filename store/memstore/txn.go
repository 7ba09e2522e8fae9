package memstore

import (
	"slices"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// txn is one write: everything that it changes gets one revision.
type txn struct {
	c        *Cluster
	revision uint64
	events   map[*queue][]store.Event
}

func (c *Cluster) begin() *txn {
	return &txn{c: c, revision: c.revision + 1, events: make(map[*queue][]store.Event)}
}

// put makes the state of e known, after it has been changed.
func (t *txn) put(q *queue, e *entry) {
	e.mod = t.revision
	t.events[q] = append(t.events[q], store.Event{Revision: t.revision, Entry: e.snapshot()})
}

// delete takes e out of its queue. byHand says that somebody asked for that:
// else those whose sessions ended while they waited for e lost it by that.
func (t *txn) delete(q *queue, e *entry, byHand bool) {
	if e.timer != nil {
		e.timer.Stop()
	}
	if i, ok := q.search(e.index); ok {
		q.entries = slices.Delete(q.entries, i, i+1)
	}
	delete(q.byName, e.name)
	if !byHand {
		for s := range e.lost {
			s.lost[place{q.key, e.name, e.index}] = struct{}{}
		}
	}
	t.events[q] = append(t.events[q], store.Event{
		Revision: t.revision,
		Deleted:  true,
		Entry:    store.Entry{Name: e.name, Index: e.index},
	})
}

// commit makes the write's events history; a write that changed nothing leaves
// no trace.
func (t *txn) commit() {
	if len(t.events) == 0 {
		return
	}
	t.c.revision = t.revision
	for q, events := range t.events {
		q.history = append(q.history, batch{revision: t.revision, events: events})
		q.wake()
	}
}
