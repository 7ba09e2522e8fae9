// Package etcdv2 keeps the lock's queues in an etcd with the v2 API: 2.3 and
// later, and 3.0 to 3.5 where that API is switched on.
//
// An entry is a key that etcd made in order; its index is its created index, and
// its value is the lock's value, so that old tools show a queue as it is. What
// state an entry is in shows in what etcd itself notes of its key (see node.go);
// who waits for it stands beside the queue (see record.go). There are no
// transactions: each change is one compare-and-swap of one key, and what has to
// hold between two of them is said where they are made.
//
// A read that is not a quorum read shows the past of the member that answers it.
// It is used where the past is enough: since indices only grow, an entry that
// was once the first in its queue stays the first, and a compare-and-swap that is
// made on an old state fails.
package etcdv2

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Options of a Store.
type Options struct {
	// Endpoints are the members' client URLs: http://host:port, or https.
	Endpoints []string

	// Prefix is what all keys begin with; a trailing slash is dropped. All
	// gateways of a cluster have to use the same.
	Prefix string

	// Username and Password are etcd's basic authentication; none if Username is
	// empty.
	Username, Password string

	// TLS is for endpoints that are HTTPS; nil means the defaults.
	TLS *tls.Config

	// Logger may be nil.
	Logger *zap.Logger
}

// Store is a gateway's session with an etcd cluster.
type Store struct {
	callers *callers
	prefix  string
	logger  *zap.Logger

	id         string // the gateway's, among the parties of entries
	session    session
	waiting    waiting
	sweeper    sweeper
	used       used
	marking    marking
	remembered remembered
	glanced    atomic.Int64 // when glance has looked last
	revision   atomic.Uint64

	ctx    context.Context // of the store's own work, and of all calls
	stop   context.CancelFunc
	work   sync.WaitGroup
	lanes  lanes
	calls  sync.RWMutex // held, for reading, by every call
	closed atomic.Bool
}

var _ store.Store = (*Store)(nil)

// Open returns a store. It does no I/O: what it needs is connected when it is
// needed.
func Open(opts Options) (*Store, error) {
	callers, err := newCallers(opts)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{
		callers:    callers,
		prefix:     strings.TrimRight(opts.Prefix, "/"),
		logger:     opts.Logger,
		id:         rand.Text(),
		session:    session{opening: make(chan struct{}, 1)},
		waiting:    waiting{places: make(map[place]*presence)},
		sweeper:    newSweeper(),
		used:       used{queues: make(map[queue]*use)},
		marking:    marking{turn: make(chan struct{}, 1)},
		remembered: remembered{turn: make(chan struct{}, 1)},
		lanes:      newLanes(opts.Username != ""),
		ctx:        ctx,
		stop:       stop,
	}
	if s.logger == nil {
		s.logger = zap.NewNop()
	}
	s.work.Go(func() { s.keepAlive(ctx) })
	s.work.Go(func() { s.keepRecords(ctx) })
	s.work.Go(func() { s.sweepDead(ctx) })
	s.work.Go(func() { s.tidy(ctx) })
	return s, nil
}

// begin bounds a call, and ends it when the store is closed. In a lane it may have
// to wait for its turn; only then its time begins.
func (s *Store) begin(ctx context.Context, l lane) (context.Context, context.CancelFunc, error) {
	if s.closed.Load() {
		return nil, nil, store.ErrClosed
	}
	if err := l.enter(ctx, s.ctx); err != nil {
		return nil, nil, err
	}
	s.calls.RLock()
	if s.closed.Load() {
		s.calls.RUnlock()
		l.leave()
		return nil, nil, store.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	unhook := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { unhook(); cancel(); s.calls.RUnlock(); l.leave() }, nil
}

// whileOpen is begin for a call that goes on for as long as ctx does.
func (s *Store) whileOpen(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if s.closed.Load() {
		return nil, nil, store.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { unhook(); cancel() }, nil
}

// seen notes an index of etcd.
func (s *Store) seen(index uint64) {
	for {
		old := s.revision.Load()
		if index <= old || s.revision.CompareAndSwap(old, index) {
			return
		}
	}
}

// Revision implements store.Store.
func (s *Store) Revision() uint64 { return s.revision.Load() }

// leaving is how many entries are withdrawn at once when the store is closed.
const leaving = 64

// Close implements store.Store.
func (s *Store) Close(ctx context.Context) error {
	if s.closed.Swap(true) {
		return store.ErrClosed
	}
	// What is under way could make what is given up here.
	s.stop()
	s.work.Wait()
	s.calls.Lock()
	defer s.calls.Unlock()
	err := s.leaveAll(ctx)
	if err == nil {
		end, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		err = s.endSession(end)
	}
	s.callers.close()
	return err
}

// leaveAll withdraws from everything that this gateway waits for. If that fails
// once, it leaves the rest to the session's end.
func (s *Store) leaveAll(ctx context.Context) error {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var mu sync.Mutex
	var first error
	s.each(s.waiting.all(), leaving, func(p place) {
		one, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		if err := s.withdraw(one, p.queue, s.waiting.entry(p)); err != nil {
			mu.Lock()
			defer mu.Unlock()
			first = cmp.Or(first, err)
			giveUp()
		}
	})
	return first
}

// each calls do for all places, some at once.
func (s *Store) each(places []place, atOnce int, do func(place)) {
	var all sync.WaitGroup
	next := make(chan place)
	for range min(atOnce, len(places)) {
		all.Go(func() {
			for p := range next {
				do(p)
			}
		})
	}
	for _, p := range places {
		next <- p
	}
	close(next)
	all.Wait()
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
