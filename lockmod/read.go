package lockmod

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ReadParams reads the parameters of a request with any method: from its body if
// that is a form or a JSON object, else from its query. Of two with one name, the
// first counts. The body, of whatever kind, must not be longer than limit bytes;
// it is read to its end, since only then net/http sees when the client goes. The
// error is an *Error.
func ReadParams(w http.ResponseWriter, r *http.Request, limit int64) (Params, error) {
	var p Params
	if err := p.readBody(w, r, limit); err != nil {
		return p, err
	}
	if !p.scan(r.URL.RawQuery) {
		return p, malformed("The query of the URL is malformed")
	}
	return p, nil
}

func (p *Params) readBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	body := http.MaxBytesReader(w, r.Body, limit+overrun)
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case err != nil:
		return malformed("The request body could not be read")
	case int64(len(text)) > limit:
		_, _ = io.Copy(io.Discard, body)
		return tooLarge(fmt.Sprintf("The request body is longer than %d bytes", limit))
	}
	switch mediaType(r.Header.Get("Content-Type")) {
	case "application/x-www-form-urlencoded":
		if !p.scan(string(text)) {
			return malformed("The form in the request body is malformed")
		}
		p.unpin()
	case "application/json":
		return p.parseJSON(text)
	}
	return nil
}

// overrun is how much more than its limit is read of a body that is too long, and
// thrown away: a client that is still sending when the connection is closed may
// never see its answer.
const overrun = 4 << 20

// mediaType is the kind in a Content-Type, without its parameters.
func mediaType(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// scan adds the parameters of a form or a query, and says whether it is well
// formed. A semicolon is a character like any other, as it is to browsers.
func (p *Params) scan(form string) bool {
	for pair := range strings.SplitSeq(form, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return false
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return false
		}
		p.add(name, value)
	}
	return true
}

// unpin copies the parameters out of the body that they are parts of, so that a
// request that waits does not keep a long body in memory.
func (p *Params) unpin() {
	for i := range p.values {
		p.values[i] = strings.Clone(p.values[i])
	}
}

// parseJSON adds the parameters of an object.
func (p *Params) parseJSON(text []byte) error {
	if len(bytes.Trim(text, " \t\r\n")) == 0 {
		return nil
	}
	if !utf8.Valid(text) || loneSurrogate(text) {
		return malformed("The request body is not valid Unicode") // encoding/json would put one character for all that are not
	}
	var object map[string]json.RawMessage
	err := json.Unmarshal(text, &object)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return malformed(fmt.Sprintf("The request body is not valid JSON at byte %d", syntax.Offset))
	case err != nil, object == nil:
		return malformed("The request body is not a JSON object")
	}
	for name, raw := range object {
		i := find(name)
		if i < 0 {
			continue
		}
		switch first := raw[0]; {
		case first == '"':
			_ = json.Unmarshal(raw, &p.values[i]) // the object's parser has seen that it is a string
		case first == 'n': // null
		case name == "wait" && (first == 't' || first == 'f'):
			p.values[i] = string(raw)
		case known[i].number && first != '{' && first != '[' && first != 't' && first != 'f':
			p.values[i] = string(raw)
		case known[i].number:
			return malformed(fmt.Sprintf("The given %s is neither a number nor a string", name))
		default:
			return malformed(fmt.Sprintf("The given %s is not a string", name))
		}
	}
	return nil
}

// loneSurrogate says whether JSON text escapes half of a pair of UTF-16 alone.
// Two values that differ in such a half only must not become one.
func loneSurrogate(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		switch unit := escapedUnit(text[i:]); {
		case isHigh(unit) && isLow(escapedUnit(text[i+6:])):
			i += 11
		case isHigh(unit), isLow(unit):
			return true
		default:
			i++ // whatever is escaped, a backslash perhaps
		}
	}
	return false
}

func isHigh(unit uint64) bool { return unit>>10 == 0xd800>>10 }
func isLow(unit uint64) bool  { return unit>>10 == 0xdc00>>10 }

// escapedUnit is the UTF-16 unit that text begins with the escape of, or 0.
func escapedUnit(text []byte) uint64 {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return unit
}
