package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
)

// Limits bound what one request may ask of a handler, and how many requests may
// wait. What a request asks beyond them is refused.
type Limits struct {
	// How many requests may wait for their turn at once, and how many others for what
	// happens (events, or `wait=true`); more are answered with 429. Default: 100000.
	MaxWaiting int `json:"max_waiting,omitempty"`

	// The longest key, in bytes; 413 beyond. Default: 1024.
	MaxKey int `json:"max_key,omitempty"`

	// The longest value of a lock, or name of a candidate, in bytes, up to 1 MiB,
	// because etcd takes no more; 413 beyond. Default: 65536.
	MaxValue int `json:"max_value,omitempty"`

	// The longest body of a request, in bytes; 413 beyond. It has to hold the
	// value, percent-encoded. Default: 262144.
	MaxBody int `json:"max_body,omitempty"`

	// The longest TTL that a client may ask for, in whole seconds; 400 beyond.
	// Default: `24h`.
	MaxTTL caddy.Duration `json:"max_ttl,omitempty"`
}

// mostValue leaves room for the rest of etcd's 1.5 MiB for a request.
const mostValue = 1 << 20

// resolve checks the limits, and fills in the defaults.
func (l Limits) resolve() (lockmod.Limits, error) {
	limits := lockmod.DefaultLimits()
	for _, f := range []struct {
		name  string
		value int
		limit *int
	}{
		{"max_waiting", l.MaxWaiting, &limits.MaxWaiting},
		{"max_key", l.MaxKey, &limits.MaxKey},
		{"max_value", l.MaxValue, &limits.MaxValue},
		{"max_body", l.MaxBody, &limits.MaxBody},
	} {
		if f.value < 0 {
			return limits, fmt.Errorf("%s %d is negative", f.name, f.value)
		}
		if f.value > 0 {
			*f.limit = f.value
		}
	}
	if limits.MaxValue > mostValue {
		return limits, fmt.Errorf("max_value %d is more than the %d that etcd can hold", l.MaxValue, mostValue)
	}
	switch ttl := time.Duration(l.MaxTTL); {
	case ttl == 0:
	case ttl < time.Second || ttl%time.Second != 0:
		return limits, fmt.Errorf("max_ttl %s is not a whole number of seconds, at least 1", ttl)
	default:
		limits.MaxTTL = ttl
	}
	return limits, nil
}
