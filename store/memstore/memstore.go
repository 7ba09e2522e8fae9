// Package memstore is a store.Store in memory, for tests. A Cluster stands for
// etcd; each Store opened on it stands for one gateway. Its faults are called by
// the test: see SetDown, Expire, Kill, FailNext, Intercept, Deliver,
// Cluster.BreakWatches and Cluster.Compact.
//
// All time is package time's, so that under testing/synctest a TTL takes none.
//
// It is strict where a caller could come to depend on luck: each change of an
// entry's parties is a revision and an event that shows nothing new, with a new
// Ref; an Acquire that says Contended queues without looking, even in an empty
// queue; a Release grants to a successor only with its newest Ref; a renewal for the
// same TTL has no revision; an Observe calls apply without changes for what happens
// outside its scope.
//
// What it does not model:
//
//   - time that etcd needs: calls take none, and a TTL ends on the spot, where
//     etcd expires a lease up to about 2 s late;
//   - the granularity of leases, which is one second and in v3 at least two: any
//     TTL is kept as it is;
//   - leader changes and restarts, which extend TTLs and sessions: sessions end
//     when Expire, Kill or Close say so, and otherwise never, also not while
//     SetDown holds;
//   - members that lag behind: every read is of the newest state;
//   - limits on sizes and rates, authentication, and what etcd refuses;
//   - history that ends by itself: it is kept until Compact.
package memstore

import (
	"sync"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Cluster is what gateways share, as if it were etcd.
type Cluster struct {
	mu        sync.Mutex // guards everything below, and every Store's state
	revision  uint64
	compacted uint64 // changes up to this revision are forgotten
	queues    map[store.Key]*queue
	broken    chan struct{} // closed, and replaced, by BreakWatches
	log       log
}

// NewCluster returns an empty cluster.
func NewCluster() *Cluster {
	return &Cluster{
		revision: 1,
		queues:   make(map[store.Key]*queue),
		broken:   make(chan struct{}),
		log:      log{changed: make(chan struct{})},
	}
}

// BreakWatches ends every Watch and Observe that is running with ErrUnavailable.
func (c *Cluster) BreakWatches() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.broken)
	c.broken = make(chan struct{})
}

// Compact forgets all history: a Watch or Observe from before the present revision
// gets ErrCompacted, and so does a running one that has not been told everything
// yet.
func (c *Cluster) Compact() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.compacted = c.revision
	c.log.forget()
	for _, q := range c.queues {
		if n := len(q.history); n > 0 {
			q.compacted = q.history[n-1].revision
			q.history = nil
		}
		q.wake() // for those that have fallen behind
	}
}

// queue returns the queue with that key, which exists from the first time that
// anybody asks.
func (c *Cluster) queue(key store.Key) *queue {
	q := c.queues[key]
	if q == nil {
		q = &queue{
			key:    key,
			byName: make(map[string]*entry), changed: make(chan struct{}),
		}
		c.queues[key] = q
	}
	return q
}
