package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() { httpcaddyfile.RegisterGlobalOption("etcd", parseOption) }

// parseOption parses the global option. See UnmarshalCaddyfile.
func parseOption(d *caddyfile.Dispenser, before any) (any, error) {
	if before != nil {
		return nil, d.Err("the etcd option is given twice")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "etcd", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from the global option:
//
//	etcd {
//	    embedded  <folder> {
//	        ...
//	    }
//	    endpoints <url> [<url>...]
//	    api       v3
//	    prefix    <prefix>
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
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.Errf("unexpected '%s' after etcd", d.Val())
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		name := d.Val()
		if err := once(d, seen, name); err != nil {
			return err
		}
		switch name {
		case "embedded":
			server, err := caddyfile.UnmarshalModule(d, embeddedID)
			if err != nil {
				return err
			}
			a.EmbeddedRaw = caddyconfig.JSON(server, nil)
		case "endpoints":
			a.Endpoints = d.RemainingArgs()
			if len(a.Endpoints) == 0 {
				return d.Err("endpoints needs at least one URL")
			}
			for _, endpoint := range a.Endpoints {
				if _, err := parseEndpoint(endpoint); err != nil && !hasPlaceholder(endpoint) {
					return d.WrapErr(err)
				}
			}
		case "api":
			if err := one(d, &a.API); err != nil {
				return err
			}
		case "prefix":
			if err := one(d, &a.Prefix); err != nil {
				return err
			}
		case "username":
			if err := one(d, &a.Username); err != nil {
				return err
			}
		case "password":
			if err := one(d, &a.Password); err != nil {
				return err
			}
		case "tls":
			a.TLS = new(TLS)
			if err := a.TLS.unmarshalCaddyfile(d); err != nil {
				return err
			}
		default:
			return d.Errf("unknown etcd option '%s'", name)
		}
	}
	switch {
	case a.EmbeddedRaw != nil && len(a.Endpoints) > 0:
		return d.Err("embedded and endpoints exclude each other")
	case a.EmbeddedRaw == nil && len(a.Endpoints) == 0:
		return d.Err("the etcd option needs either embedded or endpoints")
	}
	return nil
}

func (t *TLS) unmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("unexpected '%s' after tls", d.Val())
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if err := once(d, seen, name); err != nil {
			return err
		}
		var into *string
		switch name {
		case "ca":
			into = &t.CA
		case "cert":
			into = &t.Cert
		case "key":
			into = &t.Key
		case "server_name":
			into = &t.ServerName
		case "insecure_skip_verify":
			if d.NextArg() {
				return d.Errf("unexpected '%s' after %s", d.Val(), name)
			}
			t.InsecureSkipVerify = true
			continue
		default:
			return d.Errf("unknown tls option '%s'", name)
		}
		if err := one(d, into); err != nil {
			return err
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return d.Err("tls needs both cert and key, or neither")
	}
	return nil
}

// one reads the one argument of the word that the dispenser is at.
func one(d *caddyfile.Dispenser, into *string) error {
	name := d.Val()
	if !d.NextArg() {
		return d.Errf("%s needs a value", name)
	}
	*into = d.Val()
	if d.NextArg() {
		return d.Errf("unexpected '%s' after %s %s", d.Val(), name, *into)
	}
	return nil
}

// once refuses a word that stands in a block for the second time.
func once(d *caddyfile.Dispenser, seen map[string]bool, name string) error {
	if seen[name] {
		return d.Errf("%s is given twice", name)
	}
	seen[name] = true
	return nil
}

// Interface guard.
var _ caddyfile.Unmarshaler = (*App)(nil)
