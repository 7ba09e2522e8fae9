package etcdv2

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// A failed write is one of two things, and what the client is told depends on
// which: it never left this process, or etcd refused it (503, nothing was
// written); or it may take effect (504, and it has to be cleaned up after, I10).

const (
	callTimeout = 4 * time.Second        // of a Store's method, all its requests together
	retryPause  = 100 * time.Millisecond // before a request that was never sent is tried again
)

// errAgain: the state in etcd was not what a write was conditional on; look at
// it anew and decide again.
var errAgain = errors.New("changed meanwhile")

// request is one request to etcd.
type request func(context.Context, client.KeysAPI) (*client.Response, error)

// once sends a request, one time, and notes the index that etcd tells. sent says that
// it may have reached a member; refused, that it certainly was not done, for
// another reason than what is there.
func (s *Store) once(ctx context.Context, do request) (resp *client.Response, sent, refused bool, err error) {
	c := s.callers.take(ctx)
	defer c.put()
	resp, err = do(ctx, c.keys)
	switch {
	case err == nil:
		s.seen(resp.Index)
	case conditional(err):
		s.seen(indexIn(err))
	default:
		refused = code(err) != 0 || c.foreign.Load()
	}
	return resp, c.sent.Load(), refused, err
}

// write sends a request that may change something. A request that never left is
// sent again until ctx ends. What etcd answers to a condition that does not hold
// is returned as it is: see code.
func (s *Store) write(ctx context.Context, do request) (*client.Response, error) {
	for {
		resp, sent, refused, err := s.once(ctx, do)
		switch {
		case err == nil:
			return resp, nil
		case conditional(err):
			return nil, err
		case sent && !refused:
			return nil, fmt.Errorf("%w: %w", store.ErrUnknown, err)
		case refused || !pause(ctx, retryPause):
			return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
}

// read sends a request that changes nothing: its failure, but for what etcd
// answers to a condition, is always ErrUnavailable. It is tried again until ctx
// ends.
func (s *Store) read(ctx context.Context, do request) (*client.Response, error) {
	for {
		resp, _, refused, err := s.once(ctx, do)
		switch {
		case err == nil:
			return resp, nil
		case conditional(err):
			return nil, err
		case refused || !pause(ctx, retryPause):
			return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
}

// code is etcd's error code, or 0.
func code(err error) int {
	var e client.Error
	errors.As(err, &e)
	return e.Code
}

// conditional says that etcd refused a request because of what is there, or not.
func conditional(err error) bool {
	switch code(err) {
	case client.ErrorCodeKeyNotFound, client.ErrorCodeTestFailed, client.ErrorCodeNodeExist,
		client.ErrorCodeDirNotEmpty, client.ErrorCodeEventIndexCleared:
		return true
	}
	return false
}

func isNotFound(err error) bool { return code(err) == client.ErrorCodeKeyNotFound }

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

// nothingWritten turns the failure of a write that by itself means nothing into
// the failure of what it was for.
func nothingWritten(err error) error {
	if errors.Is(err, store.ErrUnknown) {
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	}
	return err
}
