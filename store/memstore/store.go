package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Store is one gateway's session with a Cluster.
type Store struct {
	cluster    *Cluster
	sessionTTL time.Duration

	// The rest is guarded by the cluster's lock.

	session  uint64 // counts the sessions that have ended
	closed   bool
	down     bool
	killed   bool
	wakeup   chan struct{} // closed, and replaced, when one of these changes
	revision uint64        // the newest seen
	lost     map[place]struct{}
	claimed  map[place]uint64 // the hold that was claimed before the last Acquire of a name

	next      map[Op][]Fault
	intercept func(context.Context, Op, store.Key) Fault
	delayed   []delayedWrite
}

// place is an entry; with index 0, it is whichever entry has that name.
type place struct {
	key   store.Key
	name  string
	index uint64
}

var _ store.Store = (*Store)(nil)

// An Option changes how Open opens a Store.
type Option func(*Store)

// WithSessionTTL sets how long a gateway's waiting entries outlive it after Kill,
// or after a Close that could not reach the cluster. The default is 10 s.
func WithSessionTTL(d time.Duration) Option {
	return func(s *Store) { s.sessionTTL = d }
}

// Open starts a gateway. Close ends it.
func (c *Cluster) Open(opts ...Option) *Store {
	s := &Store{
		cluster:    c,
		sessionTTL: 10 * time.Second,
		wakeup:     make(chan struct{}),
		lost:       make(map[place]struct{}),
		claimed:    make(map[place]uint64),
		next:       make(map[Op][]Fault),
	}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// Revision implements store.Store.
func (s *Store) Revision() uint64 {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	return s.revision
}

// Close implements store.Store. It is not subject to FailNext and Intercept.
// While the cluster is out of reach it returns ErrUnavailable at once.
func (s *Store) Close(ctx context.Context) error {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed = true
	s.wake()
	if err := s.reachable(ctx); err != nil {
		time.AfterFunc(s.sessionTTL, s.Expire)
		return fmt.Errorf("closing: %w", err)
	}
	s.endSession()
	return nil
}

// reachable says why the cluster can't be reached, if so.
func (s *Store) reachable(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	case s.down, s.killed:
		return store.ErrUnavailable
	}
	return nil
}

// wake makes every watch and observer of this store look at its state again.
func (s *Store) wake() {
	close(s.wakeup)
	s.wakeup = make(chan struct{})
}

// endSession takes this gateway out of all that wait. Entries that nobody else
// waits for go, all at one revision, as those of one lease do. Held entries stay:
// they have a TTL.
func (s *Store) endSession() {
	s.session++
	t := s.cluster.begin()
	for _, q := range s.cluster.queues {
		var orphans []*entry
		for _, e := range q.entries {
			if !e.waiting.has(s) {
				continue
			}
			delete(e.waiting, s)
			e.lost[s] = struct{}{}
			if !e.held && len(e.waiting) == 0 {
				orphans = append(orphans, e)
			}
		}
		for _, e := range orphans {
			t.delete(q, e, abandoned)
		}
	}
	t.commit()
}
