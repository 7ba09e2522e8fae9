package caddymodule

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// All gRPC to a member would share one HTTP/2 connection, and with it the harm that
// one client can do to that: trailers at the end of a request, for which grpc-go ends
// the connection, or answers that are not read, which take up its window. So each
// client's connection has one of its own.

// apart has the way of a connection be chosen by the member's address, not by the
// name that forClient gives it.
func (t *Transport) apart() {
	choose := t.grpc.Transport.Proxy
	t.grpc.Transport.Proxy = func(req *http.Request) (*url.URL, error) {
		if dial, ok := reverseproxy.GetDialInfo(req.Context()); ok {
			named := *req
			address := *req.URL
			address.Host = dial.Address
			named.URL = &address
			req = &named
		}
		return choose(req)
	}
}

var plain = strings.NewReplacer(":", "-", "[", "", "]", "", "%", "-", "/", "-")

// forClient names the connection to etcd after the client's. Where it goes is in the
// request's context.
func (t *Transport) forClient(req *http.Request) {
	req.Trailer = nil // gRPC clients have none
	if _, ok := reverseproxy.GetDialInfo(req.Context()); !ok {
		return
	}
	if proxy, err := t.grpc.Transport.Proxy(req); proxy != nil || err != nil {
		return // it has to know where to
	}
	address := *req.URL
	address.Host = plain.Replace(req.RemoteAddr + "-to-" + req.URL.Host)
	req.URL = &address
}
