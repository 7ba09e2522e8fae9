package memstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Queues implements store.Observer. All queues of a survey are as of its revision.
func (s *Store) Queues(ctx context.Context, scope store.Scope, after string, limit int) (store.Survey, error) {
	var survey store.Survey
	err := s.look(ctx, OpQueues, store.Key{Space: scope.Space, Name: scope.Name}, func() {
		survey.Revision = s.cluster.revision
		for _, q := range s.cluster.scope(scope) {
			if after != "" && store.CompareNames(q.key.Name, after) <= 0 || len(q.entries) == 0 {
				continue
			}
			if len(survey.Queues) >= limit {
				survey.More = true
				break
			}
			survey.Queues = append(survey.Queues, q.snapshot())
		}
	})
	if err != nil {
		return store.Survey{}, fmt.Errorf("reading queues: %w", err)
	}
	return survey, nil
}

// scope returns the queues that a scope has, in the order of a survey.
func (c *Cluster) scope(scope store.Scope) []*queue {
	var found []*queue
	for key, q := range c.queues {
		if key.Space == scope.Space && scope.Has(key.Name) {
			found = append(found, q)
		}
	}
	slices.SortFunc(found, func(a, b *queue) int { return store.CompareNames(a.key.Name, b.key.Name) })
	return found
}

// snapshot is the queue as callers see it.
func (q *queue) snapshot() store.Queue {
	entries := make([]store.Entry, len(q.entries))
	for i, e := range q.entries {
		entries[i] = e.snapshotLeft(e.left())
	}
	return store.Queue{Name: q.key.Name, Entries: entries}
}
