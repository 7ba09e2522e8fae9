package etcdv3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// errAgain: the state in etcd was not what a write was conditional on; look at
// it anew and decide again.
var errAgain = errors.New("changed meanwhile")

// Acquire implements store.Store. Uncontended it is one transaction: if the
// queue is empty, put. Where it is not, the same transaction makes a waiting
// entry.
func (s *Store) Acquire(ctx context.Context, key store.Key, a store.Acquire) (got store.Acquired, err error) {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return store.Acquired{}, err
	}
	defer cancel()

	q := s.queue(key)
	if a.HasValue && a.Wait {
		// Before it is there: another gateway may join it at once.
		entryKey := q.entry(valuedName(a.Value))
		s.shared.wait(entryKey)
		defer func() {
			if err != nil || got.Entry.Held {
				s.shared.leave(entryKey)
			}
		}()
	}
	for {
		got, err = s.acquire(ctx, q, a)
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
func (s *Store) acquire(ctx context.Context, q queue, a store.Acquire) (store.Acquired, error) {
	ss, err := s.open(ctx)
	if err != nil {
		return store.Acquired{}, err
	}
	at := attempt{a: a, ss: ss, epoch: ss.epoch.Load(), made: rand.Text()}
	if a.HasValue {
		at.holdName = valuedName(a.Value)
		at.waitName = at.holdName
	} else {
		at.holdName, at.waitName = anonymousHold, s.names.take(q)
	}
	if a.Contended && a.Wait {
		resp, err := s.commit(ctx, s.enqueue(q, at))
		return s.acquired(ctx, q, at, resp, err)
	}
	if a.Contended {
		// Most likely it is taken, which costs no commit to see.
		got, err := s.peek(ctx, q, at)
		if !errors.Is(err, errFree) {
			s.names.give(q, at.waitName)
			return got, err
		}
	}

	if at.lease, err = s.leases.take(ctx, seconds(a.TTL)); err != nil {
		s.names.give(q, at.waitName)
		return store.Acquired{}, err
	}
	t := txn{
		when: []clientv3.Cmp{
			s.inEpoch(at.epoch),
			// A range without a key compares like a key that does not exist.
			clientv3.Compare(clientv3.CreateRevision(q.prefix), "=", 0).WithRange(q.end),
		},
		then:      s.hold(q.entry(at.holdName), s.heldRecord(at).encode(a.Value), at.lease),
		otherwise: s.look(q, at),
	}
	if a.Wait {
		enqueue := s.enqueue(q, at)
		t.otherwise = []clientv3.Op{clientv3.OpTxn(enqueue.when, enqueue.then, enqueue.otherwise)}
	}
	resp, err := s.commit(ctx, t)
	return s.acquired(ctx, q, at, resp, err)
}

// attempt is one try to make an entry.
type attempt struct {
	a        store.Acquire
	ss       *session
	epoch    int64
	made     string // its name, in the record
	holdName string // the entry's name if the queue is empty
	waitName string // and if not
	lease    lease  // for a hold; none where the attempt is only to queue
}

func (s *Store) heldRecord(at attempt) record {
	return record{Made: at.made}.heldBy(s.id, seconds(at.a.TTL))
}

func (s *Store) waitingRecord(at attempt) record {
	return record{State: stateWaiting, Made: at.made}.waitedBy(s.id)
}

// look is what has to be known when an attempt has not made an entry.
func (s *Store) look(q queue, at attempt) []clientv3.Op {
	return []clientv3.Op{clientv3.OpGet(s.self), clientv3.OpGet(q.entry(at.waitName))}
}

// enqueue makes a waiting entry, if there is none of its name.
func (s *Store) enqueue(q queue, at attempt) txn {
	key := q.entry(at.waitName)
	t := txn{
		when:      []clientv3.Cmp{s.inEpoch(at.epoch), clientv3.Compare(clientv3.CreateRevision(key), "=", 0)},
		then:      []clientv3.Op{clientv3.OpPut(key, s.waitingRecord(at).encode(at.a.Value), clientv3.WithLease(at.ss.lease))},
		otherwise: s.look(q, at),
	}
	if at.epoch == 0 {
		t.then = append(t.then, s.sessionKey(at.ss))
	}
	return t
}

// errFree: the queue is empty.
var errFree = errors.New("the queue is empty")

// peek does what can be done for a request that does not wait without a write.
func (s *Store) peek(ctx context.Context, q queue, at attempt) (store.Acquired, error) {
	look := []clientv3.Op{
		clientv3.OpGet(q.prefix, clientv3.WithRange(q.end), clientv3.WithLimit(1), clientv3.WithKeysOnly()),
		clientv3.OpGet(q.entry(at.waitName)),
	}
	resp, err := read(ctx, func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return s.client.Txn(ctx).Then(look...).Commit()
	})
	if err != nil {
		return store.Acquired{}, err
	}
	some, same := resp.Responses[0].GetResponseRange().Kvs, resp.Responses[1].GetResponseRange().Kvs
	switch {
	case len(some) == 0:
		return store.Acquired{}, errFree
	case len(same) == 0 || !at.a.HasValue:
		return store.Acquired{}, store.ErrTaken
	}
	return s.join(ctx, q, at, q.decode(same[0]))
}

// acquired makes out what an attempt has led to, and goes on from there.
func (s *Store) acquired(ctx context.Context, q queue, at attempt, resp *clientv3.TxnResponse, err error) (store.Acquired, error) {
	e := store.Entry{Name: at.waitName, Value: at.a.Value, HasValue: at.a.HasValue}
	hasLease := at.lease.id != 0
	switch {
	case err == nil:
	case leaseNotFound(err):
		// The session's lease has gone, or that from the pool: ask which.
		s.names.give(q, at.waitName)
		if hasLease {
			s.leases.discard(at.lease.id)
		}
		if left, err := s.leases.renew(ctx, at.ss.lease); err == nil && left == 0 {
			if err := s.newEpoch(ctx, at.ss); err != nil {
				return store.Acquired{}, nothingWritten(err)
			}
		}
		return store.Acquired{}, errAgain
	case errors.Is(err, store.ErrUnknown):
		e.Ref = &ref{made: at.made, otherName: at.holdName, lease: at.lease.id}
		return store.Acquired{Entry: e}, err
	default:
		s.names.give(q, at.waitName)
		if hasLease {
			s.leases.put(at.lease.id, at.lease.ttl)
		}
		return store.Acquired{}, err
	}

	rev := resp.Header.Revision
	e.Index = uint64(rev)
	responses, succeeded := resp.Responses, resp.Succeeded
	if hasLease {
		if succeeded {
			s.leases.mark(at.lease)
			s.names.give(q, at.waitName)
			e.Name = at.holdName
			return s.started(ctx, q, store.Acquired{Entry: changed(e, s.heldRecord(at), rev, at.lease.id)})
		}
		s.leases.put(at.lease.id, at.lease.ttl)
		if at.a.Wait {
			inner := responses[0].GetResponseTxn()
			responses, succeeded = inner.Responses, inner.Succeeded
		}
	}
	if succeeded {
		if at.epoch == 0 {
			at.ss.advance(rev)
		}
		return store.Acquired{Entry: changed(e, s.waitingRecord(at), rev, at.ss.lease)}, nil
	}

	self, there := responses[0].GetResponseRange(), responses[1].GetResponseRange()
	stale := s.notice(at.ss, at.epoch, self)
	if stale || len(there.Kvs) == 0 {
		s.names.give(q, at.waitName)
	}
	switch {
	case stale:
		return store.Acquired{}, errAgain
	case at.a.HasValue && len(there.Kvs) > 0:
		return s.join(ctx, q, at, q.decode(there.Kvs[0]))
	case !at.a.Wait:
		return store.Acquired{}, store.ErrTaken
	}
	return store.Acquired{}, errAgain // it has gone since, or the name is in use
}

// started makes sure of a new hold's TTL: it starts now, after the commit and
// before anybody is told (I6). Where its lease has gone, another gateway may have joined the
// hold, or renewed it for another TTL: as long as it is there, this gateway is a party to it,
// and owes a Withdraw if nobody can be told (I4, I10).
func (s *Store) started(ctx context.Context, q queue, got store.Acquired) (store.Acquired, error) {
	ttl := refOf(got.Entry).rec.TTL
	for {
		e, err := s.startTTL(ctx, q, got.Entry, max(ttl, refOf(got.Entry).rec.TTL))
		if err == nil {
			got.Entry = e
			return got, nil
		}
		if errors.Is(err, store.ErrNotFound) {
			e, err = s.find(ctx, q, store.Target{Index: got.Entry.Index, Hint: &got.Entry})
		}
		switch {
		case errors.Is(err, store.ErrNotFound):
			return store.Acquired{}, errAgain // it was over before it began
		case err != nil:
			return got, fmt.Errorf("%w: it is held, but %v", store.ErrUnknown, err)
		case !slices.Contains(refOf(e).rec.Claims, s.id):
			return store.Acquired{}, errAgain
		}
		got.Entry = e
	}
}

// join makes this gateway a party to e, the entry with the request's value (I7).
func (s *Store) join(ctx context.Context, q queue, at attempt, e store.Entry) (store.Acquired, error) {
	r, a := refOf(e), at.a
	switch {
	case e.Held && slices.Contains(r.rec.Claims, s.id):
		renewed, err := s.setTTL(ctx, q, e, seconds(a.TTL))
		switch {
		case errors.Is(err, store.ErrNotFound):
			return store.Acquired{}, errAgain
		case err != nil:
			return store.Acquired{}, err // the hold was somebody's before: nothing is owed
		}
		return store.Acquired{Entry: renewed, Renewed: true}, nil
	case e.Held:
		return s.joinHeld(ctx, q, at.epoch, e, seconds(a.TTL))
	case !a.Wait:
		return store.Acquired{}, store.ErrTaken
	case at.epoch == 0:
		// Without its session's key this gateway would count as dead.
		if err := s.newEpoch(ctx, at.ss); err != nil {
			return store.Acquired{}, nothingWritten(err)
		}
		return store.Acquired{}, errAgain
	case slices.Contains(r.rec.Waiting, s.id):
		s.noteShared(q.entry(e.Name), r)
		return store.Acquired{Entry: e}, nil
	}
	return s.joinWaiting(ctx, q, at.epoch, e)
}

// joinHeld adds this gateway to those that may tell a client of the hold.
func (s *Store) joinHeld(ctx context.Context, q queue, epoch int64, e store.Entry, ttl int64) (store.Acquired, error) {
	r := refOf(e)
	l, fresh := r.hangsOn(), ttl != r.rec.TTL
	if fresh {
		var err error
		if l, err = s.leases.take(ctx, ttl); err != nil {
			return store.Acquired{}, err
		}
	}
	rec := r.rec.heldBy(s.id, ttl)
	e, err := s.swap(ctx, q, e, rec, l, s.inEpoch(epoch))
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
	s.shared.wait(q.entry(e.Name))
	s.shared.keep(q.entry(e.Name), id)
	joined, err := s.swap(ctx, q, e, rec, lease{id: id}, s.inEpoch(epoch))
	if err != nil {
		s.shared.keep(q.entry(e.Name), 0)
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
