package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	caddy.RegisterModule(Transport{})
}

// Transport is how a reverse_proxy reaches etcd: with gRPC over HTTP/2, and with
// everything else over HTTP/1.1. Both are one upstream then, with one state of
// health. Each client connection with gRPC on it has one of its own to etcd, as it
// would without a gateway. One that is silent is asked every 10 seconds whether its
// other end lives, as etcd's own clients do it (etcd's `--grpc-keepalive-min-time`
// must not be more); without an answer for 5 seconds, its streams end, so that
// clients make new ones elsewhere.
type Transport struct {
	// TLS towards etcd. Default: none.
	TLS *TLS `json:"tls,omitempty"`

	// Whether to leave alone the proxy that the environment names (`HTTP_PROXY` and
	// its like). Default: false.
	Direct bool `json:"direct,omitempty"`

	http *reverseproxy.HTTPTransport
	grpc *lines
}

// As often as grpc-go's clients may; etcd cuts off who asks more often than every
// 5 seconds, and who asks on a connection without a stream more than a few times.
const (
	askAfter     = 10 * time.Second
	answerWithin = 5 * time.Second
	idleGRPC     = 11 * time.Second // no round number: a line is best not used just when it ends
)

// unread is how much of an answer that its client does not read is taken from etcd,
// unreadInAll that of all on one client's connection. Then it reads no more of them.
const (
	unread      = 256 << 10
	unreadInAll = 64 << 20
)

// CaddyModule returns the Caddy module information.
func (Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.etcd",
		New: func() caddy.Module { return new(Transport) },
	}
}

// Provision makes the transports.
func (t *Transport) Provision(ctx caddy.Context) error {
	http2 := []string{"h2c", "2"}
	if t.TLS != nil {
		http2 = []string{"2"}
		if err := t.TLS.check(); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
	}
	grpc := t.transport(http2...)
	grpc.KeepAlive.IdleConnTimeout = caddy.Duration(idleGRPC)
	t.http = t.transport("1.1")
	for _, transport := range []*reverseproxy.HTTPTransport{t.http, grpc} {
		if err := transport.Provision(ctx); err != nil {
			return err
		}
		transport.Transport.Proxy = proxyFor(transport.Transport.Proxy)
	}
	grpc.Transport.HTTP2 = &http.HTTP2Config{
		SendPingTimeout: askAfter, PingTimeout: answerWithin,
		MaxReceiveBufferPerStream: unread, MaxReceiveBufferPerConnection: unreadInAll,
	}
	if t.TLS != nil { // with nothing else there would be no line
		grpc.Transport.Protocols = new(http.Protocols)
		grpc.Transport.Protocols.SetHTTP2(true)
	}
	t.grpc = newLines(grpc.Transport)
	return nil
}

func (t *Transport) transport(versions ...string) *reverseproxy.HTTPTransport {
	compression := false // what the client asks for, and nothing else
	transport := &reverseproxy.HTTPTransport{
		Versions:    versions,
		Compression: &compression,
		KeepAlive:   &reverseproxy.KeepAlive{MaxIdleConnsPerHost: 128},
	}
	if t.TLS != nil {
		transport.TLS = t.TLS.proxy()
		// A member that hangs would keep what has not been sent yet.
		transport.TLS.HandshakeTimeout = caddy.Duration(2 * time.Second)
	}
	if t.Direct {
		transport.NetworkProxyRaw = []byte(`{"from":"none"}`)
	}
	return transport
}

// RoundTrip sends a request. An error that comes before anything is sent is a
// DialError: it may be sent elsewhere. What is the client's fault is not etcd's.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body := bodyOf(req)
	t.http.SetScheme(req)
	send := t.overHTTP1
	if req.ProtoMajor >= 2 && strings.HasPrefix(req.Header.Get("Content-Type"), "application/grpc") {
		send = t.grpc.send
	}
	resp, err := send(req, body)
	switch {
	case err == nil:
		return resp, nil
	case body.brokenOff(), req.Context().Err() != nil:
		return clientsFault(req, err)
	case errors.As(err, new(refusedError)):
		return clientsFault(req, caddyhttp.Error(http.StatusBadRequest, err))
	case req.Method == http.MethodGet && body.begun():
		// It would be sent again, without what has been read.
		return clientsFault(req, caddyhttp.Error(http.StatusBadGateway, err))
	}
	return nil, err
}

// refusedError says that there is no way to send a request to anybody.
type refusedError struct{ error }

// overHTTP1 sends a request over HTTP/1.1.
func (t *Transport) overHTTP1(req *http.Request, body *clientBody) (*http.Response, error) {
	var asked, connected atomic.Bool
	resp, err := t.http.RoundTrip(outgoing(req, body, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))
	switch {
	case err == nil, connected.Load(), errors.As(err, new(proxyError)):
		return resp, err
	case asked.Load():
		return nil, reverseproxy.NewDialError(err)
	}
	return nil, refusedError{err}
}

// OverrideHealthCheckScheme has health be asked for with TLS where there is TLS.
func (t *Transport) OverrideHealthCheckScheme(base *url.URL, port string) {
	t.http.OverrideHealthCheckScheme(base, port)
}

// TLSEnabled says whether there is TLS. With EnableTLS, it lets a Caddyfile's
// reverse_proxy have https:// upstreams.
func (t *Transport) TLSEnabled() bool { return t.TLS != nil }

// EnableTLS has TLS be used, with the defaults.
func (t *Transport) EnableTLS(*reverseproxy.TLSConfig) error {
	t.TLS = new(TLS)
	return nil
}

// RequestHeaderOps has etcd asked for by its own name where there is TLS.
func (t *Transport) RequestHeaderOps() *headers.HeaderOps { return t.http.RequestHeaderOps() }

// Cleanup closes connections on which nothing is under way.
func (t *Transport) Cleanup() error {
	if t.http == nil {
		return nil
	}
	return t.http.Cleanup() // lines go by themselves
}

// UnmarshalCaddyfile parses the option of a reverse_proxy. Syntax:
//
//	transport etcd {
//	    tls {
//	        ... # as the global option's
//	    }
//	    direct
//	}
//
// The block and everything in it are optional.
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // etcd
	if d.NextArg() {
		return d.Errf("unexpected '%s' after etcd: its options stand in a block", d.Val())
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		switch name := d.Val(); name {
		case "tls":
			if t.TLS != nil {
				return setTwice(d)
			}
			t.TLS = new(TLS)
			err = t.TLS.unmarshalCaddyfile(d)
		case "direct":
			if t.Direct {
				return setTwice(d)
			}
			t.Direct = true
			err = nothingMore(d, name)
		default:
			return d.Errf("unknown option '%s' in etcd", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Interface guards
var (
	_ http.RoundTripper     = (*Transport)(nil)
	_ caddy.Provisioner     = (*Transport)(nil)
	_ caddy.CleanerUpper    = (*Transport)(nil)
	_ caddyfile.Unmarshaler = (*Transport)(nil)

	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*Transport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*Transport)(nil)
	_ reverseproxy.TLSTransport                        = (*Transport)(nil)
)
