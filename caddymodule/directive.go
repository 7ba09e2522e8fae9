package caddymodule

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-etcd/caddy-etcd/caddymodule/openapi"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("etcd_dashboard", parseHandler[Dashboard])
	httpcaddyfile.RegisterHandlerDirective("etcd_lock", parseHandler[Lock])
	httpcaddyfile.RegisterHandlerDirective("etcd_leader", parseHandler[Leader])
	httpcaddyfile.RegisterHandlerDirective("etcd_openapi", parseBare[OpenAPI])
	httpcaddyfile.RegisterHandlerDirective("etcd_not_found", parseBare[NotFound])
	httpcaddyfile.RegisterHandlerDirective("etcd_cross_origin", parseBare[CrossOrigin])
	httpcaddyfile.RegisterHandlerDirective("etcd_drain", parseBare[Drain])
	httpcaddyfile.RegisterDirective("etcd", parseSite)
	// What is registered last stands last.
	for _, name := range []string{"etcd_dashboard", "etcd_lock", "etcd_leader", "etcd_openapi", "etcd_not_found", "etcd_cross_origin", "etcd_drain", "etcd"} {
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "reverse_proxy")
	}
}

// parseHandler parses a handler that knows its own syntax.
func parseHandler[H any, P interface {
	*H
	caddyhttp.MiddlewareHandler
	caddyfile.Unmarshaler
}](h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := P(new(H))
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

// parseBare parses a handler that has no options. Syntax:
//
//	<name> [<matcher>]
func parseBare[H any, P interface {
	*H
	caddyhttp.MiddlewareHandler
}](h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	name := h.Val()
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.Errf("unexpected '%s' after %s", h.Val(), name)
	}
	return P(new(H)), nil
}

// parseSite parses the etcd directive, which makes a site an etcd with the
// modules: /mod is served here, and everything else by the etcd of the global
// option. Syntax:
//
//	etcd [<matcher>] {
//	    dashboard {
//	        read_only
//	    }
//	    lock {
//	        max_waiting <number>
//	        max_key     <size>
//	        max_value   <size>
//	        max_body    <size>
//	        max_ttl     <duration>
//	    }
//	    leader {
//	        ... # as lock's
//	    }
//	}
//
// The block and everything in it are optional; for what stands in its parts, see the
// directives etcd_dashboard, etcd_lock and etcd_leader. For an etcd at 10.0.0.1:2379,
// it is what these would be, in this order:
//
//	etcd_dashboard               # also what read_only refuses, wherever it goes
//	etcd_lock /mod/v2/lock
//	etcd_lock /mod/v2/lock/*
//	etcd_leader /mod/v2/leader
//	etcd_leader /mod/v2/leader/*
//	etcd_openapi /mod/openapi.json
//	etcd_not_found               # whatever else is below /mod
//	etcd_cross_origin            # no writes from other sites' pages
//	etcd_drain                   # a watch doesn't keep Caddy from exiting
//	timeouts {                   # and may be quiet for as long as it likes
//	    read_timeout 87600h
//	    write_timeout 87600h
//	}
//	reverse_proxy 10.0.0.1:2379 {
//	    stream_close_delay 87600h
//	    header_up Host {upstream_hostport}
//	    header_up -Expect
//	    header_down -Access-Control-*
//	    transport etcd           # gRPC as HTTP/2, everything else as HTTP/1.1
//	}
//
// Several endpoints get health checks, and each client stays with one of them as
// long as it is healthy. `caddy adapt` shows it all.
func parseSite(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, h.WrapErr(err)
	}
	h.Next() // etcd
	if h.NextArg() {
		return nil, h.Errf("unexpected '%s' after etcd: where etcd is stands in the global option", h.Val())
	}
	parts := newParts()
	parse := map[string]func(*caddyfile.Dispenser) error{
		"dashboard": parts.dashboard.unmarshalCaddyfile,
		"lock":      parts.lock.unmarshalCaddyfile,
		"leader":    parts.leader.unmarshalCaddyfile,
	}
	seen := make(map[string]bool)
	for h.NextBlock(0) {
		name := h.Val()
		part, known := parse[name]
		switch {
		case !known:
			return nil, h.Errf("unknown option '%s' in etcd", name)
		case seen[name]:
			return nil, setTwice(h.Dispenser)
		}
		seen[name] = true
		if err := part(h.Dispenser); err != nil {
			return nil, err
		}
	}
	option, ok := h.Option("etcd").(httpcaddyfile.App)
	if !ok {
		return nil, h.Err("the directive etcd needs the global option of the same name, which says where etcd is")
	}
	routes, err := siteRoutes(option.Value, parts)
	if err != nil {
		return nil, h.WrapErr(err)
	}
	site := caddyhttp.Subroute{Routes: routes}
	if matcher == nil {
		return []httpcaddyfile.ConfigValue{{Class: "route", Value: site}}, nil
	}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: caddyhttp.Route{
		MatcherSetsRaw: []caddy.ModuleMap{matcher},
		HandlersRaw:    []json.RawMessage{caddyconfig.JSONModuleObject(site, "handler", "subroute", nil)},
	}}}, nil
}

// parts are the handlers that have options in the directive.
type parts struct {
	dashboard *Dashboard
	lock      *Lock
	leader    *Leader
}

func newParts() parts { return parts{new(Dashboard), new(Lock), new(Leader)} }

// siteRoutes is what the directive expands to, for an etcd app.
func siteRoutes(app json.RawMessage, p parts) (caddyhttp.RouteList, error) {
	var a App
	if err := json.Unmarshal(app, &a); err != nil {
		return nil, fmt.Errorf("decoding the etcd app: %w", err)
	}
	to, err := a.upstreams()
	if err != nil {
		return nil, err
	}
	routes := caddyhttp.RouteList{
		{HandlersRaw: []json.RawMessage{caddyconfig.JSONModuleObject(p.dashboard, "handler", "etcd_dashboard", nil)}},
		locks.route(caddyconfig.JSONModuleObject(p.lock, "handler", "etcd_lock", nil)),
		leaders.route(caddyconfig.JSONModuleObject(p.leader, "handler", "etcd_leader", nil)),
		{
			MatcherSetsRaw: []caddy.ModuleMap{{"path": caddyconfig.JSON([]string{openapi.Path}, nil)}},
			HandlersRaw:    []json.RawMessage{caddyconfig.JSONModuleObject(OpenAPI{}, "handler", "etcd_openapi", nil)},
		},
		{HandlersRaw: []json.RawMessage{caddyconfig.JSONModuleObject(NotFound{}, "handler", "etcd_not_found", nil)}},
		to.route(),
	}
	return routes, nil
}

// route has a handler serve a module's path and what is below it.
func (m module) route(handler json.RawMessage) caddyhttp.Route {
	return caddyhttp.Route{
		MatcherSetsRaw: []caddy.ModuleMap{{"path": caddyconfig.JSON([]string{m.path, m.path + "/*"}, nil)}},
		HandlersRaw:    []json.RawMessage{handler},
	}
}
