package etcdv3

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// A gateway may find that an entry which it waited for is gone, and not know what happened:
// it was cut off, and etcd has forgotten its history. Somebody may have cancelled the entry; or
// it was granted the lock, of which nobody was told, and its TTL ran out. So the transaction
// that deletes an entry which waits, because somebody asked for that, leaves a mark, by the
// entry's index. Without a mark, nobody has cancelled it. (I5)
//
// Marks go by themselves, with a lease, when a gateway that was cut off since would have lost
// its session.

// cancelledTTL is how long a mark stays, in seconds. It may be half of that.
const cancelledTTL = 3 * sessionTTL

// marks is the lease that this gateway's marks hang on, which the next one takes over.
type marks struct {
	mu    sync.Mutex
	lease lease
}

// markLease is one on which a mark stays for long enough.
func (s *Store) markLease(ctx context.Context) (lease, error) {
	s.marks.mu.Lock()
	l := s.marks.lease
	s.marks.mu.Unlock()
	if s.leases.usable(l, time.Now()) {
		return l, nil
	}
	l, err := s.leases.take(ctx, cancelledTTL)
	if err != nil {
		return lease{}, err
	}
	s.marks.mu.Lock()
	defer s.marks.mu.Unlock()
	s.marks.lease = l
	return l, nil
}

// cancel deletes e, which waits, and leaves a mark. errAgain: e is not as it is known.
func (s *Store) cancel(ctx context.Context, q queue, e store.Entry) error {
	l, err := s.markLease(ctx)
	if err == nil {
		err = s.deleteKnown(ctx, q, e, clientv3.OpPut(s.cancelledKey(e.Index), q.entry(e.Name), clientv3.WithLease(l.id)))
	}
	switch {
	case leaseNotFound(err):
		s.marks.drop(l)
		return errAgain
	case errors.Is(err, rpctypes.ErrNoSpace):
		// That is the time to delete something. At worst the request queues again.
		return s.deleteKnown(ctx, q, e)
	}
	return err
}

// deleteKnown deletes e, and does something with it. errAgain: e is not as it is known.
func (s *Store) deleteKnown(ctx context.Context, q queue, e store.Entry, with ...clientv3.Op) error {
	resp, err := s.commit(ctx, txn{
		when: []clientv3.Cmp{s.unchanged(q, e)},
		then: append([]clientv3.Op{clientv3.OpDelete(q.entry(e.Name), clientv3.WithPrevKV())}, with...),
	})
	switch {
	case err != nil:
		return err
	case !resp.Succeeded:
		return errAgain
	}
	return s.released(q, resp)
}

// drop is that a lease is not there any more.
func (m *marks) drop(l lease) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lease.id == l.id {
		m.lease = lease{}
	}
}

// cancelled says whether somebody has cancelled the entry with that index, lately.
func (s *Store) cancelled(ctx context.Context, index uint64) (bool, error) {
	resp, err := s.get(ctx, s.cancelledKey(index), clientv3.WithKeysOnly())
	return err == nil && len(resp.Kvs) > 0, err
}
