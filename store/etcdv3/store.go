// Package etcdv3 keeps the lock's queues in an etcd with the v3 API.
//
// An entry's index is its key's create revision. While it waits, its key hangs
// on the lease of its gateway's session; the grant moves it to a lease with the
// client's TTL. See package store for what is guaranteed, and record.go for what
// stands in etcd.
package etcdv3

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Options of a Store.
type Options struct {
	// Prefix is what all keys begin with; a trailing slash is dropped. All
	// gateways of a cluster have to use the same.
	Prefix string

	// Logger may be nil.
	Logger *zap.Logger
}

// Store is a gateway's session with an etcd cluster.
type Store struct {
	client *clientv3.Client
	prefix string
	logger *zap.Logger

	id   string // the gateway's, in the entries that it is a party to
	self string // its session's key

	keepalives *keepalives
	fences     fences
	leases     *leases
	marks      marks
	shared     shared
	names      *names
	opening    chan struct{} // a lock: held by whoever opens the session
	session    atomic.Pointer[session]
	revision   atomic.Int64
	observers  atomic.Int64

	ctx    context.Context // of the store's own work
	stop   context.CancelFunc
	work   sync.WaitGroup
	closed atomic.Bool
}

var _ store.Store = (*Store)(nil)

// Open returns a store that works through client, which must have been made with
// DialOptions and stays the caller's to close, after the store. It does no I/O:
// the session is opened when it is needed.
func Open(client *clientv3.Client, opts Options) *Store {
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{
		client:  client,
		prefix:  strings.TrimRight(opts.Prefix, "/"),
		logger:  opts.Logger,
		id:      rand.Text(),
		shared:  shared{leases: make(map[string]clientv3.LeaseID)},
		opening: make(chan struct{}, 1),
		fences:  fences{turn: make(chan struct{}, 1)},
		ctx:     ctx,
		stop:    stop,
	}
	if s.logger == nil {
		s.logger = zap.NewNop()
	}
	s.self = s.gatewayKey(s.id)
	s.names = newNames(s.id)
	s.keepalives = newKeepalives(ctx, client)
	s.leases = newLeases(client.Lease, s.keepalives)
	s.work.Go(func() { s.keepAlive(ctx) })
	s.work.Go(func() { s.tidyLeases(ctx) })
	s.work.Go(func() { s.askProgress(ctx) })
	return s
}

// tidyPeriod is how often leases that are not wanted any more are revoked.
const tidyPeriod = time.Second

func (s *Store) tidyLeases(ctx context.Context) {
	for pause(ctx, tidyPeriod) {
		attempt, cancel := context.WithTimeout(ctx, callTimeout)
		s.leases.tidy(attempt, false)
		cancel()
	}
}

// begin bounds a call, and ends it when the store is closed.
func (s *Store) begin(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if s.closed.Load() {
		return nil, nil, store.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	unhook := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { unhook(); cancel() }, nil
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

// seen notes what an answer of etcd tells of it.
func (s *Store) seen(header *pb.ResponseHeader) {
	s.leases.elected(header.RaftTerm)
	revision := header.Revision
	for {
		old := s.revision.Load()
		if revision <= old || s.revision.CompareAndSwap(old, revision) {
			return
		}
	}
}

// Revision implements store.Store.
func (s *Store) Revision() uint64 { return uint64(s.revision.Load()) }

// Close implements store.Store. Revoking the session's lease takes all entries
// that hang on it in one commit.
func (s *Store) Close(ctx context.Context) error {
	if s.closed.Swap(true) {
		return store.ErrClosed
	}
	var first error
	for _, sh := range s.shared.all() {
		if _, err := s.withdraw(ctx, sh.key, store.Entry{}); err != nil && first == nil {
			first = err
		}
	}
	if ss := s.session.Load(); ss != nil {
		_, err := write(ctx, func(ctx context.Context) (*clientv3.LeaseRevokeResponse, error) {
			return s.client.Revoke(ctx, ss.lease)
		})
		if err != nil && !leaseNotFound(err) && first == nil {
			first = err
		}
	}
	s.leases.tidy(ctx, true)
	s.stop()
	s.work.Wait()
	return first
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
