package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// unchanged is the condition that e is as its ref says.
func (s *Store) unchanged(q queue, e store.Entry) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(q.entry(e.Name)), "=", refOf(e).rev)
}

// swap puts rec, on l, in the place of what e is known to be. errAgain: it is
// no longer that, or another of the conditions does not hold, or (then the error
// is also ErrLeaseNotFound) the lease has gone.
func (s *Store) swap(ctx context.Context, q queue, e store.Entry, rec record, l lease, when ...clientv3.Cmp) (store.Entry, error) {
	then := []clientv3.Op{clientv3.OpPut(q.entry(e.Name), rec.encode(e.Value), clientv3.WithLease(l.id))}
	if rec.held() {
		then = s.hold(q.entry(e.Name), rec.encode(e.Value), l)
	}
	resp, err := s.commit(ctx, txn{when: append(when, s.unchanged(q, e)), then: then})
	switch {
	case leaseNotFound(err):
		return e, fmt.Errorf("%w: %w", errAgain, rpctypes.ErrLeaseNotFound)
	case err != nil:
		return e, err
	case !resp.Succeeded:
		return e, errAgain
	}
	if rec.held() {
		s.leases.mark(l)
	}
	return changed(e, rec, resp.Header.Revision, l.id), nil
}

// settleLeases decides about leases after a swap from what old says to l, which
// is fresh if it was taken from the pool for it.
func (s *Store) settleLeases(err error, old *ref, l lease, fresh bool) {
	switch {
	case !fresh:
	case err == nil && old.rec.held():
		s.leases.put(old.lease, old.rec.TTL)
	case err == nil:
	case errors.Is(err, store.ErrUnknown):
		// An entry may hang on it. It runs out by itself.
	case leaseNotFound(err):
		s.leases.discard(l.id)
	default:
		s.leases.put(l.id, l.ttl)
	}
}

// setTTL makes the TTL of the held entry e start anew, at ttl seconds. Where
// that is what it was, it costs no commit, unless etcd has another leader than when its
// lease was granted. ErrNotFound: e has gone, or changed.
func (s *Store) setTTL(ctx context.Context, q queue, e store.Entry, ttl int64) (store.Entry, error) {
	before := refOf(e).rec.TTL
	e, err := s.move(ctx, q, e, ttl)
	var left int64
	if err == nil {
		left, err = s.restartTTL(ctx, q, e)
	}
	switch {
	case errors.Is(err, errAgain), err == nil && left == 0:
		return e, store.ErrNotFound
	case err != nil && refOf(e).rec.TTL != before:
		return e, fmt.Errorf("%w: the TTL is another one, but %v", store.ErrUnknown, err)
	case err != nil:
		return e, err
	}
	e.Left = time.Duration(left) * time.Second
	return e, nil
}

// move puts the held entry e on another lease, where it has to be.
func (s *Store) move(ctx context.Context, q queue, e store.Entry, ttl int64) (store.Entry, error) {
	for refOf(e).rec.TTL != ttl || s.leases.outdated(refOf(e).lease) {
		r := refOf(e)
		l, err := s.leases.take(ctx, ttl)
		if err != nil {
			return e, err
		}
		rec := r.rec
		rec.TTL = ttl
		e, err = s.swap(ctx, q, e, rec, l)
		s.settleLeases(err, r, l, true)
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

// restartTTL makes the TTL of the held entry e start now, and returns what is left of it, in
// seconds; 0 if e has gone, or changed. Whoever leads etcd since a moment ago may not know
// its newest leases yet, and says that they do not exist. But what hung on a lease that has
// gone, has gone with it, and whether it has is read linearizably.
func (s *Store) restartTTL(ctx context.Context, q queue, e store.Entry) (left int64, err error) {
	for {
		left, err = s.leases.renew(ctx, refOf(e).lease)
		if err != nil || left > 0 {
			return left, err
		}
		now, err := s.find(ctx, q, store.Target{Index: e.Index, Hint: &e})
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && refOf(now).rev != refOf(e).rev:
			return 0, nil
		case err != nil:
			return 0, err
		case !pause(ctx, retryPause):
			return 0, fmt.Errorf("%w: the lease of an entry is not known: %w", store.ErrUnavailable, ctx.Err())
		}
	}
}

// find reads the entry that t means.
func (s *Store) find(ctx context.Context, q queue, t store.Target) (store.Entry, error) {
	var resp *clientv3.GetResponse
	var err error
	if name, ok := targetName(t); ok {
		resp, err = s.get(ctx, q.entry(name))
	} else {
		resp, err = s.get(ctx, q.prefix, clientv3.WithRange(q.end), clientv3.WithLimit(1),
			clientv3.WithMinCreateRev(int64(t.Index)), clientv3.WithMaxCreateRev(int64(t.Index)))
	}
	if err != nil {
		return store.Entry{}, err
	}
	if len(resp.Kvs) == 0 || (t.Index != 0 && resp.Kvs[0].CreateRevision != int64(t.Index)) {
		return store.Entry{}, store.ErrNotFound
	}
	return q.decode(resp.Kvs[0]), nil
}

// Renew implements store.Store.
func (s *Store) Renew(ctx context.Context, key store.Key, t store.Target, ttl time.Duration) (store.Entry, error) {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	defer cancel()
	q := s.queue(key)
	for {
		e, err := s.find(ctx, q, t)
		if err == nil && !e.Held {
			err = store.ErrNotHeld
		}
		if err != nil {
			return e, fmt.Errorf("renewing: %w", err)
		}
		renewed, err := s.setTTL(ctx, q, e, seconds(ttl))
		if errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
			continue // changed or gone: look again
		}
		if err != nil {
			return e, fmt.Errorf("renewing: %w", err)
		}
		return renewed, nil
	}
}
