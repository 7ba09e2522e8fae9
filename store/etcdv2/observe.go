package etcdv2

import (
	"context"
	"fmt"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// silence is how many indices may pass before the caller is told how far etcd is,
// though nothing happens in its scope: enough behind etcd, it could not go on from
// there.
const silence = 100

// Observe implements store.Observer. Like Watch it is a long poll, and etcd's events
// tell everything that it has to: each renewal is one. An observer has no part in
// anything: it keeps no directory from being tidied up, and looks for no dead.
func (s *Store) Observe(ctx context.Context, scope store.Scope, after uint64,
	start func(uint64, []store.Queue), apply func(uint64, []store.Change),
) error {
	ctx, cancel, err := s.whileOpen(ctx)
	if err != nil {
		return err
	}
	defer cancel()

	err = s.observe(ctx, s.view(scope), after, start, apply)
	switch {
	case s.closed.Load():
		s.callers.close() // the connection of a poll that was just beginning, too
		return store.ErrClosed
	case ctx.Err() != nil:
		return nil
	}
	return fmt.Errorf("observing: %w", err)
}

func (s *Store) observe(ctx context.Context, v view, after uint64, start func(uint64, []store.Queue), apply func(uint64, []store.Change)) error {
	now, err := s.look(ctx, s.lanes.observers, v)
	switch {
	case err != nil:
		return err
	case after > now.index:
		return future(after, now.index) // for which a watch would just wait
	case after == 0:
		after = now.index
	}
	if start == nil {
		return s.follow(ctx, v, after, after, now, apply)
	}
	p, err := s.replay(ctx, v, after, now)
	if err != nil || ctx.Err() != nil {
		return err
	}
	start(after, p.queues)
	for _, c := range p.since {
		if ctx.Err() != nil {
			return nil
		}
		after = c.index
		apply(after, []store.Change{c.Change})
	}
	return s.follow(ctx, v, p.upTo, after, scene{}, apply)
}

// follow tells what happens in the scope after an index, until ctx ends. The caller
// has been told all up to another.
func (s *Store) follow(ctx context.Context, v view, after, told uint64, now scene, apply func(uint64, []store.Change)) error {
	for {
		event, index, err := s.awaitAbreast(ctx, v.dir, after)
		if err != nil {
			return err
		}
		if after = index; after > now.index {
			now = scene{} // which may be large
		}
		var changes []store.Change
		if event != nil {
			if err := s.whole(ctx, v, event, nil); err != nil {
				return err
			}
			if c, ok := v.change(event, now); ok {
				changes = []store.Change{c}
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		quiet := event == nil && after > told
		if len(changes) > 0 || quiet || after-told >= silence {
			apply(after, changes)
			told = after
		}
	}
}

// whole is an error if an event deletes a directory with what is in it: of that,
// etcd tells only the directory. One that was empty does not matter. since are events
// after it that are known.
func (s *Store) whole(ctx context.Context, v view, event *client.Response, since []*client.Response) error {
	if !gone(event) || !event.Node.Dir || !v.has(event.Node.Key) || s.noted(since, event) {
		return nil
	}
	empty, err := s.wasEmpty(ctx, event.Node.ModifiedIndex)
	if err == nil && !empty {
		err = fmt.Errorf("%w: %s was deleted, with what was in it", store.ErrCompacted, event.Node.Key)
	}
	return err
}
