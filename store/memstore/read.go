package memstore

import (
	"context"
	"fmt"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// List implements store.Store.
func (s *Store) List(ctx context.Context, key store.Key, limit int) (store.Listing, error) {
	var l store.Listing
	err := s.read(ctx, OpList, key, func(q *queue) {
		entries := q.entries
		if limit > 0 && len(entries) > limit {
			entries = entries[:limit]
		}
		l.Revision = s.cluster.revision
		l.Entries = make([]store.Entry, len(entries))
		for i, e := range entries {
			l.Entries[i] = e.snapshotLeft(e.left())
		}
	})
	if err != nil {
		return store.Listing{}, fmt.Errorf("listing: %w", err)
	}
	return l, nil
}

// Expired implements store.Store.
func (s *Store) Expired(ctx context.Context, key store.Key, e store.Entry) (bool, error) {
	var lost bool
	err := s.read(ctx, OpExpired, key, func(*queue) {
		_, lost = s.lost[place{key, e.Name, e.Index}]
	})
	if err != nil {
		return false, fmt.Errorf("reading a session: %w", err)
	}
	return lost, nil
}
