package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Release implements store.Store. Of a holder it is one commit, and the next one's grant
// is in it where the caller knows who that is.
func (s *Store) Release(ctx context.Context, key store.Key, t store.Target, next *store.Successor) (*store.Entry, error) {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	q := s.queue(key)
	if next != nil && t.Hint != nil && t.Hint.Held {
		granted, err := s.handOver(ctx, q, *t.Hint, *next)
		if err == nil {
			return granted, nil
		}
		if !errors.Is(err, errAgain) {
			return nil, s.resolve(ctx, q, t, err)
		}
	}
	return nil, s.resolve(ctx, q, t, s.release(ctx, q, t))
}

// handOver deletes the holder and makes next the holder, at once. errAgain: one
// of them is not as the caller knows it.
//
// Nobody can stand between the two: the caller's mirror had reached the revision
// at which next was made, so it knew of every entry made before.
func (s *Store) handOver(ctx context.Context, q queue, holder store.Entry, next store.Successor) (*store.Entry, error) {
	e, ttl := next.Entry, seconds(next.TTL)
	from, to := refOf(holder), refOf(e)
	l, err := s.leases.take(ctx, ttl)
	if err != nil {
		return nil, err
	}
	rec := to.rec.heldBy(s.id, ttl)
	resp, err := s.commit(ctx, txn{
		when: []clientv3.Cmp{s.unchanged(q, holder), s.unchanged(q, e)},
		then: append(s.hold(q.entry(e.Name), rec.encode(e.Value), l), clientv3.OpDelete(q.entry(holder.Name))),
	})
	switch {
	case leaseNotFound(err):
		err = fmt.Errorf("%w: %w", errAgain, err)
	case err == nil && !resp.Succeeded:
		err = errAgain
	}
	s.settleLeases(err, to, l, true)
	if err != nil {
		return nil, err
	}
	s.leases.mark(l)
	s.freeLease(from)
	if to.rec.Shared {
		s.shared.leave(q.entry(e.Name))
		s.leases.discard(to.lease)
	}
	granted := changed(e, rec, resp.Header.Revision, l.id)
	refOf(granted).granted = true
	return &granted, nil
}

// release deletes the entry that t means.
func (s *Store) release(ctx context.Context, q queue, t store.Target) error {
	for {
		var err error
		if name, ok := targetName(t); ok {
			err = s.releaseNamed(ctx, q, name, t.Index)
		} else {
			err = s.releaseAlone(ctx, q, t.Index)
		}
		switch {
		case !errors.Is(err, errAgain):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
		}
	}
}

// releaseAlone deletes the entry of which only the index is known. Most often it holds the lock
// and is alone: then its key is the only one in the queue, whatever its name.
func (s *Store) releaseAlone(ctx context.Context, q queue, index uint64) error {
	resp, err := s.commit(ctx, txn{
		when: []clientv3.Cmp{
			clientv3.Compare(clientv3.CreateRevision(q.prefix), "=", int64(index)).WithRange(q.end),
			clientv3.Compare(clientv3.Value(q.prefix), "<", waitingText).WithRange(q.end),
		},
		then: []clientv3.Op{clientv3.OpDelete(q.prefix, clientv3.WithRange(q.end), clientv3.WithPrevKV())},
		otherwise: []clientv3.Op{clientv3.OpGet(q.prefix, clientv3.WithRange(q.end), clientv3.WithLimit(1),
			clientv3.WithMinCreateRev(int64(index)), clientv3.WithMaxCreateRev(int64(index)))},
	})
	if err != nil {
		return err
	}
	if resp.Succeeded {
		return s.released(q, resp)
	}
	found := resp.Responses[0].GetResponseRange().Kvs
	if len(found) == 0 {
		return store.ErrNotFound
	}
	e := q.decode(found[0])
	if !e.Held {
		return s.cancel(ctx, q, e)
	}
	return s.releaseNamed(ctx, q, e.Name, index)
}

// releaseNamed deletes the entry with that name; if index is not 0, only if it
// has that index too, so that a newer entry of the same value stays. errAgain: it
// has changed.
func (s *Store) releaseNamed(ctx context.Context, q queue, name string, index uint64) error {
	key := q.entry(name)
	that := clientv3.Compare(clientv3.CreateRevision(key), "=", int64(index))
	if index == 0 {
		that = clientv3.Compare(clientv3.CreateRevision(key), "!=", 0)
	}
	resp, err := s.commit(ctx, txn{
		when:      []clientv3.Cmp{that, clientv3.Compare(clientv3.Value(key), "<", waitingText)},
		then:      []clientv3.Op{clientv3.OpDelete(key, clientv3.WithPrevKV())},
		otherwise: []clientv3.Op{clientv3.OpGet(key)},
	})
	if err != nil {
		return err
	}
	if resp.Succeeded {
		return s.released(q, resp)
	}
	found := resp.Responses[0].GetResponseRange().Kvs
	if len(found) == 0 || index != 0 && found[0].CreateRevision != int64(index) {
		return store.ErrNotFound
	}
	return s.cancel(ctx, q, q.decode(found[0]))
}

// released takes over the lease of what a transaction has deleted.
func (s *Store) released(q queue, resp *clientv3.TxnResponse) error {
	for _, kv := range deleted(resp) {
		e := q.decode(kv)
		s.names.give(q, e.Name)
		s.freeLease(refOf(e))
	}
	return nil
}

func deleted(resp *clientv3.TxnResponse) []*mvccpb.KeyValue {
	return (*pb.TxnResponse)(resp).Responses[0].GetResponseDeleteRange().PrevKvs
}

// resolve looks what has become of a release whose answer was lost. That the
// entry is gone is what was asked for; that a newer one with the value is there
// is too, if the index was given.
func (s *Store) resolve(ctx context.Context, q queue, t store.Target, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrUnknown) {
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if _, lookErr := s.find(look, q, t); errors.Is(lookErr, store.ErrNotFound) {
			return nil
		}
	}
	return fmt.Errorf("releasing: %w", err)
}
