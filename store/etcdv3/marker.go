package etcdv3

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A key that is gone looks the same in a watch, whether its lease ran out or
// somebody deleted it. So a lease that carries a hold carries another key too, its
// marker: when the lease runs out, etcd deletes both at one revision; when somebody
// deletes the entry, the marker is still there at that revision. That can be asked
// for as long as etcd has the revision.
//
// The marker is put by the transaction that puts a hold on the lease, and stays
// with it in the pool, so that a hold on a used lease costs nothing more. A gateway
// which does not know that a lease has one puts it again: that changes nothing.

// hold puts an entry that is held, and the lease's marker unless it is there.
func (s *Store) hold(entryKey, record string, l lease) []clientv3.Op {
	ops := []clientv3.Op{clientv3.OpPut(entryKey, record, clientv3.WithLease(l.id))}
	if !l.marked {
		ops = append(ops, clientv3.OpPut(s.markerKey(l.id), "", clientv3.WithLease(l.id)))
	}
	return ops
}

// ranOut says whether a lease ran out at the revision at which a hold on it was
// deleted. If etcd has forgotten that revision, or the lease never had a marker,
// which gateways did not put in former times, the hold counts as released.
func (s *Store) ranOut(ctx context.Context, id clientv3.LeaseID, revision int64) (bool, error) {
	if id == 0 {
		return false, nil // put by hand
	}
	there, err := s.markedAt(ctx, id, revision)
	if there || errors.Is(err, rpctypes.ErrCompacted) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	was, err := s.markedAt(ctx, id, revision-1)
	if errors.Is(err, rpctypes.ErrCompacted) {
		return true, nil // never having had one is less likely
	}
	return was, err
}

// markedAt is read linearizably: another member than the one that told of the
// revision may not have come to it.
func (s *Store) markedAt(ctx context.Context, id clientv3.LeaseID, revision int64) (bool, error) {
	resp, err := s.get(ctx, s.markerKey(id), clientv3.WithRev(revision), clientv3.WithKeysOnly())
	return err == nil && len(resp.Kvs) > 0, err
}
