package lockmod

import (
	"context"
	"errors"
	"sync"

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
	return s.listen(ctx, limit, func(ctx context.Context) (*feed.Subscription, error) {
		return s.feed.Subscribe(ctx, key, prefix, after)
	})
}

// Follow listens to who holds a key. Errors: ErrTooManyWaiters, ErrStopping.
func (s *Service) Follow(ctx context.Context, key string, limit int) (*Subscription, error) {
	return s.listen(ctx, limit, func(ctx context.Context) (*feed.Subscription, error) {
		return s.feed.Follow(ctx, key)
	})
}

func (s *Service) listen(ctx context.Context, limit int, begin func(context.Context) (*feed.Subscription, error)) (*Subscription, error) {
	leave, err := s.countIn(limit)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
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
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	return s.store.Queues(ctx, store.Scope{Space: s.space, Name: prefix, Prefix: true}, after, limit)
}
