package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// clientGone has reverse_proxy see an error for what it is: the client's, not
// etcd's. Otherwise it would leave the member alone for some seconds, and all of
// them after a few such clients. What a handler wants answered is left as it is.
func clientGone(err error) error {
	if handled := (caddyhttp.HandlerError{}); errors.As(err, &handled) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", context.Canceled, err)
}

// clientBody is a request's body that knows whether the client has broken it off.
type clientBody struct {
	io.ReadCloser
	closed, broken atomic.Bool
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !b.closed.Load() {
		b.broken.Store(true)
	}
	return n, err
}

// Close is called, too, when it is the connection to etcd that has broken.
func (b *clientBody) Close() error {
	b.closed.Store(true)
	return b.ReadCloser.Close()
}
