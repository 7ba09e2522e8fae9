package caddymodule

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/quic-go/quic-go/http3"
)

// http3Servers are those that a life's end closes. When Caddy exits, it waits for
// their connections as it does for the others (see conns): for ever where a request
// goes on, and for half a minute where a client has gone without a word. Caddy
// hands none of them out before the first request, nor says when one has gone, so
// nothing here keeps them.
var http3Servers sync.Map // of weak.Pointer[http3.Server]

// watchHTTP3 has the server that a request came to closed lastWords after the life's
// end, if it is one of HTTP/3 (I9).
func (l *life) watchHTTP3(r *http.Request) {
	server, ok := r.Context().Value(http3.ServerContextKey).(*http3.Server)
	if !ok {
		return
	}
	weakly := weak.Make(server)
	if _, known := http3Servers.LoadOrStore(weakly, nil); known {
		return
	}
	unhook := context.AfterFunc(l.ctx, func() {
		time.Sleep(lastWords)
		if server := weakly.Value(); server != nil {
			_ = server.Close()
		}
	})
	runtime.AddCleanup(server, func(weakly weak.Pointer[http3.Server]) {
		http3Servers.Delete(weakly)
		unhook()
	}, weakly)
}
