package etcdv2

import (
	"context"
	"fmt"
	"maps"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// replay is what there was in a scope at some index, and what has happened since.
type replay struct {
	queues []store.Queue
	since  []numbered
	upTo   uint64 // until there
}

type numbered struct {
	store.Change
	index uint64
}

// replay finds out what there was at an index, from what there is at a later one.
// etcd can't be asked for it, but it remembers events, and each says what its key was
// before. So what a key was at that index is what it was before the first event after
// it; and if there is none, what it is now.
func (s *Store) replay(ctx context.Context, v view, after uint64, now scene) (replay, error) {
	if after == now.index {
		return replay{queues: v.queues(now, now), upTo: after}, nil
	}
	upTo, err := s.mark(ctx, now.index)
	if err != nil {
		return replay{}, err
	}
	events, err := s.history(ctx, after, upTo)
	if err != nil {
		return replay{}, err
	}
	for i, event := range events {
		if err := s.whole(ctx, v, event, events[i:]); err != nil {
			return replay{}, err
		}
	}
	then, now, err := v.rebuild(after, now, events)
	if err != nil {
		return replay{}, err
	}
	r := replay{queues: v.queues(then, now), upTo: upTo}
	for _, event := range events {
		if c, ok := v.change(event, now); ok {
			r.since = append(r.since, numbered{c, event.Node.ModifiedIndex})
		}
	}
	return r, nil
}

// rebuild makes what was there at an index of what is there now and of the events
// since. If some of those have come after now, it also returns what was there then.
func (v view) rebuild(after uint64, now scene, events []*client.Response) (then, last scene, err error) {
	then, last = scene{index: after, keys: maps.Clone(now.keys)}, now
	last.keys = maps.Clone(now.keys)
	changed := make(map[string]bool)
	for _, event := range events {
		key, index, n := event.Node.Key, event.Node.ModifiedIndex, event.Node
		if gone(event) {
			n = nil
		}
		if !changed[key] {
			changed[key] = true
			then.set(v, key, event.PrevNode)
		}
		if index > now.index {
			last.index = index
			last.set(v, key, n)
		}
	}
	for key, n := range then.keys {
		if n.ModifiedIndex > after {
			return then, last, fmt.Errorf("%w: of a write of %s nothing was told", store.ErrCompacted, key)
		}
	}
	return then, last, nil
}

// set has a key be what the node says: nothing, if that is no entry.
func (s scene) set(v view, key string, n *client.Node) {
	delete(s.keys, key)
	if _, _, ok := v.entry(n); ok {
		s.keys[key] = n
	}
}
