package etcdv3

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A holder's entry hangs on a lease with the client's TTL. Granting and revoking
// a lease costs a commit each, so a lease whose entry has been released is kept
// for the next holder with that TTL. Whoever deletes an entry owns its lease.
//
// A lease that was granted before etcd's present leader was elected is not used again:
// the leader before that one, if it only hung, knows nothing of what the lease has been
// renewed for since. For some seconds after it goes on it may revoke what has run out by its
// own knowledge (https://github.com/etcd-io/etcd/issues/15247), and the hold with it. Where a
// hold's commit tells that there is another leader, the hold goes to another lease before
// anybody is told of it (see Store.startTTL). (I1, I6)

const (
	idleLease     = 5 * time.Second // after which a pooled lease is revoked
	maxIdleLeases = 1024
)

// lease is a lease that holds, or held, a holder's entry.
type lease struct {
	id    clientv3.LeaseID
	ttl   int64     // seconds, as asked for
	term  uint64    // etcd's, in which it was granted, or an earlier one
	until time.Time // it lives at least so long
	since time.Time // it has been in the pool

	// marked: its marker is there, which what follows in etcd will rely on (see
	// marker.go).
	marked bool
}

// usable says that a lease is of etcd's present term, and lives long enough to be put
// under an entry and renewed then.
func (p *leases) usable(l lease, now time.Time) bool {
	return l.term == p.term.Load() && l.until.Sub(now) >= time.Duration(l.ttl)*time.Second/2
}

// outdated says that a lease was granted, by this gateway, in an earlier term.
func (p *leases) outdated(id clientv3.LeaseID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.known[id]
	return ok && k.term < p.term.Load()
}

// elected notes a term of etcd's.
func (p *leases) elected(term uint64) {
	for {
		old := p.term.Load()
		if term <= old || p.term.CompareAndSwap(old, term) {
			return
		}
	}
}

// leases is the pool.
type leases struct {
	client     clientv3.Lease
	keepalives *keepalives

	term atomic.Uint64 // the newest of etcd's that this gateway has heard of

	mu   sync.Mutex
	idle map[int64][]lease // by ttl; the last one was used last

	// known has the leases that this gateway has granted and that may come back to
	// it.
	known map[clientv3.LeaseID]knowledge

	idleCount int
	unwanted  []clientv3.LeaseID // to be revoked
}

// knowledge is what this gateway knows of a lease, which may be less than is so.
type knowledge struct {
	term   uint64
	until  time.Time // it lives at least so long
	marked bool
}

func newLeases(client clientv3.Lease, k *keepalives) *leases {
	return &leases{
		client:     client,
		keepalives: k,
		idle:       make(map[int64][]lease),
		known:      make(map[clientv3.LeaseID]knowledge),
	}
}

// take returns a lease of ttl seconds that nothing hangs on. The caller puts it
// back if it does not use it; what hangs on it does not have the whole TTL until
// renew has been called.
func (p *leases) take(ctx context.Context, ttl int64) (lease, error) {
	now := time.Now()
	p.mu.Lock()
	for list := p.idle[ttl]; len(list) > 0; list = p.idle[ttl] {
		l := list[len(list)-1]
		p.idle[ttl] = list[:len(list)-1]
		p.idleCount--
		if p.usable(l, now) {
			p.mu.Unlock()
			return l, nil
		}
		p.unwanted = append(p.unwanted, l.id)
	}
	p.mu.Unlock()
	return p.grant(ctx, ttl)
}

// grant has etcd grant a lease. It is of the term that was known before, at least: the answer
// may tell a later one, whose leader it is not from.
func (p *leases) grant(ctx context.Context, ttl int64) (lease, error) {
	now, term := time.Now(), p.term.Load()
	resp, err := write(ctx, func(ctx context.Context) (*clientv3.LeaseGrantResponse, error) {
		return p.client.Grant(ctx, ttl)
	})
	if err != nil {
		return lease{}, nothingWritten(err)
	}
	p.elected(resp.GetRaftTerm())
	if term == 0 {
		term = resp.GetRaftTerm()
	}
	l := lease{id: resp.ID, ttl: ttl, term: term, until: now.Add(time.Duration(ttl) * time.Second)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[l.id] = knowledge{term: l.term, until: l.until}
	return l, nil
}

// put gives back a lease that nothing hangs on any more and that no write in
// flight names. One that another gateway granted is not used again.
func (p *leases) put(id clientv3.LeaseID, ttl int64) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.known[id]
	l := lease{id: id, ttl: ttl, term: k.term, until: k.until, since: now, marked: k.marked}
	if !p.usable(l, now) || p.idleCount >= maxIdleLeases {
		delete(p.known, id)
		p.unwanted = append(p.unwanted, id)
		return
	}
	p.idle[ttl] = append(p.idle[ttl], l)
	p.idleCount++
}

// discard has a lease revoked, and with it whatever may yet be put on it.
func (p *leases) discard(id clientv3.LeaseID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, id)
	p.unwanted = append(p.unwanted, id)
}

// renew restarts the lease's time to live and returns it, in seconds; 0 if whoever leads etcd
// does not know the lease, which is no proof that it has gone: see Store.restartTTL.
func (p *leases) renew(ctx context.Context, id clientv3.LeaseID) (int64, error) {
	sent := time.Now()
	ttl, err := p.keepalives.renew(ctx, id)
	for err != nil && pause(ctx, retryPause) {
		sent = time.Now()
		ttl, err = p.keepalives.renew(ctx, id)
	}
	if err == nil && ttl > 0 {
		p.learn(id, sent.Add(time.Duration(ttl)*time.Second))
	}
	return ttl, err
}

func (p *leases) learn(id clientv3.LeaseID, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k, ok := p.known[id]; ok {
		k.until = until
		p.known[id] = k
	}
}

// mark notes that the lease has carried a hold.
func (p *leases) mark(l lease) {
	if l.marked {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if k, ok := p.known[l.id]; ok {
		k.marked = true
		p.known[l.id] = k
	}
}

// tidy forgets what has expired, and revokes what has been idle for long or is
// unwanted. A revocation that fails is tried again the next time, as long as the
// lease may live.
func (p *leases) tidy(ctx context.Context, all bool) {
	now := time.Now()
	p.mu.Lock()
	for ttl, list := range p.idle {
		kept := list[:0]
		for _, l := range list {
			if all || now.Sub(l.since) > idleLease || !p.usable(l, now) {
				p.unwanted = append(p.unwanted, l.id)
				delete(p.known, l.id)
				p.idleCount--
			} else {
				kept = append(kept, l)
			}
		}
		if len(kept) == 0 {
			delete(p.idle, ttl)
		} else {
			p.idle[ttl] = kept
		}
	}
	for id, k := range p.known {
		if now.After(k.until) {
			delete(p.known, id)
		}
	}
	unwanted := p.unwanted
	p.unwanted = nil
	p.mu.Unlock()

	for i, id := range unwanted {
		if _, err := p.client.Revoke(ctx, id); err != nil && !leaseNotFound(err) {
			p.mu.Lock()
			p.unwanted = append(p.unwanted, unwanted[i:]...)
			p.mu.Unlock()
			return
		}
	}
}
