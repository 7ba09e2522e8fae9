package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Grant implements store.Store. The whole queue is at hand, so what the caller
// knows of it is not needed.
func (s *Store) Grant(ctx context.Context, key store.Key, e store.Entry, _ store.Ahead, ttl time.Duration) (store.Entry, error) {
	var granted store.Entry
	err := s.write(ctx, write{
		op: OpGrant, key: key, target: target(e),
		do: func(q *queue) (err error) {
			granted, err = s.grant(q, e, ttl)
			return err
		},
	})
	if err != nil {
		return store.Entry{}, fmt.Errorf("granting: %w", err)
	}
	return granted, nil
}

func (s *Store) grant(q *queue, of store.Entry, ttl time.Duration) (store.Entry, error) {
	e := q.named(of.Name, of.Index)
	switch {
	case e == nil:
		return store.Entry{}, store.ErrNotFound
	case !e.held && q.entries[0] != e:
		return store.Entry{}, store.ErrNotHead
	}
	changed := !e.held || !e.claims.has(s) || e.ttl < ttl
	s.claim(e)
	t := s.cluster.begin()
	left := e.left()
	if left < ttl {
		left = max(ttl, e.ttl)
		t.hold(q, e, left)
	}
	if changed {
		t.put(q, e)
	}
	t.commit()
	return e.snapshotLeft(left), nil
}

// Withdraw implements store.Store.
func (s *Store) Withdraw(ctx context.Context, key store.Key, e store.Entry) error {
	err := s.write(ctx, write{
		op: OpWithdraw, key: key, target: target(e),
		do: func(q *queue) error {
			s.withdraw(q, e)
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("withdrawing: %w", err)
	}
	return nil
}

func (s *Store) withdraw(q *queue, of store.Entry) {
	e := q.byName[of.Name]
	if of.Index == 0 {
		s.fence(q.key, of.Name)
		if e != nil && e.claims.has(s) && s.claimed[place{q.key, of.Name, 0}] == e.index {
			// A client was told of this hold before the Acquire that is undone
			// here: to end it would take the client's lock away (I1).
			return
		}
	} else {
		e = q.named(of.Name, of.Index)
	}
	if e == nil {
		return
	}
	delete(e.lost, s)
	if !e.waiting.has(s) && !e.claims.has(s) {
		return
	}
	delete(e.waiting, s)
	delete(e.claims, s)
	t := s.cluster.begin()
	if len(e.waiting) == 0 && len(e.claims) == 0 {
		t.delete(q, e, abandoned)
	} else {
		t.put(q, e)
	}
	t.commit()
}

// target finds the entry that a write is about, whatever has happened to it.
func target(of store.Entry) func(*queue) *entry {
	return func(q *queue) *entry {
		if of.Index == 0 {
			return q.byName[of.Name]
		}
		return q.named(of.Name, of.Index)
	}
}
