package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Observe implements store.Observer. While SetDown holds, or after Kill, it stalls,
// as Watch does. What happens elsewhere makes it call apply without changes, so that
// nobody comes to depend on there being some.
func (s *Store) Observe(ctx context.Context, scope store.Scope, after uint64, start func(uint64, []store.Queue), apply func(uint64, []store.Change)) error {
	if ctx.Err() != nil {
		return nil
	}
	o := observer{s: s, scope: scope}
	var queues []store.Queue
	var broken chan struct{}
	var impossible error
	err := s.look(ctx, OpObserve, store.Key{Space: scope.Space, Name: scope.Name}, func() {
		broken = s.cluster.broken
		queues, impossible = o.begin(after)
	})
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("observing: %w", err)
	case impossible != nil:
		return fmt.Errorf("observing: %w", impossible)
	}
	if start != nil {
		start(o.revision, queues)
	}

	for {
		news, err := o.look()
		if err != nil {
			return fmt.Errorf("observing: %w", err)
		}
		for _, n := range news.told {
			if ctx.Err() != nil {
				return nil
			}
			apply(n.revision, n.changes)
		}
		if len(news.told) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-broken:
			return fmt.Errorf("observing: %w", store.ErrUnavailable)
		case <-news.changed:
		case <-news.wakeup:
		}
	}
}

// observer is one call of Observe.
type observer struct {
	s        *Store
	scope    store.Scope
	revision uint64 // of the last call
	place    int    // in the log, up to which all has been told
}

// told is one call of apply.
type told struct {
	revision uint64
	changes  []store.Change
}

// observed is what an observer has yet to tell, and what it waits for after that.
type observed struct {
	told            []told
	changed, wakeup chan struct{}
}

// begin finds where to go on after a revision, and what was there.
func (o *observer) begin(after uint64) ([]store.Queue, error) {
	c := o.s.cluster
	var queues []store.Queue
	if after == 0 {
		o.revision, o.place = c.revision, c.log.end()
		for _, q := range c.scope(o.scope) {
			if len(q.entries) > 0 {
				queues = append(queues, q.snapshot())
			}
		}
		return queues, nil
	}
	if after < c.compacted || after > c.revision {
		return nil, store.ErrCompacted
	}
	o.revision, o.place = after, c.log.behind(after)
	for q, entries := range c.log.at(o.place) {
		if !o.has(q) || len(entries) == 0 {
			continue
		}
		queue := store.Queue{Name: q.key.Name}
		for _, k := range entries {
			queue.Entries = append(queue.Entries, k.now(q))
		}
		queues = append(queues, queue)
	}
	return queues, nil
}

func (o *observer) has(q *queue) bool {
	return q.key.Space == o.scope.Space && o.scope.Has(q.key.Name)
}

// now is the entry as it was, with what is left of its TTL now.
func (k known) now(q *queue) store.Entry {
	e := k.then
	if e.Held && q.has(k.e) {
		e.Left = k.e.left().Truncate(time.Second)
	}
	return e
}

// look returns what has happened since the last look.
func (o *observer) look() (observed, error) {
	s, c := o.s, o.s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	news := observed{changed: c.log.changed, wakeup: s.wakeup}
	switch {
	case s.closed:
		return news, store.ErrClosed
	case s.down, s.killed:
		return news, nil
	case o.place < c.log.forgotten:
		for _, q := range c.queues {
			if o.has(q) && q.forgotten > o.place {
				return news, store.ErrCompacted
			}
		}
		o.place = c.log.forgotten
	}
	for _, m := range c.log.from(o.place) {
		if changes := o.changes(m); len(changes) > 0 {
			if m.numbered {
				o.revision = m.revision
			}
			news.told = append(news.told, told{o.revision, changes})
		}
	}
	o.place = c.log.end()
	if o.revision < c.revision {
		o.revision = c.revision
		news.told = append(news.told, told{revision: o.revision})
	}
	s.revision = c.revision
	return news, nil
}

// changes are those of a moment that are in the scope.
func (o *observer) changes(m moment) []store.Change {
	var changes []store.Change
	for _, c := range m.changes {
		if o.has(c.q) {
			changes = append(changes, store.Change{
				Queue: c.q.key.Name, Deleted: c.deleted, Expired: c.expired, Renewed: c.renewed,
				Entry: c.now(c.q),
			})
		}
	}
	return changes
}
