package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Withdraw implements store.Store.
func (s *Store) Withdraw(ctx context.Context, key store.Key, e store.Entry) error {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	if e.Index == 0 {
		if err := s.fence(ctx); err != nil {
			return fmt.Errorf("withdrawing: %w", err)
		}
	}
	q, r := s.queue(key), refOf(e)
	found, err := s.withdraw(ctx, q.entry(e.Name), e)
	if err == nil && !found && r.otherName != "" && r.otherName != e.Name {
		found, err = s.withdraw(ctx, q.entry(r.otherName), e)
	}
	if err != nil {
		return fmt.Errorf("withdrawing: %w", err)
	}
	s.names.give(q, e.Name)
	if r.made != "" && r.lease != 0 && !found {
		s.leases.discard(r.lease) // nothing has been put on it, nor will be
	}
	return nil
}

// withdraw removes this gateway from the entry at entryKey. If e is known to the
// store as something that this gateway is a party to, that is tried first; else,
// and when it is no longer that, the entry is read. found says whether it was
// there.
func (s *Store) withdraw(ctx context.Context, entryKey string, e store.Entry) (found bool, err error) {
	q := queue{} // names are not needed here: the key is the name
	index, made := e.Index, refOf(e).made
	known := refOf(e).rev != 0
	e.Name = entryKey
	for {
		if !known {
			resp, err := s.get(ctx, entryKey)
			if err != nil {
				return false, err
			}
			if len(resp.Kvs) == 0 {
				break
			}
			kv := resp.Kvs[0]
			e = q.decode(kv)
			if index != 0 && e.Index != index || made != "" && refOf(e).rec.Made != made {
				break // another one, that e is not about
			}
		}
		found = true
		r := refOf(e)
		if slices.Contains(r.rec.Waiting, s.id) || slices.Contains(r.rec.Claims, s.id) {
			err := s.leave(ctx, q, e)
			if err == nil {
				break
			}
			if !errors.Is(err, errAgain) {
				return found, err
			}
		} else if !known {
			break // no party to it
		}
		known, found = false, false
	}
	s.shared.leave(entryKey)
	return found, nil
}

// leave removes this gateway from what e is known to be.
func (s *Store) leave(ctx context.Context, q queue, e store.Entry) error {
	r := refOf(e)
	rec := r.rec.leftBy(s.id)
	if len(rec.Claims) == 0 && len(rec.Waiting) > 0 {
		var err error
		if rec.Waiting, err = s.alive(ctx, rec.Waiting); err != nil {
			return err
		}
	}
	if !rec.abandoned() {
		_, err := s.swap(ctx, q, e, rec, r.hangsOn())
		return err
	}
	return s.deleteKnown(ctx, q, e)
}

// freeLease takes over the lease of an entry that has been deleted.
func (s *Store) freeLease(r *ref) {
	switch {
	case r.rec.held():
		s.leases.put(r.lease, r.rec.TTL)
	case r.rec.Shared:
		s.leases.discard(r.lease)
	}
}

// alive returns those gateways whose sessions are.
func (s *Store) alive(ctx context.Context, gateways []string) ([]string, error) {
	var alive []string
	for _, id := range gateways {
		resp, err := s.get(ctx, s.gatewayKey(id), clientv3.WithKeysOnly())
		if err != nil {
			return nil, err
		}
		if len(resp.Kvs) > 0 {
			alive = append(alive, id)
		}
	}
	return alive, nil
}

// Expired implements store.Store (see cancelled.go).
func (s *Store) Expired(ctx context.Context, _ store.Key, e store.Entry) (bool, error) {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return false, err
	}
	defer cancel()
	cancelled, err := s.cancelled(ctx, e.Index)
	return err == nil && !cancelled, err
}
