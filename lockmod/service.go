package lockmod

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Service serves every queue of one space of one store.
type Service struct{}

// New returns a service for the queues in space. The caller closes the service
// before the store.
func New(st store.Store, space string, logger *zap.Logger) *Service { return nil }

// Acquire waits until the request's entry holds the lock, and returns the hold,
// which the caller must Settle. If ctx ends first, the request's place is given
// up in the background and ctx's error is returned.
func (s *Service) Acquire(ctx context.Context, r Request) (*Hold, error) { return nil, nil }

// Renew makes the holder's TTL start anew.
func (s *Service) Renew(ctx context.Context, key string, t store.Target, ttl time.Duration) (store.Entry, error) {
	return store.Entry{}, nil
}

// Release releases the holder, or cancels a waiting entry.
func (s *Service) Release(ctx context.Context, key string, t store.Target) error { return nil }

// Holder returns the entry that holds the lock, with what is Left of its TTL, or
// the zero Entry if nobody does. It is linearizable.
func (s *Service) Holder(ctx context.Context, key string) (store.Entry, error) {
	return store.Entry{}, nil
}

// Queue returns the whole queue; the holder, if there is one, comes first, with
// what is Left of its TTL. It is linearizable.
func (s *Service) Queue(ctx context.Context, key string) (store.Listing, error) {
	return store.Listing{}, nil
}

// Revision is the newest revision of etcd that the service has seen.
func (s *Service) Revision() uint64 { return 0 }

// Waiting is how many requests wait now.
func (s *Service) Waiting() int { return 0 }

// Close answers every waiting request with ErrStopping and ends the service's
// work; later requests get ErrStopping. It does not close the store, which takes
// the entries out of etcd.
func (s *Service) Close(ctx context.Context) {}
