package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// startTTL is setTTL for a hold that this gateway is about to tell of. One that etcd has
// made under another leader than its lease goes to a lease of that one's first. If others may
// have been told of it, it stays: it is theirs as it is.
func (s *Store) startTTL(ctx context.Context, q queue, e store.Entry, ttl int64) (store.Entry, error) {
	r := refOf(e)
	if s.leases.outdated(r.lease) && slices.Equal(r.rec.Claims, []string{s.id}) {
		l, err := s.leases.grant(ctx, r.rec.TTL)
		if err == nil {
			e, err = s.move(ctx, q, e, l)
		}
		if err != nil {
			return e, err
		}
	}
	return s.setTTL(ctx, q, e, ttl)
}

// move puts the held entry e on another lease, whose TTL it has from then on. ErrNotFound: e
// has gone, or changed.
func (s *Store) move(ctx context.Context, q queue, e store.Entry, l lease) (store.Entry, error) {
	r := refOf(e)
	rec := r.rec
	rec.TTL = l.ttl
	e, err := s.swap(ctx, q, e, rec, l)
	s.settleLeases(err, r, l, true)
	if errors.Is(err, errAgain) {
		err = store.ErrNotFound
	}
	return e, err
}

// setTTL makes the TTL of the held entry e start anew, at ttl seconds. Where
// that is what it was, it costs no commit. ErrNotFound: e has gone, or changed.
func (s *Store) setTTL(ctx context.Context, q queue, e store.Entry, ttl int64) (store.Entry, error) {
	r := refOf(e)
	if r.rec.TTL != ttl {
		l, err := s.leases.take(ctx, ttl)
		if err == nil {
			e, err = s.move(ctx, q, e, l)
		}
		if err != nil {
			return e, err
		}
	}
	left, err := s.restartTTL(ctx, q, e)
	switch {
	case err != nil && r.rec.TTL != ttl:
		return e, fmt.Errorf("%w: the TTL is another one, but %v", store.ErrUnknown, err)
	case err != nil:
		return e, err
	case left == 0:
		return e, store.ErrNotFound
	}
	e.Left = time.Duration(left) * time.Second
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
		switch {
		case err == nil:
			return renewed, nil
		case !errors.Is(err, store.ErrNotFound):
			return e, fmt.Errorf("renewing: %w", err)
		case ctx.Err() != nil: // it has changed, or gone, and there is no time to look again
			return e, fmt.Errorf("renewing: %w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
}
