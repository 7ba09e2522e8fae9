// Package caddymodule is everything here that knows Caddy: the etcd app, the
// handlers of the modules under /mod, and their Caddyfile.
package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(App{})
}

// App is the etcd cluster that the gateway stands before: where it is, and how
// the gateway itself talks to it. The handlers `etcd_lock` and its like work
// through it. All gateways of one cluster have to agree on `api` and `prefix`.
//
// The connection is made when it is needed, kept over reloads that change none
// of these fields, and shared by everything that uses it. An etcd that is down
// does not keep Caddy from starting: requests are answered with 503 until it is
// back.
type App struct {
	// A single-node etcd in this process, instead of `endpoints`: the fields of
	// the module `etcd.embedded`. Default: none.
	EmbeddedRaw json.RawMessage `json:"embedded,omitempty"`

	// The addresses of the cluster's members, for their clients:
	// `http://10.0.0.1:2379`, `https://etcd1.example.com:2379`, or `host:port`,
	// which is HTTPS if `tls` is set and else HTTP. Without a port, 2379 is
	// meant. All of them have to use the same scheme. Placeholders are replaced
	// when the configuration is loaded; the `etcd` directive of the Caddyfile,
	// which makes routes of the addresses, refuses them. Required unless
	// `embedded` is set.
	Endpoints []string `json:"endpoints,omitempty"`

	// Which of etcd's APIs the gateway keeps its locks with: `v3`, or `v2` for
	// etcd 2.3.6 and later, and for 3.0 to 3.5 where its v2 API is in use. It is never
	// guessed, because two gateways that chose differently would each grant the
	// same lock. At start, an etcd that answers and does not have the API is an
	// error. The embedded etcd has `v3` only. Default: `v3`.
	API string `json:"api,omitempty"`

	// What all of the gateway's keys in etcd begin with: an absolute path.
	// Placeholders like `{env.PREFIX}` are replaced when the configuration is
	// loaded. Default: `/_etcd/mod`.
	Prefix string `json:"prefix,omitempty"`

	// The name of the etcd user that the gateway is, for its locks, and when it asks
	// the members how they are. Requests that are handed on to etcd don't get it: they
	// bring credentials of their own, or none.
	// Placeholders like `{env.ETCD_USER}` and `{file./run/secrets/user}` are
	// replaced when the configuration is loaded. Default: none.
	Username string `json:"username,omitempty"`

	// The etcd user's password. Placeholders as in `username`, where it should
	// rather come from than from the configuration itself.
	Password string `json:"password,omitempty"`

	// TLS towards etcd. Default: if an endpoint begins with `https://`, with the
	// system's certificate authorities and without a client certificate.
	TLS *TLS `json:"tls,omitempty"`

	logger     *zap.Logger
	embedded   Embedded
	settings   settings
	life       *life
	key        string // of the connection
	connection *connection
	conns      map[*caddyhttp.Server]*conns
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "etcd",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision takes a reference to the connection. It does no I/O beyond reading
// certificates.
func (a *App) Provision(ctx caddy.Context) error {
	a.logger = ctx.Logger()
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting events app: %w", err)
	}
	if err := events.(*caddyevents.App).On("stopping", exitHandler{}); err != nil {
		return fmt.Errorf("subscribing to the end: %w", err)
	}
	if a.EmbeddedRaw != nil {
		mod, err := ctx.LoadModuleByID(embeddedID, a.EmbeddedRaw)
		if err != nil {
			return fmt.Errorf("loading embedded: %w", explainMissing(err))
		}
		a.embedded = mod.(Embedded)
	}
	if a.settings, err = a.resolve(caddy.NewReplacer()); err != nil {
		return err
	}
	a.life = lives.enlist()
	a.key = a.settings.key(a.life)
	if a.connection, err = a.borrow(); err != nil {
		return fmt.Errorf("setting up the connection to etcd: %w", err)
	}
	follow(a.connection.followed, a.logger)
	if err := ctx.GetMetricsRegistry().Register(metrics{}); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}

// borrow takes a reference to the connection, which its user gives back. It is
// another one than the app's own only if that has ended, because the
// configuration has been unloaded.
func (a *App) borrow() (*connection, error) {
	return connect(a.key, a.settings, a.life, a.logger)
}

// resolve replaces placeholders and defaults, and checks what comes out.
func (a *App) resolve(repl *caddy.Replacer) (settings, error) {
	s := settings{API: a.API, Prefix: a.Prefix, Username: a.Username, Password: a.Password}
	for _, f := range []struct {
		name string
		text *string
	}{{"prefix", &s.Prefix}, {"username", &s.Username}, {"password", &s.Password}} {
		text, err := repl.ReplaceOrErr(*f.text, true, true)
		if err != nil {
			return s, fmt.Errorf("%s: %w", f.name, err)
		}
		*f.text = text
	}
	if s.Prefix == "" {
		s.Prefix = "/_etcd/mod"
	}
	trimmed := strings.TrimRight(s.Prefix, "/")
	s.API = cmp.Or(s.API, "v3")
	_, known := apis[s.API]
	switch {
	case !known:
		return s, fmt.Errorf("api %q is none of v2, v3", s.API)
	case !strings.HasPrefix(s.Prefix, "/"):
		return s, fmt.Errorf("prefix %q does not begin with a slash", s.Prefix)
	case trimmed == "":
		return s, fmt.Errorf("prefix %q is nothing but slashes", s.Prefix)
	case s.Username == "" && s.Password != "":
		return s, errors.New("password is set, but username is not")
	case s.Username != "" && s.Password == "":
		return s, errors.New("username is set, but password is not, or is empty")
	}
	s.Prefix = trimmed
	return s, a.resolveAddresses(&s, repl)
}

func (a *App) resolveAddresses(s *settings, repl *caddy.Replacer) error {
	endpoints := make([]string, len(a.Endpoints))
	for i, e := range a.Endpoints {
		var err error
		if endpoints[i], err = repl.ReplaceOrErr(e, true, true); err != nil {
			return fmt.Errorf("endpoints: %w", err)
		}
	}
	var err error
	switch {
	case a.embedded != nil && len(a.Endpoints) > 0:
		return errors.New("embedded and endpoints are both set; one etcd it has to be")
	case a.embedded != nil && s.API != "v3":
		return fmt.Errorf("api is %s, but the embedded etcd has no API but v3", s.API)
	case a.embedded != nil && a.TLS != nil:
		return errors.New("tls is set, but the embedded etcd is reached without")
	case a.embedded != nil:
		s.Embedded = a.embedded.Identity()
		s.Endpoints = []string{a.embedded.Address()}
	case len(a.Endpoints) == 0:
		return errors.New("neither embedded nor endpoints is set")
	default:
		s.Endpoints, s.Secure, err = parseEndpoints(endpoints, a.TLS != nil)
		if err != nil {
			return err
		}
	}
	if a.TLS != nil {
		s.TLS = *a.TLS
		if err := s.TLS.check(); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		if s.CA, err = s.TLS.hashCA(); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
	}
	return nil
}

// Start starts the embedded etcd, or asks the endpoints whether they have the
// API, for at most 2 seconds.
func (a *App) Start() error {
	if a.embedded != nil {
		if err := a.connection.start(a.embedded); err != nil {
			return fmt.Errorf("starting the embedded etcd: %w", err)
		}
		return nil
	}
	return a.connection.check()
}

// Stop does nothing: requests that wait go on until they are answered, or until
// the process exits (see life).
func (a *App) Stop() error { return nil }

// Cleanup gives the reference to the connection back. Requests that still wait
// have references of their own.
func (a *App) Cleanup() error {
	if a.life != nil {
		a.life.retire()
	}
	for _, c := range a.conns {
		c.retire()
	}
	if a.connection != nil {
		a.connection.disconnect()
	}
	if caddy.Exiting() && a.life != nil && a.life.ctx.Err() != nil {
		closeAll()
	}
	return nil
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
