package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"
)

func parseLock(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	l := new(Lock)
	return l, l.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile parses the handler. Syntax:
//
//	etcd_lock [<matcher>] {
//	    max_waiting <number>
//	    max_key     <size>
//	    max_value   <size>
//	    max_body    <size>
//	    max_ttl     <duration>
//	}
//
// The block and everything in it are optional. Sizes are in bytes, or with a
// unit: 64KiB.
func (l *Lock) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // etcd_lock
	return l.unmarshalLimits(d)
}

// unmarshalLimits parses what comes after the name.
func (l *Lock) unmarshalLimits(d *caddyfile.Dispenser) error {
	directive := d.Val()
	if err := nothingMore(d, directive); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		switch name := d.Val(); name {
		case "max_waiting":
			err = readNumber(d, &l.MaxWaiting, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 31) })
		case "max_key":
			err = readNumber(d, &l.MaxKey, humanize.ParseBytes)
		case "max_value":
			err = readNumber(d, &l.MaxValue, humanize.ParseBytes)
		case "max_body":
			err = readNumber(d, &l.MaxBody, humanize.ParseBytes)
		case "max_ttl":
			err = readDuration(d, &l.MaxTTL)
		default:
			return d.Errf("unknown option '%s' in %s", name, directive)
		}
		if err != nil {
			return err
		}
	}
	if err := l.setLimits(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func readNumber(d *caddyfile.Dispenser, to *int, parse func(string) (uint64, error)) error {
	if *to != 0 {
		return setTwice(d)
	}
	name, word := d.Val(), ""
	if err := oneWord(d, &word); err != nil {
		return err
	}
	n, err := parse(word)
	if err != nil || n == 0 || n > 1<<31-1 {
		return d.Errf("%s '%s' is not a number above 0", name, word)
	}
	*to = int(n)
	return nil
}

func readDuration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	if *to != 0 {
		return setTwice(d)
	}
	name, word := d.Val(), ""
	if err := oneWord(d, &word); err != nil {
		return err
	}
	duration, err := caddy.ParseDuration(word)
	if err != nil || duration <= 0 {
		return d.Errf("%s '%s' is not a duration above 0", name, word)
	}
	*to = caddy.Duration(duration)
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Lock)(nil)
