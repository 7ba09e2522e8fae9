package memstore

import (
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// txn is one write: everything that it changes gets one revision.
type txn struct {
	c        *Cluster
	revision uint64
	changes  []change
	renewals []change // of entries that were held before
}

func (c *Cluster) begin() *txn { return &txn{c: c, revision: c.revision + 1} }

// hold makes e's TTL start now. To be known as more than a renewal, it takes a put
// after it.
func (t *txn) hold(q *queue, e *entry, ttl time.Duration) {
	renewal := e.held
	if e.timer != nil {
		e.timer.Stop()
	}
	e.held, e.ttl, e.deadline = true, ttl, time.Now().Add(ttl)
	e.timer = time.AfterFunc(ttl, func() { t.c.expire(q, e) })
	if renewal {
		t.renewals = append(t.renewals, change{q: q, known: known{e, e.snapshot()}, renewed: true})
	}
}

// put makes the state of e known, after it has been changed.
func (t *txn) put(q *queue, e *entry) {
	e.mod = t.revision
	renewed := slices.ContainsFunc(t.renewals, func(c change) bool { return c.e == e })
	t.changes = append(t.changes, change{q: q, known: known{e, e.snapshot()}, renewed: renewed})
}

// end is why an entry goes.
type end int

const (
	released  end = iota // somebody asked for that
	abandoned            // nobody is left who waits for it, or may have told of it
	ranOut               // its TTL is over
)

// delete takes e out of its queue. Unless somebody asked for that, those whose
// sessions ended while they waited for e lost it by that; so did, if its TTL ran out,
// those who may not have told anybody of the grant.
func (t *txn) delete(q *queue, e *entry, why end) {
	if e.timer != nil {
		e.timer.Stop()
	}
	if i, ok := q.search(e.index); ok {
		q.entries = slices.Delete(q.entries, i, i+1)
	}
	delete(q.byName, e.name)
	if why != released {
		for s := range e.lost {
			s.lost[place{q.key, e.name, e.index}] = struct{}{}
		}
	}
	if why == ranOut {
		for _, parties := range []gateways{e.claims, e.waiting} {
			for s := range parties {
				s.lost[place{q.key, e.name, e.index}] = struct{}{}
			}
		}
	}
	gone := store.Entry{Name: e.name, Index: e.index}
	t.changes = append(t.changes, change{q: q, known: known{e, gone}, deleted: true, expired: why == ranOut})
}

// commit makes the write's changes history; a write that changed nothing leaves
// no trace, and one that only renewed has no revision, as in etcd v3.
func (t *txn) commit() {
	switch {
	case len(t.changes) > 0:
		t.c.revision = t.revision
		t.c.log.add(moment{revision: t.revision, numbered: true, changes: t.changes})
		for _, c := range t.changes {
			c.q.note(t.revision, c)
		}
	case len(t.renewals) > 0:
		t.c.log.add(moment{revision: t.c.revision, changes: t.renewals})
	}
}
