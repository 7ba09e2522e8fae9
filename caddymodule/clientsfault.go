package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"

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
