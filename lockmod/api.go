// Package lockmod is the lock: a fair queue for one holder at a time, kept in
// etcd and reached over HTTP.
//
// A Service serves all locks of one gateway; a Handler speaks HTTP for it. The
// order of a lock's queue is etcd's, exclusion is etcd's transaction, and the
// service remembers only who on this gateway waits for what.
package lockmod

import (
	"errors"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Errors of Service beside those of package store.
var (
	// ErrNotAcquired: the lock was not obtained within the request's timeout,
	// and the request's place in the queue is gone.
	ErrNotAcquired = errors.New("lock was not acquired")

	// ErrCancelled: somebody released the entry while the request waited for it.
	ErrCancelled = errors.New("lock request was cancelled")

	// ErrTooManyWaiters: the gateway's limit of waiting requests is reached.
	ErrTooManyWaiters = errors.New("too many waiters")

	// ErrStopping: the gateway is stopping. Nothing of the request is left.
	ErrStopping = errors.New("gateway is stopping")
)

// WaitForever as a Request's Timeout waits without end.
const WaitForever time.Duration = -1

// Request asks for a lock.
type Request struct {
	Key string

	// Value makes requests with one value share one place in the queue, and one
	// hold; without HasValue the request is alone.
	Value    string
	HasValue bool

	// TTL is how long the holder has the lock without renewing it: whole
	// seconds, at least one. Of requests that are granted together, the longest
	// counts.
	TTL time.Duration

	// Timeout is how long to wait. 0: not at all. WaitForever: without end.
	Timeout time.Duration

	// MaxWaiting is how many requests may wait on this Service at once, this one
	// included; 0 means any number.
	MaxWaiting int
}

// Hold is a lock that has been granted to a request, and not yet to its client.
// Settle must be called once.
type Hold struct {
	// Entry is the holder, with what is Left of its TTL.
	Entry store.Entry

	settle func(delivered bool)
}

// Settle says whether the client could be told that it holds the lock. A grant
// that none of its requests could deliver is released at once (I4).
func (h *Hold) Settle(delivered bool) { h.settle(delivered) }
