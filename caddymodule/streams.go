package caddymodule

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// maxStreams is how many requests may be under way on one HTTP/2 connection. Etcd
// knows no limit. With Go's own, 250, a client that has as many watches or locks
// waiting could not even give one back.
const maxStreams = 10_000

// allowStreams raises the limit for a server's connections. Caddy has no option
// for it, so it is done when the first one comes, before that is served.
func allowStreams(server *caddyhttp.Server) {
	var once sync.Once
	server.RegisterConnContext(func(ctx context.Context, _ net.Conn) context.Context {
		once.Do(func() {
			s := ctx.Value(http.ServerContextKey).(*http.Server)
			if s.HTTP2 == nil {
				s.HTTP2 = new(http.HTTP2Config)
			}
			s.HTTP2.MaxConcurrentStreams = maxStreams
		})
		return ctx
	})
}
