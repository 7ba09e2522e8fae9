// Package etcdv2 keeps the lock's queues in an etcd with the v2 API.
package etcdv2

import (
	"context"
	"crypto/tls"
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
type Store struct{}

var _ store.Store = (*Store)(nil)

// Open returns a store. It does no I/O: what it needs is connected when it is
// needed.
func Open(opts Options) (*Store, error) { return &Store{}, nil }

func (s *Store) Acquire(ctx context.Context, key store.Key, a store.Acquire) (store.Acquired, error) {
	return store.Acquired{}, store.ErrUnavailable
}
func (s *Store) Grant(ctx context.Context, key store.Key, e store.Entry, ahead store.Ahead, ttl time.Duration) (store.Entry, error) {
	return e, store.ErrUnavailable
}
func (s *Store) Withdraw(ctx context.Context, key store.Key, e store.Entry) error {
	return store.ErrUnavailable
}
func (s *Store) Expired(ctx context.Context, key store.Key, e store.Entry) (bool, error) {
	return false, store.ErrUnavailable
}
func (s *Store) Release(ctx context.Context, key store.Key, t store.Target, next *store.Successor) (*store.Entry, error) {
	return nil, store.ErrUnavailable
}
func (s *Store) Renew(ctx context.Context, key store.Key, t store.Target, ttl time.Duration) (store.Entry, error) {
	return store.Entry{}, store.ErrUnavailable
}
func (s *Store) List(ctx context.Context, key store.Key, limit int) (store.Listing, error) {
	return store.Listing{}, store.ErrUnavailable
}
func (s *Store) Watch(ctx context.Context, key store.Key, after uint64, apply func(uint64, []store.Event)) error {
	return store.ErrUnavailable
}
func (s *Store) Revision() uint64                { return 0 }
func (s *Store) Close(ctx context.Context) error { return nil }
