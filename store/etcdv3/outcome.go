package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// A failed write is one of two things, and what the client is told depends on
// which: it never left this process (503, nothing was written), or it may take
// effect (504, and it has to be cleaned up after, I10). gRPC's status codes do
// not tell them apart; whether the request was handed to a connection does.

// DialOptions are what a clientv3.Config must carry for a Store. Beside the
// above, a lost etcd is dialled again every second, where gRPC's own rule would
// make waiting requests wait up to two minutes for one that is back (I5); and a
// connection on which nothing comes back is found out within thirteen.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithStatsHandler(sentHandler{}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:    10 * time.Second, // gRPC takes less for that
			Timeout: 3 * time.Second,
		}),
	}
}

type sentKey struct{}

// sentHandler notes in a request's context that it was handed to a connection.
type sentHandler struct{}

func (sentHandler) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (sentHandler) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s.(type) {
	case *stats.OutHeader, *stats.OutPayload:
		if sent, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok {
			sent.Store(true)
		}
	}
}

func (sentHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (sentHandler) HandleConn(context.Context, stats.ConnStats)                       {}

const (
	callTimeout = 4 * time.Second        // of a Store's method, all its requests together
	retryPause  = 100 * time.Millisecond // before a request that was never sent is tried again
)

// write sends a request that may change something. A request that never left is
// sent again until ctx ends.
func write[T any](ctx context.Context, request func(context.Context) (T, error)) (T, error) {
	for {
		sent := new(atomic.Bool)
		resp, err := request(context.WithValue(ctx, sentKey{}, sent))
		switch {
		case err == nil:
			return resp, nil
		case refused(err):
			return resp, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		case sent.Load():
			return resp, fmt.Errorf("%w: %w", store.ErrUnknown, err)
		}
		if !pause(ctx, retryPause) {
			return resp, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
}

// read sends a request that changes nothing: its failure is always
// ErrUnavailable. It is tried again until ctx ends.
func read[T any](ctx context.Context, request func(context.Context) (T, error)) (T, error) {
	for {
		resp, err := request(ctx)
		if err == nil {
			return resp, nil
		}
		if refused(err) || !pause(ctx, retryPause) {
			return resp, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
}

// refused says that etcd looked at the request and did not do it.
func refused(err error) bool {
	var e rpctypes.EtcdError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal:
		return false
	}
	return true
}

func leaseNotFound(err error) bool { return errors.Is(err, rpctypes.ErrLeaseNotFound) }

// pause waits for d, or less if ctx ends; it says whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// txn is one transaction.
type txn struct {
	when            []clientv3.Cmp
	then, otherwise []clientv3.Op
}

func (s *Store) commit(ctx context.Context, t txn) (*clientv3.TxnResponse, error) {
	resp, err := write(ctx, func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return s.client.Txn(ctx).If(t.when...).Then(t.then...).Else(t.otherwise...).Commit()
	})
	if err == nil {
		s.seen(resp.Header)
	}
	return resp, err
}

func (s *Store) get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	resp, err := read(ctx, func(ctx context.Context) (*clientv3.GetResponse, error) {
		return s.client.Get(ctx, key, opts...)
	})
	if err == nil {
		s.seen(resp.Header)
	}
	return resp, err
}
