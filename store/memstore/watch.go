package memstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Watch implements store.Store. While SetDown holds, or after Kill, it stalls, as
// a client does that has lost its connection.
func (s *Store) Watch(ctx context.Context, key store.Key, after uint64, apply func(revision uint64, events []store.Event)) error {
	if ctx.Err() != nil {
		return nil
	}
	var q *queue
	var broken chan struct{}
	compacted := false
	err := s.read(ctx, OpWatch, key, func(found *queue) {
		q, broken = found, s.cluster.broken
		compacted = after < s.cluster.compacted
	})
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("watching: %w", err)
	case compacted:
		return fmt.Errorf("watching: %w", store.ErrCompacted)
	}

	for {
		news, err := s.news(q, after)
		if err != nil {
			return fmt.Errorf("watching: %w", err)
		}
		for _, b := range news.batches {
			if ctx.Err() != nil {
				return nil
			}
			apply(b.revision, slices.Clone(b.events))
			after = b.revision
		}
		if len(news.batches) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-broken:
			return fmt.Errorf("watching: %w", store.ErrUnavailable)
		case <-news.changed:
		case <-news.wakeup:
		}
	}
}

// news is what a watch has yet to tell, and what it waits for after that.
type news struct {
	batches         []batch
	changed, wakeup chan struct{}
}

func (s *Store) news(q *queue, after uint64) (news, error) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	n := news{changed: q.changed, wakeup: s.wakeup}
	switch {
	case s.closed:
		return n, store.ErrClosed
	case s.down, s.killed:
		return n, nil
	case after < q.compacted:
		return n, store.ErrCompacted
	}
	n.batches = q.since(after)
	if len(n.batches) > 0 {
		s.revision = s.cluster.revision
	}
	return n, nil
}
