package lockmod

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/lockmod/feed"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// Subscription is somebody who listens to what happens. Its methods are for one
// goroutine, which has to close it. Those who listen are counted apart from those who
// wait for a lock, so that however many look on, locks can be taken.
type Subscription struct {
	*feed.Subscription
	s     *Service
	leave func()
}

// Subscribe listens to what happens to a key or, with prefix, to all keys that
// begin with it, after a revision or, if that is 0, from now on. At most limit may
// listen at once; 0 is any number. Errors: store.ErrCompacted, ErrTooManyWaiters,
// ErrStopping.
func (s *Service) Subscribe(ctx context.Context, key string, prefix bool, after uint64, limit int) (*Subscription, error) {
	return s.listen(ctx, limit, beginning, func(ctx context.Context) (*feed.Subscription, error) {
		return s.feed.Subscribe(ctx, key, prefix, after)
	})
}

// Follow listens to who holds a key. Errors: ErrTooManyWaiters, ErrStopping.
func (s *Service) Follow(ctx context.Context, key string, limit int) (*Subscription, error) {
	return s.listen(ctx, limit, patience, func(ctx context.Context) (*feed.Subscription, error) {
		return s.feed.Follow(ctx, key)
	})
}

// beginning is how long a subscriber, to all keys maybe, waits for what it hears first. At
// that, each hold is looked at, of which etcd tells a few thousand in a second; where it tells
// nothing, that is said much sooner.
const beginning = 30 * time.Second

func (s *Service) listen(ctx context.Context, limit int, within time.Duration, begin func(context.Context) (*feed.Subscription, error)) (*Subscription, error) {
	leave, err := s.countIn(limit)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	sub, err := begin(ctx)
	if err != nil {
		leave()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = store.ErrUnavailable
		}
		return nil, err
	}
	return &Subscription{Subscription: sub, s: s, leave: leave}, nil
}

// countIn counts one in who listens; the function that it returns counts it out.
func (s *Service) countIn(limit int) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isStopping():
		return nil, ErrStopping
	case limit > 0 && s.listening >= limit:
		return nil, ErrTooManyWaiters
	}
	s.listening++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.listening--
	}), nil
}

// Close ends the subscription.
func (w *Subscription) Close() {
	w.Subscription.Close()
	w.leave()
}

// Stopping is closed when the service ends.
func (w *Subscription) Stopping() <-chan struct{} { return w.s.stopping }

// Queues returns keys that exist: of those that begin with prefix, at most limit
// after the one given. Each is read linearizably.
func (s *Service) Queues(ctx context.Context, prefix, after string, limit int) (store.Survey, error) {
	ctx, done := s.call(ctx)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	return s.store.Queues(ctx, store.Scope{Space: s.space, Name: prefix, Prefix: true}, after, limit)
}
