package etcdv3

import (
	"context"
	"fmt"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// keepalives renews leases at once, many over one stream. (The client's
// KeepAlive renews from time to time; its KeepAliveOnce opens a stream a call.)
// A renewal costs etcd no commit.
type keepalives struct {
	client pb.LeaseClient
	ctx    context.Context // of the stream

	mu     sync.Mutex
	stream *keepaliveStream // nil until needed, and after a failure
}

type keepaliveStream struct {
	pb.Lease_LeaseKeepAliveClient
	cancel context.CancelFunc

	// etcd answers a stream's requests in their order.
	mu      sync.Mutex
	pending []chan<- keepaliveResult
	err     error
}

type keepaliveResult struct {
	ttl int64 // seconds; 0 or less: there is no such lease
	err error
}

func newKeepalives(ctx context.Context, client *clientv3.Client) *keepalives {
	return &keepalives{
		client: clientv3.RetryLeaseClient(client),
		ctx:    clientv3.WithRequireLeader(ctx),
	}
}

// renew restarts the lease's time to live and returns it, in seconds; 0 if etcd
// has no such lease. The time starts between the call and the return. It fails
// with ErrUnavailable only: a renewal that took effect unseen does no harm.
func (k *keepalives) renew(ctx context.Context, id clientv3.LeaseID) (ttl int64, err error) {
	result := make(chan keepaliveResult, 1)
	stream, err := k.send(&pb.LeaseKeepAliveRequest{ID: int64(id)}, result)
	if err != nil {
		return 0, fmt.Errorf("%w: renewing a lease: %w", store.ErrUnavailable, err)
	}
	select {
	case r := <-result:
		if r.err != nil {
			return 0, fmt.Errorf("%w: renewing a lease: %w", store.ErrUnavailable, r.err)
		}
		return max(r.ttl, 0), nil
	case <-ctx.Done():
		// The connection may be dead without anybody knowing: the next one to
		// renew starts with a new stream.
		k.drop(stream)
		return 0, fmt.Errorf("%w: renewing a lease: %w", store.ErrUnavailable, ctx.Err())
	}
}

func (k *keepalives) send(r *pb.LeaseKeepAliveRequest, result chan<- keepaliveResult) (*keepaliveStream, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stream == nil {
		ctx, cancel := context.WithCancel(k.ctx)
		client, err := k.client.LeaseKeepAlive(ctx)
		if err != nil {
			cancel()
			return nil, err
		}
		k.stream = &keepaliveStream{Lease_LeaseKeepAliveClient: client, cancel: cancel}
		go k.stream.receive()
	}
	s := k.stream
	err := s.expect(result)
	if err == nil {
		err = s.Send(r)
	}
	if err != nil {
		k.stream = nil
		s.cancel()
		return nil, err
	}
	return s, nil
}

func (k *keepalives) drop(s *keepaliveStream) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stream == s {
		k.stream = nil
	}
	s.cancel()
}

func (s *keepaliveStream) expect(result chan<- keepaliveResult) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.pending = append(s.pending, result)
	}
	return s.err
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
