package etcdv2

import (
	"context"
	"fmt"
	"slices"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Queues implements store.Observer. It reads the whole scope: to read the directory's
// names, and then some queues, would not be less where most queues are short, and
// most are; and where names are not used again, most directories are empty, for as
// long as it takes until they are tidied up, and each would cost a request to see
// that. So it is one request, however many they are.
func (s *Store) Queues(ctx context.Context, scope store.Scope, after string, limit int) (store.Survey, error) {
	v := s.view(scope)
	now, err := s.look(ctx, s.lanes.prompt, v)
	if err != nil {
		return store.Survey{}, fmt.Errorf("surveying: %w", err)
	}
	rest := v.queues(now, now)
	if after != "" {
		rest = slices.DeleteFunc(rest, func(q store.Queue) bool { return store.CompareNames(q.Name, after) <= 0 })
	}
	n := min(max(limit, 1), len(rest))
	return store.Survey{Revision: now.index, Queues: rest[:n:n], More: n < len(rest)}, nil
}
