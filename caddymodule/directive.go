package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	httpcaddyfile.RegisterDirective("etcd", parseDirective)
	httpcaddyfile.RegisterDirectiveOrder("etcd", httpcaddyfile.Before, "reverse_proxy")
}

// parseDirective parses the etcd directive, which makes a site a drop-in for
// etcd's address, in one word:
//
//	etcd [<matcher>] {
//	    lock {
//	        <limits, as for etcd_lock>
//	    }
//	}
//
// It is short for
//
//	route {
//	    etcd_lock
//	    etcd_not_found
//	    @grpc protocol grpc
//	    reverse_proxy @grpc <etcd, over HTTP/2>
//	    reverse_proxy <etcd, over HTTP/1.1>
//	}
//
// where etcd is what the global etcd option says, which has to be there.
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	h.Next() // the directive's name, again
	if h.NextArg() {
		return nil, h.Errf("unexpected '%s' after etcd", h.Val())
	}
	lock := new(Lock)
	seen := make(map[string]bool)
	for h.NextBlock(0) {
		if err := once(h.Dispenser, seen, h.Val()); err != nil {
			return nil, err
		}
		switch h.Val() {
		case "lock":
			if err := lock.unmarshalBlock(h.Dispenser); err != nil {
				return nil, err
			}
		default:
			return nil, h.Errf("unknown etcd option '%s' in a site", h.Val())
		}
	}

	option, ok := h.Option("etcd").(httpcaddyfile.App)
	if !ok {
		return nil, h.Err("the etcd directive needs the global etcd option, which says where etcd is")
	}
	app := new(App)
	if err := json.Unmarshal(option.Value, app); err != nil {
		return nil, h.WrapErr(err)
	}
	grpc, err := app.proxy("h2c", "2")
	if err != nil {
		return nil, h.WrapErr(err)
	}
	plain, err := app.proxy("1.1")
	if err != nil {
		return nil, h.WrapErr(err)
	}

	handler := func(v any, name string) json.RawMessage {
		return caddyconfig.JSONModuleObject(v, "handler", name, nil)
	}
	site := caddyhttp.Subroute{Routes: caddyhttp.RouteList{
		{HandlersRaw: []json.RawMessage{handler(lock, "etcd_lock"), handler(NotFound{}, "etcd_not_found")}},
		{
			MatcherSetsRaw: []caddy.ModuleMap{{"protocol": h.JSON(caddyhttp.MatchProtocol("grpc"))}},
			HandlersRaw:    []json.RawMessage{handler(grpc, "reverse_proxy")},
		},
		{HandlersRaw: []json.RawMessage{handler(plain, "reverse_proxy")}},
	}}
	route := caddyhttp.Route{HandlersRaw: []json.RawMessage{handler(site, "subroute")}}
	if matcher != nil {
		route.MatcherSetsRaw = []caddy.ModuleMap{matcher}
	}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: route}}, nil
}

// Of several members, one that does not answer is left out until it does; a
// request that could not be sent is tried on another one. Caddy sends no request
// twice but a GET.
const (
	healthPath     = "/health"
	healthInterval = 2 * time.Second
	failDuration   = 2 * time.Second
	tryDuration    = 3 * time.Second
)

// idleConnections is how many connections to a member are kept for the next
// requests.
const idleConnections = 256

// proxy returns Caddy's reverse proxy to etcd, over those versions of HTTP.
func (a *App) proxy(versions ...string) (*reverseproxy.Handler, error) {
	upstreams, secure, err := a.upstreams()
	if err != nil {
		return nil, err
	}
	off := false
	transport := &reverseproxy.HTTPTransport{
		Versions:    versions,
		Compression: &off, // answers pass as etcd gave them
		KeepAlive:   &reverseproxy.KeepAlive{MaxIdleConnsPerHost: idleConnections},
	}
	if secure {
		if transport.TLS, err = a.proxyTLS(); err != nil {
			return nil, err
		}
		if len(versions) > 1 {
			transport.Versions = []string{"2"}
		}
	}
	handler := &reverseproxy.Handler{
		TransportRaw:  caddyconfig.JSONModuleObject(transport, "protocol", "http", nil),
		Upstreams:     upstreams,
		FlushInterval: -1, // watches
	}
	if len(upstreams) > 1 {
		handler.LoadBalancing = &reverseproxy.LoadBalancing{TryDuration: caddy.Duration(tryDuration)}
		handler.HealthChecks = &reverseproxy.HealthChecks{
			Active: &reverseproxy.ActiveHealthChecks{
				URI:      healthPath,
				Interval: caddy.Duration(healthInterval),
				Timeout:  caddy.Duration(healthInterval),
			},
			Passive: &reverseproxy.PassiveHealthChecks{FailDuration: caddy.Duration(failDuration)},
		}
	}
	return handler, nil
}

// upstreams are the endpoints as the reverse proxy wants them.
func (a *App) upstreams() (pool reverseproxy.UpstreamPool, secure bool, err error) {
	endpoints := a.Endpoints
	if a.EmbeddedRaw != nil {
		server, err := loadEmbedded(a.EmbeddedRaw)
		if err != nil {
			return nil, false, err
		}
		endpoint, err := server.Endpoint()
		if err != nil {
			return nil, false, err
		}
		endpoints = []string{endpoint}
	}
	for _, endpoint := range endpoints {
		dial := ""
		switch path, isUnix := strings.CutPrefix(endpoint, "unix://"); {
		case isUnix:
			dial = "unix/" + filepath.ToSlash(path)
		case hasPlaceholder(endpoint):
			return nil, false, fmt.Errorf("endpoint %q: the etcd directive can't use placeholders in endpoints", endpoint)
		default:
			url, err := parseEndpoint(endpoint)
			if err != nil {
				return nil, false, err
			}
			secure = strings.HasPrefix(url, "https:")
			_, dial, _ = strings.Cut(url, "://")
		}
		pool = append(pool, &reverseproxy.Upstream{Dial: dial})
	}
	return pool, secure, nil
}

// proxyTLS is the app's TLS as the reverse proxy wants it.
func (a *App) proxyTLS() (*reverseproxy.TLSConfig, error) {
	if a.TLS == nil {
		return &reverseproxy.TLSConfig{}, nil
	}
	t := &reverseproxy.TLSConfig{
		ClientCertificateFile:    a.TLS.Cert,
		ClientCertificateKeyFile: a.TLS.Key,
		ServerName:               a.TLS.ServerName,
		InsecureSkipVerify:       a.TLS.InsecureSkipVerify,
	}
	if a.TLS.CA != "" {
		if _, err := caddy.GetModule("tls.ca_pool.source.file"); err != nil {
			return nil, errors.New("this caddy was built without its standard modules")
		}
		t.CARaw = caddyconfig.JSONModuleObject(map[string][]string{"pem_files": {a.TLS.CA}}, "provider", "file", nil)
	}
	return t, nil
}

func hasPlaceholder(text string) bool { return strings.Contains(text, "{") }
