package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Release implements store.Store.
func (s *Store) Release(ctx context.Context, key store.Key, t store.Target, next *store.Successor) (*store.Entry, error) {
	var granted *store.Entry
	err := s.write(ctx, write{
		op: OpRelease, key: key, target: func(q *queue) *entry { return q.target(t) },
		do: func(q *queue) (err error) {
			granted, err = s.release(q, t, next)
			return err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("releasing: %w", err)
	}
	return granted, nil
}

func (s *Store) release(q *queue, target store.Target, next *store.Successor) (*store.Entry, error) {
	e := q.target(target)
	if e == nil {
		return nil, store.ErrNotFound
	}
	t := s.cluster.begin()
	t.delete(q, e, released)
	var granted *store.Entry
	if e.held && next != nil && len(q.entries) > 0 && unchanged(q.entries[0], next.Entry) {
		head := q.entries[0]
		t.hold(q, head, next.TTL)
		t.put(q, head)
		snapshot := head.snapshot()
		granted = &snapshot
	}
	t.commit()
	return granted, nil
}

// unchanged says whether e waits and is as a caller knows it.
func unchanged(e *entry, known store.Entry) bool {
	return !e.held && e.name == known.Name && e.index == known.Index && known.Ref == e.mod
}

// Renew implements store.Store.
func (s *Store) Renew(ctx context.Context, key store.Key, t store.Target, ttl time.Duration) (store.Entry, error) {
	var renewed store.Entry
	err := s.write(ctx, write{
		op: OpRenew, key: key, target: func(q *queue) *entry { return q.target(t) },
		do: func(q *queue) (err error) {
			renewed, err = s.renew(q, t, ttl)
			return err
		},
	})
	if err != nil {
		return store.Entry{}, fmt.Errorf("renewing: %w", err)
	}
	return renewed, nil
}

func (s *Store) renew(q *queue, target store.Target, ttl time.Duration) (store.Entry, error) {
	e := q.target(target)
	switch {
	case e == nil:
		return store.Entry{}, store.ErrNotFound
	case !e.held:
		return store.Entry{}, store.ErrNotHeld
	}
	changed := e.ttl != ttl
	t := s.cluster.begin()
	t.hold(q, e, ttl)
	if changed {
		t.put(q, e)
	}
	t.commit()
	return e.snapshotLeft(ttl), nil
}
