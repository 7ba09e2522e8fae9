package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// shortQueue is up to how many entries etcd is asked to look at to see that one
// of them is the head.
const shortQueue = 16

// Grant implements store.Store.
//
// The transaction checks that the entry is what it was (its mod revision, which
// implies its create revision) and that nobody stands before it (I1, I3). In a
// short queue that is checked outright: no entry of the queue was created
// earlier. In a long one, where that would cost etcd a look at every entry for
// every grant, the entry that it followed must be gone: new entries only come in
// behind, so the mirror that saw it become the head can only have become truer.
func (s *Store) Grant(ctx context.Context, key store.Key, e store.Entry, ahead store.Ahead, ttl time.Duration) (store.Entry, error) {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return e, err
	}
	defer cancel()
	q, want := s.queue(key), seconds(ttl)
	if refOf(e).granted {
		older := *refOf(e) // by the next call, if there is one
		older.granted = false
		e.Ref = &older
	} else if e.Held {
		// Its lease may live on under another entry: see that this one is there.
		now, err := s.find(ctx, q, store.Target{Index: e.Index, Hint: &e})
		if err != nil {
			return e, fmt.Errorf("granting: %w", err)
		}
		e = now
	}
	for {
		var failure error
		e, failure = s.grant(ctx, q, e, ahead, want)
		if !errors.Is(failure, errAgain) {
			if failure != nil {
				failure = fmt.Errorf("granting: %w", failure)
			}
			return e, failure
		}
		// Something was not as expected: what is there now?
		now, err := s.find(ctx, q, store.Target{Index: e.Index, Hint: &e})
		if err != nil {
			return e, fmt.Errorf("granting: %w", err)
		}
		if refOf(now).rev == refOf(e).rev && !now.Held && !leaseNotFound(failure) {
			return e, fmt.Errorf("granting: %w", store.ErrNotHead)
		}
		e = now
	}
}

// grant is one round, from what e is known to be.
func (s *Store) grant(ctx context.Context, q queue, e store.Entry, ahead store.Ahead, ttl int64) (store.Entry, error) {
	r := refOf(e)
	if r.rev == 0 {
		return e, errAgain
	}
	if e.Held && slices.Contains(r.rec.Claims, s.id) {
		return s.settled(ctx, q, e, max(ttl, r.rec.TTL))
	}

	ttl = max(ttl, r.rec.TTL)
	l, fresh := r.hangsOn(), !e.Held || ttl != r.rec.TTL
	if fresh {
		var err error
		if l, err = s.leases.take(ctx, ttl); err != nil {
			return e, err
		}
	}
	var when []clientv3.Cmp
	if !e.Held {
		when = s.isHead(q, e, ahead)
	}
	granted, err := s.swap(ctx, q, e, r.rec.heldBy(s.id, ttl), l, when...)
	s.settleLeases(err, r, l, fresh)
	if err != nil {
		return e, err
	}
	s.shared.leave(q.entry(e.Name))
	if r.rec.Shared {
		s.leases.discard(r.lease)
	}
	return s.settled(ctx, q, granted, ttl)
}

// settled is startTTL for an entry that this gateway has just made sure is held.
func (s *Store) settled(ctx context.Context, q queue, e store.Entry, ttl int64) (store.Entry, error) {
	got, err := s.startTTL(ctx, q, e, ttl)
	if errors.Is(err, store.ErrNotFound) {
		return e, errAgain // it has gone, or been changed
	}
	return got, err
}

// isHead are the conditions that e is the head of its queue.
func (s *Store) isHead(q queue, e store.Entry, ahead store.Ahead) []clientv3.Cmp {
	if ahead.Waiting < shortQueue {
		return []clientv3.Cmp{
			clientv3.Compare(clientv3.CreateRevision(q.prefix), ">", int64(e.Index)-1).WithRange(q.end),
		}
	}
	if ahead.Name != "" {
		return []clientv3.Cmp{
			clientv3.Compare(clientv3.CreateRevision(q.entry(ahead.Name)), "!=", int64(ahead.Index)),
		}
	}
	return nil
}
