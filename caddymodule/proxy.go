package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/timeouts"
)

// upstreams is where requests are handed on to, and how.
type upstreams struct {
	addresses []string // as reverse_proxy dials
	host      string   // what etcd is told that it was asked for
	transport Transport
}

// upstreams reads them from a decoded app.
func (a *App) upstreams() (upstreams, error) {
	const asDialled = "{http.reverse_proxy.upstream.hostport}"
	if a.EmbeddedRaw != nil {
		embedded, err := newEmbedded(a.EmbeddedRaw)
		if err != nil {
			return upstreams{}, err
		}
		address := embedded.Address()
		to := upstreams{addresses: []string{dialAddress(address)}, host: asDialled, transport: Transport{Direct: true}}
		if strings.HasPrefix(address, "unix:") {
			to.host = "localhost"
		}
		return to, nil
	}
	if i := slices.IndexFunc(a.Endpoints, hasPlaceholder); i >= 0 {
		return upstreams{}, fmt.Errorf("endpoint %q: the directive etcd makes routes of it and can't wait for a placeholder; {$NAME} works", a.Endpoints[i])
	}
	urls, secure, err := parseEndpoints(a.Endpoints, a.TLS != nil)
	if err != nil {
		return upstreams{}, err
	}
	to := upstreams{host: asDialled}
	for _, u := range urls {
		to.addresses = append(to.addresses, dialAddress(u))
	}
	if secure {
		to.transport.TLS = new(TLS)
		if a.TLS != nil {
			to.transport.TLS = a.TLS
		}
	}
	return to, nil
}

// dialAddress is unix:PATH or a URL as reverse_proxy wants it.
func dialAddress(address string) string {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix/" + path
	}
	u, err := url.Parse(address)
	if err != nil {
		panic(fmt.Sprintf("address %q: %v", address, err)) // has been parsed before
	}
	return u.Host
}

// patience is how long a client may leave a stream alone. Caddy would cut a watch
// or a keepalive off after a minute in which it sends nothing; etcd never does.
const patience = 10 * 365 * 24 * time.Hour

// route hands every request on.
func (to upstreams) route() caddyhttp.Route {
	return caddyhttp.Route{HandlersRaw: []json.RawMessage{
		caddyconfig.JSONModuleObject(CrossOrigin{}, "handler", "etcd_cross_origin", nil),
		caddyconfig.JSONModuleObject(Drain{}, "handler", "etcd_drain", nil),
		caddyconfig.JSONModuleObject(timeouts.Timeouts{ReadTimeout: patience, WriteTimeout: patience}, "handler", "timeouts", nil),
		to.proxy(),
	}}
}

// proxy is a reverse_proxy that gives and takes everything as it is, but for etcd's
// CORS headers: who may ask from a browser is the site's to say. It flushes at once
// where the length of an answer is not known, as that of a stream never is. To flush
// everything (flush_interval -1) would break gRPC's errors: their headers have to
// leave together with the end of the stream.
func (to upstreams) proxy() json.RawMessage {
	h := reverseproxy.Handler{
		TransportRaw: caddyconfig.JSONModuleObject(to.transport, "protocol", "etcd", nil),
		// A WebSocket, too, goes on when the configuration is loaded anew.
		StreamCloseDelay: caddy.Duration(patience),
		Headers: &headers.Handler{
			Request: &headers.HeaderOps{
				// Etcd may know only its own names (--host-whitelist).
				Set: http.Header{"Host": {to.host}},
				// Caddy tells a client to go on with its body; etcd would tell it again.
				Delete: []string{"Expect"},
			},
			Response: &headers.RespHeaderOps{
				HeaderOps: &headers.HeaderOps{Delete: []string{"Access-Control-*"}},
			},
		},
	}
	for _, address := range to.addresses {
		h.Upstreams = append(h.Upstreams, &reverseproxy.Upstream{Dial: address})
	}
	if len(to.addresses) > 1 {
		balance(&h)
	}
	return caddyconfig.JSONModuleObject(h, "handler", "reverse_proxy", nil)
}

// balance has each client stay with one member as long as it is healthy, because
// it may read there what it has just written. Only what could not be connected
// is sent to another one, and reads: that is reverse_proxy's own rule. A member
// that does not answer is found out within 5 s. When etcd elects a new leader, all of
// them call themselves ill for a moment, so requests wait for longer than it takes.
func balance(h *reverseproxy.Handler) {
	h.LoadBalancing = &reverseproxy.LoadBalancing{
		SelectionPolicyRaw: json.RawMessage(`{"policy":"client_ip_hash"}`),
		TryDuration:        caddy.Duration(4 * time.Second),
		TryInterval:        caddy.Duration(50 * time.Millisecond),
	}
	h.HealthChecks = &reverseproxy.HealthChecks{
		Passive: &reverseproxy.PassiveHealthChecks{FailDuration: caddy.Duration(2 * time.Second)},
		Active: &reverseproxy.ActiveHealthChecks{
			// With such an alarm, etcd itself says what it still does.
			URI:          "/health?exclude=NOSPACE&exclude=CORRUPT",
			Interval:     caddy.Duration(time.Second),
			Timeout:      caddy.Duration(2 * time.Second),
			ExpectStatus: http.StatusOK,
		},
	}
}
