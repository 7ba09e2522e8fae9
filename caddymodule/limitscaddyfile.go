package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// unmarshalCaddyfile parses what comes after the name of a handler with limits, or
// of its part of the etcd directive.
func (l *Limits) unmarshalCaddyfile(d *caddyfile.Dispenser) error {
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
	if _, err := l.resolve(); err != nil {
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
