package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("etcd", parseGlobalOption)
}

// parseGlobalOption parses the global option that names the etcd.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("the global option etcd is set twice")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "etcd", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile parses the global option. Syntax:
//
//	etcd {
//	    embedded  <data folder> { ... }
//	    endpoints <addresses...>
//	    api       v3|v2
//	    prefix    <path>
//	    username  <name>
//	    password  <password>
//	    tls {
//	        ca          <file>
//	        cert        <file>
//	        key         <file>
//	        server_name <name>
//	        insecure_skip_verify
//	    }
//	}
//
// One of embedded and endpoints is required, everything else is optional, and
// nothing may be set twice. A bare tls means the system's certificate
// authorities. For embedded's block, see package embedded.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // etcd
	if d.NextArg() {
		return d.Errf("unexpected '%s' after etcd: its options stand in a block", d.Val())
	}
	for d.NextBlock(0) {
		var err error
		switch name := d.Val(); name {
		case "embedded":
			err = a.unmarshalEmbedded(d)
		case "endpoints":
			if a.Endpoints != nil {
				return setTwice(d)
			}
			if a.Endpoints = d.RemainingArgs(); len(a.Endpoints) == 0 {
				return d.Err("endpoints needs at least one address")
			}
		case "api":
			err = oneWord(d, &a.API)
			if _, known := apis[a.API]; err == nil && !known {
				return d.Errf("api '%s' is none of v2, v3", a.API)
			}
		case "prefix":
			err = oneWord(d, &a.Prefix)
		case "username":
			err = oneWord(d, &a.Username)
		case "password":
			err = oneWord(d, &a.Password)
		case "tls":
			if a.TLS != nil {
				return setTwice(d)
			}
			a.TLS = new(TLS)
			err = a.TLS.unmarshalCaddyfile(d)
		default:
			return d.Errf("unknown option '%s' in etcd", name)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case a.EmbeddedRaw == nil && a.Endpoints == nil:
		return d.Err("etcd needs one of embedded, endpoints")
	case a.EmbeddedRaw != nil && a.Endpoints != nil:
		return d.Err("embedded and endpoints are both set; one etcd it has to be")
	case slices.ContainsFunc(a.Endpoints, hasPlaceholder):
		return nil
	}
	if _, _, err := parseEndpoints(a.Endpoints, a.TLS != nil); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *App) unmarshalEmbedded(d *caddyfile.Dispenser) error {
	if a.EmbeddedRaw != nil {
		return setTwice(d)
	}
	module, err := caddyfile.UnmarshalModule(d, embeddedID)
	if err != nil {
		return explainMissing(err)
	}
	a.EmbeddedRaw = caddyconfig.JSON(module, nil)
	return nil
}

func (t *TLS) unmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("unexpected '%s' after tls: its options stand in a block", d.Val())
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		switch name := d.Val(); name {
		case "ca":
			err = oneWord(d, &t.CA)
		case "cert":
			err = oneWord(d, &t.Cert)
		case "key":
			err = oneWord(d, &t.Key)
		case "server_name":
			err = oneWord(d, &t.ServerName)
		case "insecure_skip_verify":
			if t.InsecureSkipVerify {
				return setTwice(d)
			}
			t.InsecureSkipVerify = true
			err = nothingMore(d, name)
		default:
			return d.Errf("unknown option '%s' in tls", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// oneWord reads the one argument of the option that d stands at, which must not
// have been set before.
func oneWord(d *caddyfile.Dispenser, to *string) error {
	if *to != "" {
		return setTwice(d)
	}
	name := d.Val()
	if !d.NextArg() || d.Val() == "" {
		return d.Errf("%s needs a value", name)
	}
	*to = d.Val()
	return nothingMore(d, name)
}

func nothingMore(d *caddyfile.Dispenser, name string) error {
	if d.NextArg() {
		return d.Errf("unexpected '%s' after %s", d.Val(), name)
	}
	return nil
}

func setTwice(d *caddyfile.Dispenser) error { return d.Errf("%s is set twice", d.Val()) }

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)
