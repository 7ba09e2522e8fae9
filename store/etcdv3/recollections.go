package etcdv3

import (
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// recollections are what observers knew when they could not go on, for those that go
// on from there: so a renewal in between is seen too.
type recollections struct {
	mu   sync.Mutex
	list map[store.Scope]recollection
}

type recollection struct {
	at       time.Time
	revision uint64
	expect   map[remembered]expectation
}

// remembered is a hold.
type remembered struct {
	key   string
	index uint64
	lease clientv3.LeaseID
}

func (h *hold) remembered() remembered {
	return remembered{h.key, h.entry.Index, refOf(h.entry).lease}
}

// recollectionsLast is how long. Observers go on within seconds, or not at all.
const recollectionsLast = time.Minute

func (r *recollections) keep(o *observer) {
	if len(o.holds) == 0 {
		return
	}
	x := recollection{time.Now(), o.revision, make(map[remembered]expectation, len(o.holds))}
	for _, h := range o.holds {
		x.expect[h.remembered()] = h.expect
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for scope, old := range r.list {
		if time.Since(old.at) > recollectionsLast {
			delete(r.list, scope)
		}
	}
	if r.list == nil {
		r.list = make(map[store.Scope]recollection)
	}
	r.list[o.r.scope] = x
}

// recall is for an observer that begins without telling what is left.
func (r *recollections) recall(o *observer) {
	r.mu.Lock()
	x, ok := r.list[o.r.scope]
	delete(r.list, o.r.scope)
	r.mu.Unlock()
	if !ok || x.revision != o.revision {
		return
	}
	for _, h := range o.holds {
		if expect, ok := x.expect[h.remembered()]; ok && !expect.most.IsZero() {
			h.expect = expect
		}
	}
}
