package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// keepalives renews leases at once, many over few streams. (The client's
// KeepAlive renews from time to time; its KeepAliveOnce opens a stream a call.)
// A renewal costs etcd no commit. But etcd takes a stream's renewals one after the other,
// and for each it may wait until its leader has applied what is committed: with one stream, a
// busy etcd could renew less than it can grant.
type keepalives struct {
	client pb.LeaseClient
	ctx    context.Context // of the streams

	mu      sync.Mutex
	streams []*keepaliveStream // as many as have been needed at once
	opening *opening           // of one more; nil if none is under way
}

// maxStreams is how many there are at most.
const maxStreams = 16

// opening is that of a stream. It takes as long as etcd does to check a password, if there is
// one, and nobody waits for that who has a stream.
type opening struct {
	done chan struct{}
	err  error // once done
}

type keepaliveStream struct {
	pb.Lease_LeaseKeepAliveClient
	cancel context.CancelFunc

	// etcd answers a stream's requests in their order.
	mu      sync.Mutex
	pending []chan<- keepaliveResult
	heard   time.Time // when it was opened, or last answered
	err     error
}

type keepaliveResult struct {
	ttl int64 // seconds; 0 or less: whoever leads etcd knows no such lease
	err error
}

func newKeepalives(ctx context.Context, client *clientv3.Client) *keepalives {
	return &keepalives{
		client: clientv3.RetryLeaseClient(client),
		ctx:    clientv3.WithRequireLeader(ctx),
	}
}

// renew restarts the lease's time to live and returns it, in seconds; 0 if whoever
// leads etcd knows no such lease, which is no proof that it has gone: a new leader may
// not know it yet. The time starts between the call and the return. It fails
// with ErrUnavailable only: a renewal that took effect unseen does no harm.
func (k *keepalives) renew(ctx context.Context, id clientv3.LeaseID) (ttl int64, err error) {
	result := make(chan keepaliveResult, 1)
	if err := k.send(ctx, &pb.LeaseKeepAliveRequest{ID: int64(id)}, result); err != nil {
		return 0, fmt.Errorf("%w: renewing a lease: %w", store.ErrUnavailable, err)
	}
	sent := time.Now()
	select {
	case r := <-result:
		if r.err != nil {
			return 0, fmt.Errorf("%w: renewing a lease: %w", store.ErrUnavailable, r.err)
		}
		return max(r.ttl, 0), nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			k.doubt(sent)
		}
		return 0, fmt.Errorf("%w: renewing a lease: %w", store.ErrUnavailable, ctx.Err())
	}
}

// send sends a request on the stream with the least to do. If all are busy, there is one more
// for the next ones.
func (k *keepalives) send(ctx context.Context, r *pb.LeaseKeepAliveRequest, result chan<- keepaliveResult) error {
	for {
		if err := ctx.Err(); err != nil {
			return err // nothing is known of a stream by that
		}
		k.mu.Lock()
		s, load := k.best()
		if k.opening == nil && (s == nil || load > 0 && len(k.streams) < maxStreams) {
			k.opening = &opening{done: make(chan struct{})}
			go k.open(k.opening)
		}
		opening := k.opening
		if s != nil {
			err := s.send(r, result)
			if err != nil {
				k.remove(s)
			}
			k.mu.Unlock()
			return err
		}
		k.mu.Unlock()
		select {
		case <-opening.done:
			if opening.err != nil {
				return opening.err
			}
		case <-ctx.Done():
		}
	}
}

// best is the stream with the least to do, and how much that is. Those that have failed go.
func (k *keepalives) best() (best *keepaliveStream, least int) {
	k.streams = slices.DeleteFunc(k.streams, func(s *keepaliveStream) bool {
		load, ok := s.load()
		if ok && (best == nil || load < least) {
			best, least = s, load
		}
		return !ok
	})
	return best, least
}

// open opens one more stream, or gives up: a member that hangs may be asked for it, and the
// next one not.
func (k *keepalives) open(o *opening) {
	ctx, cancel := context.WithCancel(k.ctx)
	limit := time.AfterFunc(keepalivePeriod, cancel)
	client, err := k.client.LeaseKeepAlive(ctx)
	if !limit.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if o.err = err; err != nil {
		cancel()
	} else {
		s := &keepaliveStream{Lease_LeaseKeepAliveClient: client, cancel: cancel, heard: time.Now()}
		k.streams = append(k.streams, s)
		go s.receive()
	}
	k.opening = nil
	close(o.done)
}

// deaf is after how long a stream that has answered nothing is taken for a dead one.
const deaf = time.Second

// doubt is that a renewal that was sent then has not been answered. Streams of which nothing
// has been heard since may be on a connection that is dead without anybody knowing: the
// next ones to renew do without them. One that is only slow stays, with all who wait on it.
func (k *keepalives) doubt(sent time.Time) {
	if time.Since(sent) < deaf {
		return // there was hardly any time left
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range slices.Clone(k.streams) {
		if s.silentSince(sent) {
			k.remove(s)
		}
	}
}

func (k *keepalives) remove(s *keepaliveStream) {
	k.streams = slices.DeleteFunc(k.streams, func(other *keepaliveStream) bool { return other == s })
	s.cancel()
}

func (s *keepaliveStream) send(r *pb.LeaseKeepAliveRequest, result chan<- keepaliveResult) error {
	if err := s.expect(result); err != nil {
		return err
	}
	return s.Send(r)
}

func (s *keepaliveStream) expect(result chan<- keepaliveResult) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.pending = append(s.pending, result)
	}
	return s.err
}

// load is how many of its requests have not been answered; not ok if it has failed.
func (s *keepaliveStream) load() (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending), s.err == nil
}

// silentSince says whether it has answered nothing since a moment.
func (s *keepaliveStream) silentSince(moment time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.heard.After(moment)
}

// receive hands out answers until the stream fails or is cancelled.
func (s *keepaliveStream) receive() {
	defer s.cancel()
	for {
		resp, err := s.Recv()
		s.mu.Lock()
		if err != nil {
			s.err = err
			for _, result := range s.pending {
				result <- keepaliveResult{err: err}
			}
			s.pending = nil
			s.mu.Unlock()
			return
		}
		s.heard = time.Now()
		var result chan<- keepaliveResult
		if len(s.pending) > 0 {
			result, s.pending = s.pending[0], s.pending[1:]
		}
		s.mu.Unlock()
		if result != nil {
			result <- keepaliveResult{ttl: resp.TTL}
		}
	}
}
