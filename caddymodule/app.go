// Package caddymodule is the project's Caddy plugin: the etcd app, which says
// where etcd is; the handlers that answer /mod; and the etcd directive, which
// makes a site a drop-in for etcd's address.
package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
)

func init() { caddy.RegisterModule(App{}) }

// App says which etcd the gateway's locks are in, and to which one everything but
// /mod is passed on. Either Embedded or Endpoints has to be given.
//
// It survives reloads: as long as these settings stay the same, requests that
// wait for a lock go on waiting, in their places.
type App struct {
	// A single-node etcd that runs inside this process: for trying things out,
	// and where one machine is enough. Its data stay in a folder of their own.
	EmbeddedRaw json.RawMessage `json:"embedded,omitempty"`

	// The client URLs of an etcd cluster's members, `http://host:2379` say. All
	// have to have the same scheme. Placeholders work.
	Endpoints []string `json:"endpoints,omitempty"`

	// Which of etcd's APIs the locks are kept in. Default and so far the only
	// one: `v3`. All gateways of a cluster have to use the same.
	API string `json:"api,omitempty"`

	// What the gateway's own keys in etcd begin with. Default: `/_etcd/mod`. All
	// gateways of a cluster have to use the same.
	Prefix string `json:"prefix,omitempty"`

	// The user that the gateway itself is in etcd; those who come through the
	// gateway are who they say. Placeholders work, `{env.ETCD_PASSWORD}` say.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`

	// How to speak TLS to endpoints that begin with `https`.
	TLS *TLS `json:"tls,omitempty"`

	logger   *zap.Logger
	settings settings
	pool     poolReference
	gateway  *gateway
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "etcd", New: func() caddy.Module { return new(App) }}
}

// Provision takes the gateway with these settings from the pool, or makes it. It
// does no I/O but for reading certificates.
func (a *App) Provision(ctx caddy.Context) error {
	a.logger = ctx.Logger()
	if err := a.resolve(); err != nil {
		return err
	}
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting the events app: %w", err)
	}
	if err := events.(*caddyevents.App).On("stopping", a); err != nil {
		return fmt.Errorf("subscribing to the end of the process: %w", err)
	}
	a.gateway, a.pool, err = acquireGateway(a.settings)
	return err
}

// resolve turns the configuration into settings, with defaults and placeholders
// filled in.
func (a *App) resolve() error {
	switch {
	case a.EmbeddedRaw != nil && len(a.Endpoints) > 0:
		return errors.New("embedded and endpoints exclude each other")
	case a.EmbeddedRaw == nil && len(a.Endpoints) == 0:
		return errors.New("either embedded or endpoints is required")
	case a.Password != "" && a.Username == "":
		return errors.New("a password needs a username")
	}
	switch a.API {
	case "", apiV3:
	case "v2":
		return errors.New("api v2 is not supported by this version")
	default:
		return fmt.Errorf("unknown api %q: it is v3", a.API)
	}

	repl := caddy.NewReplacer()
	s := settings{
		Prefix:   a.Prefix,
		Username: repl.ReplaceAll(a.Username, ""),
		Password: repl.ReplaceAll(a.Password, ""),
		TLS:      a.TLS.replaced(repl),
	}
	if s.Prefix == "" {
		s.Prefix = defaultPrefix
	}
	if s.Prefix[0] != '/' {
		return fmt.Errorf("prefix %q does not begin with a slash", s.Prefix)
	}
	for _, endpoint := range a.Endpoints {
		url, err := parseEndpoint(repl.ReplaceAll(endpoint, ""))
		if err != nil {
			return err
		}
		s.Endpoints = append(s.Endpoints, url)
	}
	if err := oneScheme(s.Endpoints); err != nil {
		return err
	}
	if a.EmbeddedRaw != nil {
		server, err := loadEmbedded(a.EmbeddedRaw)
		if err != nil {
			return err
		}
		endpoint, err := server.Endpoint()
		if err != nil {
			return err
		}
		s.Embedded, s.Endpoints, s.server = string(a.EmbeddedRaw), []string{endpoint}, server
	}
	a.settings = s
	return nil
}

const (
	apiV3         = "v3"
	defaultPrefix = "/_etcd/mod"
)

// Start starts the embedded etcd if there is one, and else makes sure that it is
// not one without the v3 API. An etcd that cannot be reached stops nothing.
func (a *App) Start() error {
	if a.settings.server != nil {
		return a.gateway.startServer(a.settings.server)
	}
	return checkAPI(a.settings, a.logger)
}

// Stop does nothing: what the app has is released by Cleanup.
func (a *App) Stop() error { return nil }

// Cleanup gives the gateway back. Requests that still wait have references of
// their own.
func (a *App) Cleanup() error { return a.pool.release() }

// Handle ends all waiting when the process is about to stop: Caddy's servers wait
// for requests in flight, and these would not end by themselves (I9).
func (a *App) Handle(ctx context.Context, _ caddy.Event) error {
	if caddy.Exiting() && a.gateway != nil {
		a.gateway.stopWaiting(ctx)
	}
	return nil
}

// Interface guards.
var (
	_ caddy.App           = (*App)(nil)
	_ caddy.Provisioner   = (*App)(nil)
	_ caddy.CleanerUpper  = (*App)(nil)
	_ caddyevents.Handler = (*App)(nil)
)
