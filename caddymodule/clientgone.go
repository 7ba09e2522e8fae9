package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// clientsFault has reverse_proxy see an error for what it is: the client's, not
// etcd's. Otherwise it would leave the member alone for some seconds, and all of
// them after a few such clients. What a handler wants answered to a body is the
// answer.
func clientsFault(req *http.Request, err error) (*http.Response, error) {
	handled := caddyhttp.HandlerError{}
	switch {
	case errors.As(err, &handled) && req.Context().Err() == nil:
		return &http.Response{
			Status: http.StatusText(handled.StatusCode), StatusCode: handled.StatusCode,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: make(http.Header), Body: http.NoBody, Request: req,
		}, nil
	case errors.As(err, &handled), errors.Is(err, context.Canceled):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", context.Canceled, err)
}

// clientBody is a request's body that knows how far it has been read.
type clientBody struct {
	io.ReadCloser
	read, closed, broken atomic.Bool
	left                 int64 // of what has been announced, if that is known
}

// bodyOf is a request's body, nil if there is none.
func bodyOf(req *http.Request) *clientBody {
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	return &clientBody{ReadCloser: req.Body, left: req.ContentLength}
}

// begun says whether some of it has been read.
func (b *clientBody) begun() bool { return b != nil && b.read.Load() }

// brokenOff says whether the client has broken it off.
func (b *clientBody) brokenOff() bool { return b != nil && b.broken.Load() }

func (b *clientBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	n, err := b.ReadCloser.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
		if b.left > 0 && errors.Is(err, io.EOF) { // HTTP/3 lets it end early
			err = io.ErrUnexpectedEOF
		}
	}
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
