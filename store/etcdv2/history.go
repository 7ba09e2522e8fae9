package etcdv2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	client "go.etcd.io/etcd/client/v2"
	"golang.org/x/sync/errgroup"

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
	ctx, done, err := s.begin(ctx, s.lanes.observers)
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

// remembered is what has been read of the history of all keys below the prefix: it is
// the same for all observers, so that however many begin at once, it is read once.
type remembered struct {
	turn chan struct{} // a lock: held by whoever reads

	mu     sync.Mutex
	events []*client.Response // in order: all that came after one index, up to another
	after  uint64
	upTo   uint64
	used   time.Time
	timed  bool // forget is going to be called
}

// rememberFor is how long it is kept when nobody asks.
const rememberFor = 10 * time.Second

// history returns the events of all keys below the prefix after an index, up to
// another, at which there is one. What it has begun to read it reads to the end, for
// others, also when ctx ends.
func (s *Store) history(ctx context.Context, after, upTo uint64) ([]*client.Response, error) {
	for {
		if events, ok := s.remembered.since(after, upTo); ok {
			return events, nil
		}
		select {
		case s.remembered.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: waiting to read history: %w", store.ErrUnavailable, ctx.Err())
		}
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { <-s.remembered.turn }()
			err = s.readHistory(after, upTo)
		}()
		select {
		case <-done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: reading history: %w", store.ErrUnavailable, ctx.Err())
		}
		if err != nil {
			return nil, err
		}
	}
}

// since returns what came after an index, up to another, if that is known.
func (r *remembered) since(after, upTo uint64) ([]*client.Response, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after < r.after || upTo > r.upTo {
		return nil, false
	}
	r.used = time.Now()
	return r.events[r.behind(after):r.behind(upTo)], true
}

// behind is the place of the first event after an index.
func (r *remembered) behind(index uint64) int {
	i, _ := slices.BinarySearchFunc(r.events, index+1, func(e *client.Response, index uint64) int {
		return cmp.Compare(e.Node.ModifiedIndex, index)
	})
	return i
}

// readHistory reads what is not known of the history after an index, up to another.
func (s *Store) readHistory(after, upTo uint64) error {
	r := &s.remembered
	if _, ok := r.since(after, upTo); ok {
		return nil // somebody else has, meanwhile
	}
	r.mu.Lock()
	known, last := r.events, r.upTo
	fits := r.after <= after && after <= r.upTo
	r.mu.Unlock()
	from := after
	if fits {
		from = last
	}
	ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
	defer cancel()
	events, err := s.parts(ctx, from, upTo)
	switch {
	case err != nil && ctx.Err() != nil && s.ctx.Err() == nil && s.lanes.observers.turns != nil:
		// With a password each event takes its time. The next one would not come further.
		return fmt.Errorf("%w: there is more to read than can be read in time", store.ErrCompacted)
	case err != nil:
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if fits {
		r.events, r.upTo = slices.Concat(known, events), upTo
	} else {
		r.events, r.after, r.upTo = events, after, upTo
	}
	if n := len(r.events) - remembers; n > 0 { // etcd has forgotten them too
		r.after = r.events[n-1].Node.ModifiedIndex
		r.events = slices.Clone(r.events[n:])
	}
	r.used = time.Now()
	if !r.timed {
		r.timed = true
		time.AfterFunc(rememberFor, r.forget)
	}
	return nil
}

// forget forgets what nobody has asked for lately.
func (r *remembered) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if left := rememberFor - time.Since(r.used); left > 0 {
		time.AfterFunc(left, r.forget)
		return
	}
	r.events, r.after, r.upTo, r.timed = nil, 0, 0, false
}

// parts reads the events after an index, up to another. It takes as many requests,
// so several go through a part each.
func (s *Store) parts(ctx context.Context, after, upTo uint64) ([]*client.Response, error) {
	all, ctx := errgroup.WithContext(ctx)
	var parts [readers][]*client.Response
	step := (upTo-after)/readers + 1
	for i := range readers {
		from := min(after+uint64(i)*step, upTo)
		all.Go(func() (err error) {
			parts[i], err = s.part(ctx, from, min(from+step, upTo))
			return err
		})
	}
	err := all.Wait()
	return slices.Concat(parts[:]...), err
}

func (s *Store) part(ctx context.Context, after, upTo uint64) ([]*client.Response, error) {
	var events []*client.Response
	for after < upTo {
		event, index, err := s.await(ctx, s.lanes.observers, s.prefix+"/", after, historyTime)
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
