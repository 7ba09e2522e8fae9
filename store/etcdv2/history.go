package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// etcd's history is read event by event, with watches that begin in the past. One
// that has nothing to tell any more just waits, so one must know where to end: at a
// key that is written for that, always the same.

const (
	readers     = 8               // of a history, at once
	historyTime = 2 * time.Second // for an event that is known to be there
)

// marking is the writing of the key at which histories end.
type marking struct {
	turn chan struct{} // a lock: held by whoever writes it
	last uint64        // at which index it was
}

// mark returns an index behind that one, at which an event is. Those who want one at
// the same time share it.
func (s *Store) mark(ctx context.Context, behind uint64) (uint64, error) {
	ctx, done, err := s.begin(ctx, s.lanes.polls)
	if err != nil {
		return 0, err
	}
	defer done()
	select {
	case s.marking.turn <- struct{}{}:
		defer func() { <-s.marking.turn }()
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: marking where history ends: %w", store.ErrUnavailable, ctx.Err())
	}
	if s.marking.last > behind {
		return s.marking.last, nil
	}
	for {
		resp, err := s.write(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
			return keys.Set(ctx, s.observedKey(), s.id, nil)
		})
		if err == nil {
			s.marking.last = resp.Node.ModifiedIndex
			return s.marking.last, nil
		}
		// One whose answer was lost is as good as none: the next has another index.
		if !errors.Is(err, store.ErrUnknown) || !pause(ctx, retryPause) {
			return 0, nothingWritten(fmt.Errorf("marking where history ends: %w", err))
		}
	}
}

// history returns the events of all keys below the prefix after an index, up to
// another, at which there is one. It takes as many requests, so several go through a
// part each.
func (s *Store) history(ctx context.Context, after, upTo uint64) ([]*client.Response, error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var all sync.WaitGroup
	var parts [readers][]*client.Response
	step := (upTo-after)/readers + 1
	for i := range readers {
		from := min(after+uint64(i)*step, upTo)
		all.Go(func() {
			var err error
			if parts[i], err = s.part(ctx, from, min(from+step, upTo)); err != nil {
				giveUp(err)
			}
		})
	}
	all.Wait()
	return slices.Concat(parts[:]...), context.Cause(ctx)
}

func (s *Store) part(ctx context.Context, after, upTo uint64) ([]*client.Response, error) {
	var events []*client.Response
	for after < upTo {
		event, index, err := s.await(ctx, s.prefix+"/", after, historyTime)
		if err != nil {
			return nil, err
		}
		if event != nil && index <= upTo {
			events = append(events, event)
		}
		after = index
	}
	return events, nil
}
