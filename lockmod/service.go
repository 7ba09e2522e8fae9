package lockmod

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod/feed"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// Service serves every queue of one space of one store, for the requests of one
// gateway.
type Service struct {
	store  store.Store
	space  string
	feed   *feed.Feed
	logger *zap.Logger

	mu       sync.Mutex
	lines    map[string]*line // those that something on this gateway has to do with
	waiting  int
	stopping chan struct{} // closed by Close
	calls    int           // under way, of those that began before Close
	idle     chan struct{} // closed when Close has been called and no line or call is left

	listening int

	joins       gate
	withdrawals gate

	ctx  context.Context // of everything done in the background
	stop context.CancelFunc
}

// New returns a service for the queues in space. The caller closes the service
// before the store.
func New(st store.Store, space string, logger *zap.Logger) *Service {
	ctx, stop := context.WithCancel(context.Background())
	return &Service{
		store:    st,
		space:    space,
		feed:     feed.New(st, space, encoder{}, logger),
		logger:   logger,
		lines:    make(map[string]*line),
		stopping: make(chan struct{}),
		idle:     make(chan struct{}),
		ctx:      ctx,
		stop:     stop,
	}
}

// patience is how long a request waits for something that etcd should do at
// once, after its own timeout, say, for its place to be gone.
const patience = 4500 * time.Millisecond

// Acquire waits until the request's entry holds the lock, and returns the hold,
// which the caller must Settle. If ctx ends first, the request's place is given
// up in the background and ctx's error is returned. The errors are those of this
// package and of package store.
func (s *Service) Acquire(ctx context.Context, r Request) (*Hold, error) {
	w, err := s.Begin(r)
	if err != nil {
		return nil, err
	}
	return w.Wait(ctx)
}

// Waiting is a request that has begun.
type Waiting interface {
	// Wait has to be called, once. It returns what Acquire does.
	Wait(ctx context.Context) (*Hold, error)
}

// Wait implements Waiting. It keeps little on the stack.
func (w *waiter) Wait(ctx context.Context) (*Hold, error) {
	s := w.line.s
	defer w.end()
	if w.entered != nil {
		// The place with this value is just being given up, or its grant
		// delivered. What comes after can be told when that is over, which takes long
		// only while etcd is away.
		switch err := s.await(ctx, w.entered, w.timeout); {
		case err != nil && w.line.skip(w):
			return nil, err
		case errors.Is(err, ErrNotAcquired):
			return s.giveUp(ctx, w) // its time is over, just when it has got a place
		}
	}
	select {
	case a := <-w.answer:
		return a.hold, a.err
	case <-ctx.Done():
	case <-w.timeout:
	}
	return s.giveUp(ctx, w)
}

// Begin is the first part of Acquire, up to where it waits.
func (s *Service) Begin(r Request) (Waiting, error) {
	l, err := s.admit(r)
	if err != nil {
		return nil, err
	}
	w := &waiter{line: l, request: r, try: r.Timeout == 0, answer: make(chan answer, 1)}
	if r.Timeout > 0 {
		w.timer = time.NewTimer(r.Timeout)
		w.timeout = w.timer.C
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(w)
	return w, nil
}

// end is the end of a request, answered or not.
func (w *waiter) end() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.line.s.dismiss(w.line, w.try)
}

// giveUp takes a request out of its place, because ctx has ended or its time is
// over, unless it has been answered just then.
func (s *Service) giveUp(ctx context.Context, w *waiter) (*Hold, error) {
	a, answered := w.line.leave(w)
	switch err := ctx.Err(); {
	case err != nil && answered && a.hold != nil:
		a.hold.Settle(false)
		return nil, err
	case err != nil:
		return nil, err
	case answered:
		return a.hold, a.err
	}
	return nil, s.timedOut(ctx, w.place)
}

// timedOut waits for the place that nobody waits for any more to be gone.
func (s *Service) timedOut(ctx context.Context, p *place) error {
	if p.stays() {
		return ErrNotAcquired // others wait in it
	}
	switch err := s.await(ctx, p.done, nil); {
	case err == nil && p.failure() != nil:
		return p.failure() // nobody knows whether the lock is taken
	case err == nil:
		return ErrNotAcquired
	case errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%w: the place in the queue is still being given up", store.ErrUnknown)
	default:
		return err
	}
}

// await waits for done, not for long.
func (s *Service) await(ctx context.Context, done <-chan struct{}, timeout <-chan time.Time) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timeout:
		return ErrNotAcquired
	case <-limit.C:
		return store.ErrUnavailable
	case <-s.stopping:
		return ErrStopping
	}
}

// admit counts a request in, and returns its line, with a reference.
func (s *Service) admit(r Request) (*line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopping() {
		return nil, ErrStopping
	}
	if r.Timeout != 0 {
		if r.MaxWaiting > 0 && s.waiting >= r.MaxWaiting {
			return nil, ErrTooManyWaiters
		}
		s.waiting++
	}
	l, ok := s.lines[r.Key]
	if !ok {
		l = newLine(s, r.Key)
		s.lines[r.Key] = l
	}
	l.refs++
	return l, nil
}

func (s *Service) dismiss(l *line, try bool) {
	s.mu.Lock()
	if !try {
		s.waiting--
	}
	s.mu.Unlock()
	s.unref(l)
}

// ref adds a reference to a line that the caller knows to have one.
func (s *Service) ref(l *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.refs++
}

func (s *Service) unref(l *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.refs--; l.refs == 0 {
		delete(s.lines, l.key.Name)
		s.checkIdle()
	}
}

// lookUp returns the line of that key with a reference, or nil if nothing on
// this gateway has to do with it.
func (s *Service) lookUp(key string) *line {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[key]
	if l != nil {
		l.refs++
	}
	return l
}

func (s *Service) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

func (s *Service) key(name string) store.Key { return store.Key{Space: s.space, Name: name} }

// Renew makes the holder's TTL start anew, and returns the holder with what is
// Left of it. Errors: store.ErrNotFound, store.ErrNotHeld.
func (s *Service) Renew(ctx context.Context, key string, t store.Target, ttl time.Duration) (store.Entry, error) {
	ctx, done := s.call(ctx)
	defer done()
	return s.store.Renew(ctx, s.key(key), t, ttl)
}

// Release releases the holder, or cancels a waiting entry. It is carried out
// even if ctx ends. Error: store.ErrNotFound.
func (s *Service) Release(ctx context.Context, key string, t store.Target) error {
	ctx, done := s.call(context.WithoutCancel(ctx))
	defer done()
	l := s.lookUp(key)
	if l == nil {
		_, err := s.store.Release(ctx, s.key(key), t, nil)
		return err
	}
	defer s.unref(l)

	t, next, p := l.successor(t)
	granted, err := s.store.Release(ctx, l.key, t, next)
	if p != nil {
		l.succeed(p, granted)
	}
	return err
}

// Holder returns the entry that holds the lock, with what is Left of its TTL, or
// the zero Entry if nobody does. It is linearizable.
func (s *Service) Holder(ctx context.Context, key string) (store.Entry, error) {
	ctx, done := s.call(ctx)
	defer done()
	listing, err := s.store.List(ctx, s.key(key), 1)
	return listing.Holder(), err
}

// Queue returns the whole queue; the holder, if there is one, comes first, with
// what is Left of its TTL. It is linearizable.
func (s *Service) Queue(ctx context.Context, key string) (store.Listing, error) {
	ctx, done := s.call(ctx)
	defer done()
	return s.store.List(ctx, s.key(key), 0)
}

// Revision is the newest revision of etcd that the service has seen.
func (s *Service) Revision() uint64 { return s.store.Revision() }

// Listening is how many listen now.
func (s *Service) Listening() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listening
}

// Waiting is how many requests wait now.
func (s *Service) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// Close answers every waiting request with ErrStopping, and later ones too, and
// ends the service's work: what is under way in etcd is waited for until ctx
// ends. It does not close the store, which takes the waiting entries out of etcd.
func (s *Service) Close(ctx context.Context) {
	defer s.stop()
	s.mu.Lock()
	if s.isStopping() {
		s.mu.Unlock()
		return
	}
	close(s.stopping)
	s.checkIdle()
	lines := make([]*line, 0, len(s.lines))
	for _, l := range s.lines {
		lines = append(lines, l)
	}
	s.mu.Unlock()

	for _, l := range lines {
		l.close()
	}
	select {
	case <-s.idle:
	case <-ctx.Done():
	}
	s.feed.Close(ctx)
}
