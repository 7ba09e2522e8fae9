package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// List implements store.Store.
func (s *Store) List(ctx context.Context, key store.Key, limit int) (store.Listing, error) {
	ctx, cancel, err := s.begin(ctx, s.lanes.prompt)
	if err != nil {
		return store.Listing{}, err
	}
	defer cancel()
	q := s.queue(key)
	l, err := s.list(ctx, q, quorum)
	if err != nil {
		return store.Listing{}, fmt.Errorf("listing: %w", err)
	}
	s.lookForDead(q, l)
	for i, e := range l.entries {
		if e.Held {
			l.entries[i].Left = time.Duration(max(refOf(e).ttl-1, 0)) * time.Second
		}
	}
	if limit > 0 && len(l.entries) > limit {
		l.entries = l.entries[:limit]
	}
	return store.Listing{Revision: l.index, Entries: l.entries}, nil
}

// Watch implements store.Store. It is a long poll. etcd remembers the last 1,000
// events, of all keys; where more have passed since the last poll, it says so,
// and the caller lists the queue anew.
func (s *Store) Watch(ctx context.Context, key store.Key, after uint64, apply func(uint64, []store.Event)) error {
	ctx, cancel, err := s.whileOpen(ctx)
	if err != nil {
		return err
	}
	defer cancel()

	q := s.queue(key)
	defer s.sweeper.watch(q)()
	for {
		event, index, err := s.poll(ctx, q, after)
		switch {
		case s.closed.Load():
			return store.ErrClosed
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("watching: %w", err)
		}
		after = index
		if event.Entry.Name != "" {
			apply(index, []store.Event{event})
		}
	}
}

// poll waits for the next event after an index. It returns up to which index all
// is known then; the event has no name if it was of no entry, or if there was
// none for pollTime.
func (s *Store) poll(ctx context.Context, q queue, after uint64) (store.Event, uint64, error) {
	resp, index, err := s.await(ctx, s.lanes.polls, q.entries, after, pollTime)
	if err != nil || resp == nil {
		return store.Event{}, index, err
	}
	if gone(resp) && len(resp.Node.Key) <= len(q.entries) {
		return store.Event{}, 0, errors.New("the queue's directory has been deleted")
	}
	e, ok := decode(resp.Node)
	if !ok {
		return store.Event{}, index, nil
	}
	if gone(resp) {
		s.waiting.drop(place{q, e.Index})
		e = store.Entry{Name: e.Name, Index: e.Index}
	}
	return store.Event{Revision: index, Deleted: gone(resp), Entry: e}, index, nil
}
