package etcdv3

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// fences are for requests that nobody knows the outcome of: a fence makes sure that they
// do not take effect later. By that, all others that are under way and make or join an entry
// have to be made again. A busy etcd lets many of them time out; a fence for each would have none
// of the others come to its end, and so on. So there is one fence for all who need one, and
// then a while in which there is none.
type fences struct {
	mu   sync.Mutex
	next *fence // that has not begun yet; nil if nobody waits for one

	turn chan struct{} // of capacity 1: held by who makes one
	last time.Time     // when there was one; with turn
}

type fence struct {
	done chan struct{}
	err  error // once done
}

// fencePause is how long there is none after a fence. It is a part of I4's second.
const fencePause = 500 * time.Millisecond

// fence makes sure that no write of an epoch that began before the call can take
// effect any more.
func (s *Store) fence(ctx context.Context) error {
	if s.session.Load() == nil {
		return nil // nothing has ever been written
	}
	for {
		f, first := s.fences.join()
		if first {
			s.makeFence(ctx, f)
		}
		select {
		case <-f.done:
			if f.err == nil || first || ctx.Err() != nil {
				return f.err
			}
			// Whoever was to make it had less time.
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
}

// join returns the fence that has not begun yet, which the first one to join has to make.
func (fs *fences) join() (f *fence, first bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if first = fs.next == nil; first {
		fs.next = &fence{done: make(chan struct{})}
	}
	return fs.next, first
}

// makeFence makes a fence when its time has come. If it fails, it has failed for all.
func (s *Store) makeFence(ctx context.Context, f *fence) {
	fs := &s.fences
	defer close(f.done)
	f.err = fmt.Errorf("%w: the time for a fence was over before it began", store.ErrUnavailable)
	begin := func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		fs.next = nil // who comes from now on needs another one
	}
	select {
	case fs.turn <- struct{}{}:
	case <-ctx.Done():
		begin()
		return
	}
	defer func() { <-fs.turn }()
	due := pause(ctx, time.Until(fs.last.Add(fencePause)))
	begin()
	if !due {
		return
	}
	if f.err = s.endEpochs(ctx); f.err == nil {
		fs.last = time.Now()
	}
}

// endEpochs ends all epochs that have begun. Where the session has ended there is no key, which
// is what writes of epoch 0 are conditional on: a new one fences them off too.
func (s *Store) endEpochs(ctx context.Context) error {
	for {
		ss, err := s.open(ctx)
		if err != nil {
			return err
		}
		if err := s.newEpoch(ctx, ss); err != nil {
			return err
		}
		if !ss.ended.Load() {
			return nil
		}
	}
}
