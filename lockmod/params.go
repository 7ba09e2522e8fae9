package lockmod

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// known are the parameters that there are. Any other is ignored.
var known = [...]struct {
	name   string
	number bool // in JSON it may be a number
}{
	{"ttl", true}, {"timeout", true}, {"index", true}, {"value", false}, {"name", false}, {"field", false},
	{"wait", false}, {"waitIndex", true}, {"prefix", false}, {"limit", true}, {"continue", false},
}

// Params are a request's parameters. One that is empty is as good as none. The
// zero Params has none.
type Params struct {
	values [len(known)]string // in the order of known
}

// find returns the index of a parameter in known, or -1.
func find(name string) int {
	for i := range known {
		if known[i].name == name {
			return i
		}
	}
	return -1
}

// Get returns a parameter, or the empty string if there is none.
func (p *Params) Get(name string) string {
	if i := find(name); i >= 0 {
		return p.values[i]
	}
	return ""
}

// add gives a parameter its value, unless it has one.
func (p *Params) add(name, value string) {
	if i := find(name); i >= 0 && p.values[i] == "" {
		p.values[i] = value
	}
}

// Text returns a parameter that must be valid UTF-8 of at most limit bytes.
func (p *Params) Text(name string, limit int) (string, error) {
	v := p.Get(name)
	switch {
	case len(v) > limit:
		return "", tooLarge(fmt.Sprintf("The given %s is longer than %d bytes", name, limit))
	case !utf8.ValidString(v):
		return "", malformed(fmt.Sprintf("The given %s is not valid UTF-8", name))
	}
	return v, nil
}

// TTL returns the ttl: whole seconds, at least 1 and at most limit.
func (p *Params) TTL(limit time.Duration) (time.Duration, error) {
	n, err := number(p.Get("ttl"))
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > uint64(limit/time.Second):
		return 0, badTTL(fmt.Sprintf("The given TTL in POST form is longer than %d seconds", limit/time.Second))
	case err != nil:
		return 0, badTTL("The given TTL in POST form is not a number")
	case n == 0:
		return 0, badTTL("The given TTL in POST form is less than 1")
	}
	return time.Duration(n) * time.Second, nil
}

// maxTimeout is more than anybody waits; a longer timeout is as good as none.
const maxTimeout = 100 * 365 * 24 * time.Hour

// Timeout returns the timeout: whole seconds, at least 0, or WaitForever.
func (p *Params) Timeout() (time.Duration, error) {
	text := p.Get("timeout")
	if text == "" {
		return WaitForever, nil
	}
	n, err := number(text)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > uint64(maxTimeout/time.Second):
		return WaitForever, nil
	case err != nil:
		return 0, badTimeout()
	}
	return time.Duration(n) * time.Second, nil
}

// Index returns the index, or 0 if there is none. No entry has index 0.
func (p *Params) Index() (index uint64, given bool, err error) { return p.index("index") }

// WaitIndex returns the index of the holder that the client knows, which may be 0.
func (p *Params) WaitIndex() (index uint64, given bool, err error) { return p.index("waitIndex") }

func (p *Params) index(name string) (index uint64, given bool, err error) {
	text := p.Get(name)
	if text == "" {
		return 0, false, nil
	}
	if index, err = number(text); err != nil {
		return 0, true, badIndex(name)
	}
	return index, true, nil
}

// Wait says whether the client wants to wait for a change.
func (p *Params) Wait() (bool, error) {
	switch text := p.Get("wait"); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, malformed("The given wait is neither true nor false")
}

// How many keys a list has.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// Limit returns the limit: how many keys a list should have, at least 1.
func (p *Params) Limit() (int, error) {
	text := p.Get("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := number(text)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return maxLimit, nil
	case err != nil:
		return 0, malformed("The given limit is not a number")
	case n == 0:
		return 0, malformed("The given limit is less than 1")
	}
	return int(min(n, maxLimit)), nil
}

// number reads decimal digits, and nothing else.
func number(text string) (uint64, error) {
	if strings.Trim(text, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseUint(text, 10, 64)
}
