package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// settlePause is between two looks at an entry that is just being made.
const settlePause = 10 * time.Millisecond

// Release implements store.Store. It can't grant to a successor: that would be
// two keys. An entry that is new is shown to be waiting already, so whoever sees it
// may want it gone; but its maker would make another. So it is let become what it
// is going to be first.
func (s *Store) Release(ctx context.Context, key store.Key, t store.Target, _ *store.Successor) (*store.Entry, error) {
	ctx, cancel, err := s.begin(ctx, s.lanes.prompt)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := s.release(ctx, s.queue(key), t); err != nil {
		return nil, fmt.Errorf("releasing: %w", err)
	}
	return nil, nil
}

func (s *Store) release(ctx context.Context, q queue, t store.Target) error {
	for {
		index, noted := t.Index, false
		if t.Index == 0 || t.Hint == nil || !t.Hint.Held {
			e, err := s.settled(ctx, q, t)
			if err != nil {
				return err
			}
			index = e.Index
			if !e.Held {
				// Before it is gone, for who waits for it asks then (see Expired).
				if _, err := s.enter(ctx, q, e, 0, record.cancelled); err != nil {
					return fmt.Errorf("noting in the record of an entry that it is cancelled: %w", err)
				}
				noted = true
			}
		}
		// Its name is its alone, so no newer entry can be hit.
		_, err := s.write(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
			return keys.Delete(ctx, q.entry(index), nil)
		})
		switch {
		case isNotFound(err) && t.Index == 0 && ctx.Err() == nil:
			continue // it has gone since; there may be a newer one
		case isNotFound(err):
			return store.ErrNotFound
		case errors.Is(err, store.ErrUnknown):
			return s.resolve(ctx, q, index, err)
		case noted && errors.Is(err, store.ErrUnavailable):
			return fmt.Errorf("%w: it was to be deleted, but %v", store.ErrUnknown, err)
		}
		return err
	}
}

// settled reads the entry that t means, when it is not new any more.
func (s *Store) settled(ctx context.Context, q queue, t store.Target) (store.Entry, error) {
	for how := freshness(t.Index); ; how = quorum {
		if t.Index == 0 {
			how = quorum
		}
		e, err := s.target(ctx, q, t, how)
		switch {
		case errors.Is(err, store.ErrNotFound) && how != quorum: // perhaps that is the past
		case err != nil || !refOf(e).fresh:
			return e, err
		case !pause(ctx, settlePause):
			return e, fmt.Errorf("%w: the entry is still being made", store.ErrUnavailable)
		}
	}
}

// resolve looks what has become of a release whose answer was lost. That the
// entry is gone is what was asked for.
func (s *Store) resolve(ctx context.Context, q queue, index uint64, err error) error {
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, lookErr := s.one(look, q, index, quorum); errors.Is(lookErr, store.ErrNotFound) {
		return nil
	}
	return err
}

// Renew implements store.Store.
func (s *Store) Renew(ctx context.Context, key store.Key, t store.Target, ttl time.Duration) (store.Entry, error) {
	ctx, cancel, err := s.begin(ctx, s.lanes.prompt)
	if err != nil {
		return store.Entry{}, err
	}
	defer cancel()
	q := s.queue(key)
	s.used.note(q)
	for how := anytime; ; how = quorum {
		e, err := s.target(ctx, q, t, how)
		if err == nil && !e.Held {
			err = store.ErrNotHeld
		}
		if err == nil {
			e, err = s.swap(ctx, q, e, seconds(ttl))
		}
		switch {
		case err == nil:
			return e, nil
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrNotHeld):
			if how != quorum {
				continue // perhaps that is the past
			}
		case errors.Is(err, errAgain) && ctx.Err() == nil:
			continue
		case errors.Is(err, errAgain):
			err = fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
		return e, fmt.Errorf("renewing: %w", err)
	}
}

// target reads the entry that t means.
func (s *Store) target(ctx context.Context, q queue, t store.Target, how freshness) (store.Entry, error) {
	if t.Index != 0 {
		return s.one(ctx, q, t.Index, how)
	}
	l, err := s.list(ctx, q, how)
	if err != nil {
		return store.Entry{}, err
	}
	e, _, ok := l.valued(t.Value)
	if !ok {
		return store.Entry{}, store.ErrNotFound
	}
	return e, nil
}
