package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// errAgain: the state in etcd was not what a write was conditional on; look at
// it anew and decide again.
var errAgain = errors.New("changed meanwhile")

// Acquire implements store.Store. Uncontended it is one transaction: if the
// queue is empty, put. Where it is not, the same transaction makes a waiting
// entry.
func (s *Store) Acquire(ctx context.Context, key store.Key, a store.Acquire) (store.Acquired, error) {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return store.Acquired{}, err
	}
	defer cancel()

	q := s.queue(key)
	name := anonymousName()
	if a.HasValue {
		name = valuedName(a.Value)
	}
	for {
		got, err := s.acquire(ctx, q, name, a)
		if !errors.Is(err, errAgain) {
			if err != nil {
				err = fmt.Errorf("acquiring: %w", err)
			}
			return got, err
		}
		if ctx.Err() != nil {
			return store.Acquired{}, fmt.Errorf("acquiring: %w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
}

// acquire is one round: it makes the entry, or finds the one with the value and
// joins it.
func (s *Store) acquire(ctx context.Context, q queue, name string, a store.Acquire) (store.Acquired, error) {
	ss, err := s.open(ctx)
	if err != nil {
		return store.Acquired{}, err
	}
	epoch, since := ss.epoch.Load(), s.revision.Load()
	entryKey, ttl := q.entry(name), seconds(a.TTL)

	look := []clientv3.Op{clientv3.OpGet(s.self), clientv3.OpGet(entryKey)}
	waiting := record{State: stateWaiting}.waitedBy(s.id)
	enqueue := txn{
		when:      []clientv3.Cmp{s.inEpoch(epoch), clientv3.Compare(clientv3.CreateRevision(entryKey), "=", 0)},
		then:      []clientv3.Op{clientv3.OpPut(entryKey, waiting.encode(a.Value), clientv3.WithLease(ss.lease))},
		otherwise: look,
	}
	if epoch == 0 {
		enqueue.then = append(enqueue.then, s.sessionKey(ss))
	}
	if a.Wait && a.Contended {
		resp, err := s.commit(ctx, enqueue)
		return s.acquired(ctx, q, ss, epoch, name, a, attempt{resp: resp, err: err, since: since})
	}

	if !a.Wait && a.Contended {
		// Most likely it is taken, which costs no commit to see.
		look := []clientv3.Op{
			clientv3.OpGet(q.prefix, clientv3.WithRange(q.end), clientv3.WithLimit(1), clientv3.WithKeysOnly()),
			clientv3.OpGet(entryKey),
		}
		resp, err := read(ctx, func(ctx context.Context) (*clientv3.TxnResponse, error) {
			return s.client.Txn(ctx).Then(look...).Commit()
		})
		if err != nil {
			return store.Acquired{}, err
		}
		some, same := resp.Responses[0].GetResponseRange().Kvs, resp.Responses[1].GetResponseRange().Kvs
		switch {
		case len(same) > 0:
			return s.join(ctx, q, ss, epoch, q.decode(same[0]), a)
		case len(some) > 0:
			return store.Acquired{}, store.ErrTaken
		}
	}
	l, err := s.leases.take(ctx, ttl)
	if err != nil {
		return store.Acquired{}, err
	}
	held := record{}.heldBy(s.id, ttl)
	t := txn{
		when: []clientv3.Cmp{
			s.inEpoch(epoch),
			// A range without a key compares like a key that does not exist.
			clientv3.Compare(clientv3.CreateRevision(q.prefix), "=", 0).WithRange(q.end),
		},
		then:      []clientv3.Op{clientv3.OpPut(entryKey, held.encode(a.Value), clientv3.WithLease(l.id))},
		otherwise: look,
	}
	if a.Wait {
		t.otherwise = []clientv3.Op{clientv3.OpTxn(enqueue.when, enqueue.then, enqueue.otherwise)}
	}
	resp, err := s.commit(ctx, t)
	return s.acquired(ctx, q, ss, epoch, name, a, attempt{resp: resp, err: err, since: since, held: held, lease: l})
}

// attempt is a transaction that was to make an entry.
type attempt struct {
	resp  *clientv3.TxnResponse
	err   error
	since int64  // etcd's revision before it, or an earlier one
	held  record // what it put, if the lock was free
	lease lease  // on this lease, if any
}

// acquired makes out what an attempt has led to, and goes on from there.
func (s *Store) acquired(ctx context.Context, q queue, ss *session, epoch int64, name string, a store.Acquire, at attempt) (store.Acquired, error) {
	e := store.Entry{Name: name, Value: a.Value, HasValue: a.HasValue}
	switch {
	case leaseNotFound(at.err):
		// The session's lease has gone, or that from the pool: ask which.
		if at.lease.id != 0 {
			s.leases.discard(at.lease.id)
		}
		if left, err := s.leases.renew(ctx, ss.lease); err == nil && left == 0 {
			ss.ended.Store(true)
		}
		return store.Acquired{}, errAgain
	case errors.Is(at.err, store.ErrUnknown):
		// Whatever it may still put on the lease goes with it.
		if at.lease.id != 0 {
			s.leases.discard(at.lease.id)
		}
		e.Ref = &ref{since: at.since}
		return store.Acquired{Entry: e}, at.err
	case at.err != nil:
		if at.lease.id != 0 {
			s.leases.put(at.lease.id, at.lease.ttl)
		}
		return store.Acquired{}, at.err
	}

	rev := at.resp.Header.Revision
	e.Index = uint64(rev)
	responses, succeeded := at.resp.Responses, at.resp.Succeeded
	if at.lease.id != 0 {
		if succeeded {
			e = changed(e, at.held, rev, at.lease.id)
			return s.started(ctx, q, store.Acquired{Entry: e})
		}
		s.leases.put(at.lease.id, at.lease.ttl)
		if a.Wait {
			inner := responses[0].GetResponseTxn()
			responses, succeeded = inner.Responses, inner.Succeeded
		}
	}
	if succeeded {
		if epoch == 0 {
			ss.advance(rev)
		}
		waiting := record{State: stateWaiting}.waitedBy(s.id)
		return store.Acquired{Entry: changed(e, waiting, rev, ss.lease)}, nil
	}

	self, there := responses[0].GetResponseRange(), responses[1].GetResponseRange()
	if s.observe(ss, epoch, self) {
		return store.Acquired{}, errAgain
	}
	if len(there.Kvs) == 0 {
		if a.Wait {
			return store.Acquired{}, errAgain // it has gone since
		}
		return store.Acquired{}, store.ErrTaken
	}
	return s.join(ctx, q, ss, epoch, q.decode(there.Kvs[0]), a)
}

// started makes sure of a new hold's TTL: it starts now, after the commit and
// before anybody is told (I6).
func (s *Store) started(ctx context.Context, q queue, got store.Acquired) (store.Acquired, error) {
	left, err := s.leases.renew(ctx, refOf(got.Entry).lease)
	switch {
	case err != nil:
		return got, fmt.Errorf("%w: it is held, but %v", store.ErrUnknown, err)
	case left == 0:
		return store.Acquired{}, errAgain // expired before it began, entry and all
	}
	got.Entry.Left = time.Duration(left) * time.Second
	return got, nil
}

// join makes this gateway a party to e, the entry with the request's value (I7).
func (s *Store) join(ctx context.Context, q queue, ss *session, epoch int64, e store.Entry, a store.Acquire) (store.Acquired, error) {
	r := refOf(e)
	switch {
	case e.Held && contains(r.rec.Claims, s.id):
		renewed, err := s.setTTL(ctx, q, e, seconds(a.TTL))
		switch {
		case errors.Is(err, store.ErrNotFound):
			return store.Acquired{}, errAgain
		case err != nil:
			return store.Acquired{}, err // the hold was somebody's before: nothing is owed
		}
		return store.Acquired{Entry: renewed, Renewed: true}, nil
	case e.Held:
		return s.joinHeld(ctx, q, epoch, e, seconds(a.TTL))
	case !a.Wait:
		return store.Acquired{}, store.ErrTaken
	case epoch == 0:
		// Without its session's key this gateway would count as dead.
		if err := s.newEpoch(ctx, ss); err != nil {
			return store.Acquired{}, nothingWritten(err)
		}
		return store.Acquired{}, errAgain
	case contains(r.rec.Waiting, s.id):
		s.noteShared(q.entry(e.Name), r)
		return store.Acquired{Entry: e}, nil
	}
	return s.joinWaiting(ctx, q, epoch, e)
}

// joinHeld adds this gateway to those that may tell a client of the hold.
func (s *Store) joinHeld(ctx context.Context, q queue, epoch int64, e store.Entry, ttl int64) (store.Acquired, error) {
	r := refOf(e)
	l, fresh := lease{id: r.lease, ttl: ttl}, ttl != r.rec.TTL
	if fresh {
		var err error
		if l, err = s.leases.take(ctx, ttl); err != nil {
			return store.Acquired{}, err
		}
	}
	rec := r.rec.heldBy(s.id, ttl)
	e, err := s.swap(ctx, q, e, rec, l.id, s.inEpoch(epoch))
	s.settleLeases(err, r, l, fresh)
	switch {
	case errors.Is(err, store.ErrUnknown):
		return store.Acquired{Entry: store.Entry{Name: e.Name}}, err
	case err != nil:
		return store.Acquired{}, err
	}
	return s.started(ctx, q, store.Acquired{Entry: e})
}

// joinWaiting adds this gateway to those that wait for e, which from then on
// hangs on a lease that all of them keep alive: so it outlives each of them.
func (s *Store) joinWaiting(ctx context.Context, q queue, epoch int64, e store.Entry) (store.Acquired, error) {
	r := refOf(e)
	id := r.lease
	if !r.rec.Shared {
		grant, err := write(ctx, func(ctx context.Context) (*clientv3.LeaseGrantResponse, error) {
			return s.client.Grant(ctx, sessionTTL)
		})
		if err != nil {
			return store.Acquired{}, nothingWritten(err)
		}
		id = grant.ID
	}
	rec := r.rec.waitedBy(s.id)
	rec.Shared = true
	s.shared.keep(q.entry(e.Name), id)
	joined, err := s.swap(ctx, q, e, rec, id, s.inEpoch(epoch))
	if err != nil {
		s.shared.forget(q.entry(e.Name), id)
		if !r.rec.Shared && !errors.Is(err, store.ErrUnknown) {
			s.leases.discard(id)
		}
		if errors.Is(err, store.ErrUnknown) {
			return store.Acquired{Entry: store.Entry{Name: e.Name}}, err
		}
		return store.Acquired{}, err
	}
	return store.Acquired{Entry: joined}, nil
}
