package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"slices"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Withdraw implements store.Store.
func (s *Store) Withdraw(ctx context.Context, key store.Key, e store.Entry) error {
	ctx, cancel, err := s.begin(ctx, s.lanes.patient)
	if err != nil {
		return err
	}
	defer cancel()
	if err := s.withdraw(ctx, s.queue(key), e); err != nil {
		return fmt.Errorf("withdrawing: %w", err)
	}
	return nil
}

func (s *Store) withdraw(ctx context.Context, q queue, e store.Entry) error {
	if e.Index == 0 {
		return s.withdrawUnnamed(ctx, q, e)
	}
	if refOf(e).own && !e.HasValue {
		return s.withdrawOwn(ctx, q, e)
	}
	own := refOf(e).own
	for {
		now, err := s.one(ctx, q, e.Index, quorum)
		switch {
		case errors.Is(err, store.ErrNotFound):
			err = nil
		case err != nil:
			return err
		default:
			now = withRef(now, func(r *ref) { r.own, r.unknown = own, refOf(e).unknown })
			err = s.leave(ctx, q, now)
		}
		if !errors.Is(err, errAgain) {
			if err == nil {
				s.waiting.drop(place{q, e.Index})
			}
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
}

// withdrawOwn deletes an entry to which nobody else ever is a party.
func (s *Store) withdrawOwn(ctx context.Context, q queue, e store.Entry) error {
	_, err := s.write(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Delete(ctx, q.entry(e.Index), nil)
	})
	if err != nil && !isNotFound(err) {
		return err
	}
	s.waiting.drop(place{q, e.Index})
	return nil
}

// withdrawUnnamed takes away the entry that may have been made, whatever its
// index. It can't be told from one that somebody else is just making, so those
// with the same value go along: who made them makes others. A request that is
// still on its way makes one that goes by itself after newTTL.
func (s *Store) withdrawUnnamed(ctx context.Context, q queue, e store.Entry) error {
	l, err := s.list(ctx, q, quorum)
	if err != nil {
		return err
	}
	for _, other := range l.entries {
		if !refOf(other).fresh || other.Value != e.Value || other.HasValue != e.HasValue {
			continue
		}
		if err := s.remove(ctx, q, other); err != nil && !errors.Is(err, errAgain) {
			return err
		}
	}
	return nil
}

// leave ends this gateway's part in e, and deletes e if no party is left.
func (s *Store) leave(ctx context.Context, q queue, e store.Entry) error {
	r, v, err := s.parties(ctx, q, e, quorum)
	if err != nil {
		return err
	}
	mine := r.has(s.id) || refOf(e).own && (!e.HasValue || refOf(e).fresh)
	if v == 0 && !e.Held && !refOf(e).fresh {
		mine = true // its record has run out: whoever waited for it is gone, or asks to go
	}
	rest := r.leftBy(s.id)
	switch {
	case mine && len(rest.Claims) == 0:
		alive, err := s.alive(ctx, rest.Waiting)
		if err != nil {
			return err
		}
		if len(alive) == 0 {
			return s.removeFor(ctx, q, e, rest, v)
		}
	case !mine && !refOf(e).unknown:
		return nil
	}
	// A write of this record whose answer was lost fails from now on.
	return s.record(ctx, q, e.Index, rest, v, 0)
}

// removeFor deletes e, for which nobody waits but gateways without a session: they
// are taken out of its record first, so that none of them changes it any more.
func (s *Store) removeFor(ctx context.Context, q queue, e store.Entry, dead record, v version) error {
	if len(dead.Waiting) > 0 {
		// This gateway stays, so that it can try again.
		if err := s.record(ctx, q, e.Index, record{Waiting: []string{s.id}}, v, 0); err != nil {
			return err
		}
	}
	return s.remove(ctx, q, e)
}

// alive returns those gateways that have a session.
func (s *Store) alive(ctx context.Context, gateways []string) ([]string, error) {
	if len(gateways) == 0 {
		return nil, nil
	}
	living, err := s.sessions(ctx, quorum)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(gateways), func(id string) bool { return !living[id] }), nil
}
