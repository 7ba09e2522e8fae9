package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// shortQueue is up to how many entries are read to see that one of them is the
// first.
const shortQueue = 128

// Grant implements store.Store.
//
// Since every entry is made behind all that are there, one that has once been
// seen to be the first stays the first: to see it, any member may be asked that
// knows of the entry (I2, I3). That it is still there, and as it was, is checked
// by the compare-and-swap (I1).
func (s *Store) Grant(ctx context.Context, key store.Key, e store.Entry, ahead store.Ahead, ttl time.Duration) (store.Entry, error) {
	ctx, cancel, err := s.begin(ctx, s.lanes.prompt)
	if err != nil {
		return e, err
	}
	defer cancel()
	q := s.queue(key)
	s.used.note(q)
	for how := freshness(e.Index); ; how = quorum {
		now, err := s.head(ctx, q, e, ahead, how)
		if err != nil && how != quorum && (errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNotHead)) {
			continue // perhaps that is the past
		}
		if err == nil {
			e = withRef(now, func(r *ref) { r.own = true })
			e, err = s.grant(ctx, q, e, ttl, how)
		}
		switch {
		case err == nil:
			return e, nil
		case !errors.Is(err, errAgain):
			return e, fmt.Errorf("granting: %w", err)
		case ctx.Err() != nil:
			return e, fmt.Errorf("granting: %w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
}

// head returns e as it is now, if it is the first in its queue.
func (s *Store) head(ctx context.Context, q queue, e store.Entry, ahead store.Ahead, how freshness) (store.Entry, error) {
	if ahead.Waiting >= shortQueue && ahead.Index != 0 && how != quorum {
		// The mirror that has seen it become the first can only have become truer:
		// it is enough that the one before it has gone.
		_, err := s.one(ctx, q, ahead.Index, how)
		switch {
		case err == nil:
			return e, store.ErrNotHead
		case !errors.Is(err, store.ErrNotFound):
			return e, err
		}
		return s.one(ctx, q, e.Index, how)
	}
	l, err := s.list(ctx, q, how)
	if err != nil {
		return e, err
	}
	now, first, ok := l.find(e.Index)
	switch {
	case !ok:
		return e, store.ErrNotFound
	case !first:
		return e, store.ErrNotHead
	}
	return now, nil
}

// grant is one round, from what e is known to be, by a read of that freshness: the
// first.
func (s *Store) grant(ctx context.Context, q queue, e store.Entry, ttl time.Duration, how freshness) (store.Entry, error) {
	claimed := true
	if e.HasValue {
		before, err := s.enter(ctx, q, e, ttl, func(r record) record { return r.heldBy(s.id) })
		if err != nil {
			return e, err
		}
		claimed = slices.Contains(before.Claims, s.id)
	}
	want, left := seconds(ttl), refOf(e).ttl
	if e.Held && claimed && left > want {
		if how != quorum {
			return e, errAgain // no write follows that would fail if it is the past
		}
		// What is left is told rounded up.
		e.Left = time.Duration(left-1) * time.Second
		s.waiting.drop(place{q, e.Index})
		return e, nil
	}
	if e.Held {
		want = max(want, left)
	}
	granted, err := s.swap(ctx, q, e, want)
	if err != nil {
		return e, err
	}
	s.waiting.drop(place{q, e.Index})
	return granted, nil
}

// Expired implements store.Store. Release leaves a note in the record of an entry that
// waited.
func (s *Store) Expired(ctx context.Context, key store.Key, e store.Entry) (bool, error) {
	ctx, cancel, err := s.begin(ctx, s.lanes.prompt)
	if err != nil {
		return false, err
	}
	defer cancel()
	q := s.queue(key)
	r, _, err := s.parties(ctx, q, store.Entry{Index: e.Index}, quorum)
	if err != nil {
		return false, fmt.Errorf("reading the parties of an entry: %w", err)
	}
	s.waiting.drop(place{q, e.Index})
	return !r.Cancelled, nil
}
