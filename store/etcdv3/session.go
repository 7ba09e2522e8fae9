package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// A gateway's waiting entries hang on the lease of its session, so that they die
// with it (I4). The session has a key, which does two more things: other
// gateways see by it whether this one is alive, and its mod revision, the
// session's epoch, fences off writes whose outcome is unknown (I10). Every write
// that makes or joins an entry is conditional on the epoch; once the epoch has
// been changed, a write that was sent before can't take effect any more.
//
// The key is written together with the first entry that waits; until then, or
// until something has to be fenced off, the epoch is 0: there is no key.

type session struct {
	lease clientv3.LeaseID
	epoch atomic.Int64
	ended atomic.Bool // etcd says that the lease is gone
}

// sessionTTL is how long a gateway's entries outlive it, in seconds.
const sessionTTL = 10

const keepalivePeriod = sessionTTL * time.Second / 4

// open returns the session, after making one where there is none or the last
// one has expired.
func (s *Store) open(ctx context.Context) (*session, error) {
	if ss := s.session.Load(); ss != nil && !ss.ended.Load() {
		return ss, nil
	}
	select {
	case s.opening <- struct{}{}:
		defer func() { <-s.opening }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: opening a session: %w", store.ErrUnavailable, ctx.Err())
	}
	if ss := s.session.Load(); ss != nil && !ss.ended.Load() {
		return ss, nil
	}

	grant, err := write(ctx, func(ctx context.Context) (*clientv3.LeaseGrantResponse, error) {
		return s.client.Grant(ctx, sessionTTL)
	})
	if err != nil {
		return nil, nothingWritten(fmt.Errorf("opening a session: %w", err))
	}
	ss := &session{lease: grant.ID}
	s.session.Store(ss)
	s.logger.Debug("session opened", zap.Int64("lease", int64(ss.lease)))
	return ss, nil
}

// sessionKey is the write of the session's key; it begins a new epoch.
func (s *Store) sessionKey(ss *session) clientv3.Op {
	return clientv3.OpPut(s.self, time.Now().UTC().Format(time.RFC3339), clientv3.WithLease(ss.lease))
}

// inEpoch is the condition of every write that makes or joins an entry.
func (s *Store) inEpoch(epoch int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(s.self), "=", epoch)
}

// newEpoch ends the session's epoch and begins another; or it finds that the
// session has ended, if its lease has expired.
func (s *Store) newEpoch(ctx context.Context, ss *session) error {
	resp, err := s.commit(ctx, txn{then: []clientv3.Op{s.sessionKey(ss)}})
	switch {
	case leaseNotFound(err):
		ss.ended.Store(true)
		return nil
	case err != nil:
		return err
	}
	ss.advance(resp.Header.Revision)
	return nil
}

// advance notes a newer epoch.
func (ss *session) advance(epoch int64) {
	for {
		old := ss.epoch.Load()
		if epoch <= old || ss.epoch.CompareAndSwap(old, epoch) {
			return
		}
	}
}

// notice learns from the session's key, as a failed transaction found it, what
// has become of the session. epoch is the one that the transaction was
// conditional on; stale says that it was no longer in force, so that the
// transaction should be tried again.
func (s *Store) notice(ss *session, epoch int64, key *pb.RangeResponse) (stale bool) {
	if len(key.Kvs) == 0 {
		if epoch == 0 {
			return false
		}
		ss.ended.Store(true)
		return true
	}
	kv := key.Kvs[0]
	if clientv3.LeaseID(kv.Lease) != ss.lease {
		ss.ended.Store(true)
		return true
	}
	ss.advance(kv.ModRevision)
	return kv.ModRevision != epoch
}

// keepAlive renews the session's lease, and those of the shared entries that
// this gateway waits for, until ctx ends. It does not give up while etcd is
// away: whether the session has expired is etcd's to say, and entries that
// survived keep their places (I5).
func (s *Store) keepAlive(ctx context.Context) {
	for wait := keepalivePeriod; pause(ctx, wait); {
		wait = keepalivePeriod
		attempt, cancel := context.WithTimeout(ctx, keepalivePeriod)
		if ss := s.session.Load(); ss != nil && !ss.ended.Load() {
			switch ttl, err := s.keepalives.renew(attempt, ss.lease); {
			case err != nil:
				wait = retryPause * 5
			case ttl == 0:
				// A new leader may not know the lease yet. A write is sure.
				if err := s.newEpoch(attempt, ss); err != nil {
					wait = retryPause * 5
				} else if ss.ended.Load() {
					s.logger.Warn("session expired: its waiting requests queue again")
				}
			}
		}
		entries := s.shared.all()
		if len(entries) > 0 {
			s.showAlive(attempt)
		}
		for _, sh := range entries {
			ttl, err := s.keepalives.renew(attempt, sh.lease)
			if err == nil && ttl == 0 && !s.hangs(attempt, sh) {
				s.shared.gone(sh.key, sh.lease)
			}
		}
		cancel()
	}
}

// hangs says whether a shared entry may be there, on its lease, though whoever leads etcd
// does not know the lease.
func (s *Store) hangs(ctx context.Context, sh sharedEntry) bool {
	resp, err := s.get(ctx, sh.key) // with the keys only, newer versions tell no lease
	return err != nil || len(resp.Kvs) > 0 && clientv3.LeaseID(resp.Kvs[0].Lease) == sh.lease
}

// showAlive makes sure that the session has its key where other gateways look for
// it: before one of them takes away an entry that this gateway waits for too.
func (s *Store) showAlive(ctx context.Context) {
	ss, err := s.open(ctx)
	if err == nil && ss.epoch.Load() == 0 {
		err = s.newEpoch(ctx, ss)
	}
	if err != nil {
		s.logger.Debug("opening a session", zap.Error(err))
	}
}

// nothingWritten turns the failure of a write that by itself means nothing into
// the failure of what it was for.
func nothingWritten(err error) error {
	if errors.Is(err, store.ErrUnknown) {
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	}
	return err
}
