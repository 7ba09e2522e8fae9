package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "go.etcd.io/etcd/client/v2"

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

// pollTime is how long a watch waits for the next event before it makes sure
// that the member it waits at is a part of its cluster: one that is cut off tells
// nothing. When another request has found that, it waits no longer.
const pollTime = 10 * time.Second

// Watch implements store.Store. It is a long poll. etcd remembers the last 1,000
// events, of all keys; where more have passed since the last poll, it says so,
// and the caller lists the queue anew.
func (s *Store) Watch(ctx context.Context, key store.Key, after uint64, apply func(uint64, []store.Event)) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unhook := context.AfterFunc(s.ctx, cancel)
	defer unhook()

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
		after = max(after, index)
		if event.Entry.Name != "" {
			apply(index, []store.Event{event})
		}
	}
}

// poll waits for the next event after an index. It returns up to which index all
// is known then; the event has no name if it was of no entry, or if there was
// none for pollTime.
func (s *Store) poll(ctx context.Context, q queue, after uint64) (store.Event, uint64, error) {
	wait, cancel := context.WithTimeout(ctx, pollTime)
	defer cancel()
	defer s.callers.whenTurnMoves(cancel)()
	c := s.callers.take(wait)
	resp, err := c.keys.Watcher(q.entries, &client.WatcherOptions{AfterIndex: after, Recursive: true}).Next(wait)
	began, waited := c.established.Load(), wait.Err() != nil
	c.put()
	switch {
	case code(err) == client.ErrorCodeEventIndexCleared:
		return store.Event{}, 0, store.ErrCompacted
	case err != nil && waited && ctx.Err() == nil:
		look, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		_, err := s.get(look, q.entries, quorum)
		if isNotFound(err) {
			err = nil
		}
		return store.Event{}, began, err
	case err != nil:
		return store.Event{}, 0, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	index := resp.Node.ModifiedIndex
	s.seen(index)
	gone := resp.Action == "delete" || resp.Action == "compareAndDelete" || resp.Action == "expire"
	if gone && len(resp.Node.Key) <= len(q.entries) {
		return store.Event{}, 0, errors.New("the queue's directory has been deleted")
	}
	e, ok := decode(resp.Node)
	if !ok {
		return store.Event{}, index, nil
	}
	if gone {
		s.waiting.drop(place{q, e.Index})
		e = store.Entry{Name: e.Name, Index: e.Index}
	}
	return store.Event{Revision: index, Deleted: gone, Entry: e}, index, nil
}
