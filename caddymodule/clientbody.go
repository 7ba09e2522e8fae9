package caddymodule

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// clientBody is a request's body, while it is sent to a member. It knows how far it has
// been read.
type clientBody struct {
	io.ReadCloser
	own                  *ownBody // within it, or nil
	read, closed, broken atomic.Bool
	left                 int64 // of what has been announced, if that is known
}

// bodyOf is a request's body, nil if there is none.
func bodyOf(req *http.Request) *clientBody {
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	own, _ := req.Context().Value(ownBodyKey{}).(*ownBody)
	return &clientBody{ReadCloser: req.Body, own: own, left: req.ContentLength}
}

// begun says whether it has begun to be read.
func (b *clientBody) begun() bool { return b != nil && b.read.Load() }

// brokenOff says whether the client has broken it off.
func (b *clientBody) brokenOff() bool { return b != nil && b.broken.Load() }

func (b *clientBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
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

// Close is called, too, when it is the connection to etcd that has broken. Then it ends
// a Read that waits for the client.
func (b *clientBody) Close() error {
	b.closed.Store(true)
	if b.own != nil {
		return b.own.Close()
	}
	return b.ReadCloser.Close()
}

// reopen has a body that has not been read be sent once more.
func (b *clientBody) reopen() {
	if b != nil {
		b.closed.Store(false)
	}
}

// outgoing is a copy of a request that has that body, and tells how it gets on.
func outgoing(req *http.Request, body *clientBody, trace *httptrace.ClientTrace) *http.Request {
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	if body != nil {
		req.Body = body
	}
	return req
}

// ownBody is a request's body before reverse_proxy wraps it. That one's Close does
// nothing as long as nothing has come, and is no match for a Read at the same time.
type ownBody struct {
	io.ReadCloser
	begun atomic.Bool
}

type ownBodyKey struct{}

// withOwnBody is a request with another context, which knows the request's body.
func withOwnBody(ctx context.Context, r *http.Request) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		return r.WithContext(ctx)
	}
	own := &ownBody{ReadCloser: r.Body}
	r = r.WithContext(context.WithValue(ctx, ownBodyKey{}, own))
	r.Body = own
	return r
}

func (b *ownBody) Read(p []byte) (int, error) {
	b.begun.Store(true)
	return b.ReadCloser.Read(p)
}

// Close leaves it to be sent to another member if it has not begun to be read.
func (b *ownBody) Close() error {
	if !b.begun.Load() {
		return nil
	}
	return b.ReadCloser.Close()
}
