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
)

// upstreams is where requests are handed on to, and how.
type upstreams struct {
	grpc, http []string // as reverse_proxy dials
	host       string   // what etcd is told that it was asked for
	tls        *TLS     // nil without TLS
	unproxied  bool     // whatever HTTP_PROXY says
}

// upstreams reads them from a decoded app.
func (a *App) upstreams() (upstreams, error) {
	const asDialled = "{http.reverse_proxy.upstream.hostport}"
	if a.EmbeddedRaw != nil {
		embedded, err := newEmbedded(a.EmbeddedRaw)
		if err != nil {
			return upstreams{}, err
		}
		grpc, http := embedded.Addresses()
		to := upstreams{grpc: []string{dialAddress(grpc)}, http: []string{dialAddress(http)}, host: asDialled, unproxied: true}
		if strings.HasPrefix(http, "unix:") {
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
		to.http = append(to.http, dialAddress(u))
	}
	to.grpc = to.http
	if secure {
		to.tls = new(TLS)
		if a.TLS != nil {
			to.tls = a.TLS
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

// routes hand a request on: gRPC as HTTP/2, everything else as HTTP/1.1.
func (to upstreams) routes() caddyhttp.RouteList {
	versions := []string{"h2c", "2"}
	if to.tls != nil {
		versions = []string{"2"}
	}
	return caddyhttp.RouteList{
		{
			MatcherSetsRaw: []caddy.ModuleMap{{
				"protocol": caddyconfig.JSON("http/2+", nil),
				"header":   caddyconfig.JSON(http.Header{"Content-Type": {"application/grpc*"}}, nil),
			}},
			HandlersRaw: []json.RawMessage{to.proxy(to.grpc, versions, "")},
		},
		{HandlersRaw: []json.RawMessage{to.proxy(to.http, []string{"1.1"}, "/health?exclude=NOSPACE")}},
	}
}

// proxy is a reverse_proxy that gives and takes everything as it is and at once,
// and asks health for whether an etcd is.
func (to upstreams) proxy(addresses, versions []string, health string) json.RawMessage {
	off := false
	transport := reverseproxy.HTTPTransport{
		Versions:    versions,
		Compression: &off,
		KeepAlive:   &reverseproxy.KeepAlive{MaxIdleConnsPerHost: 128},
	}
	if to.tls != nil {
		transport.TLS = to.tls.proxy()
	}
	if to.unproxied {
		transport.NetworkProxyRaw = json.RawMessage(`{"from":"none"}`)
	}
	h := reverseproxy.Handler{
		TransportRaw:  caddyconfig.JSONModuleObject(transport, "protocol", "http", nil),
		FlushInterval: -1,
		// Etcd may know only its own names (--host-whitelist).
		Headers: &headers.Handler{Request: &headers.HeaderOps{Set: http.Header{"Host": {to.host}}}},
	}
	for _, address := range addresses {
		h.Upstreams = append(h.Upstreams, &reverseproxy.Upstream{Dial: address})
	}
	if len(addresses) > 1 {
		to.balance(&h, health)
	}
	return caddyconfig.JSONModuleObject(h, "handler", "reverse_proxy", nil)
}

// balance has each client stay with one member as long as it is healthy, because
// it may read there what it has just written. Only what could not be connected
// is sent to another one, and reads: that is reverse_proxy's own rule.
func (to upstreams) balance(h *reverseproxy.Handler, health string) {
	h.LoadBalancing = &reverseproxy.LoadBalancing{
		SelectionPolicyRaw: json.RawMessage(`{"policy":"client_ip_hash"}`),
		Retries:            len(h.Upstreams) - 1,
	}
	h.HealthChecks = &reverseproxy.HealthChecks{
		Passive: &reverseproxy.PassiveHealthChecks{FailDuration: caddy.Duration(2 * time.Second)},
	}
	if health != "" {
		h.HealthChecks.Active = &reverseproxy.ActiveHealthChecks{
			URI:          health,
			Interval:     caddy.Duration(5 * time.Second),
			Timeout:      caddy.Duration(3 * time.Second),
			ExpectStatus: http.StatusOK,
		}
	}
}
