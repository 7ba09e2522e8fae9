package lockmod

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Params are a request's parameters: from its body, else from its query. An
// empty one is as good as none. The zero Params has none.
type Params struct {
	body, query url.Values
}

// ReadParams reads the parameters of a request with any method. The body counts
// if it is a form or a JSON object, and must not be longer than limit bytes. The
// error is an *Error.
func ReadParams(w http.ResponseWriter, r *http.Request, limit int64) (Params, error) {
	var p Params
	var err error
	if p.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return p, malformed("The query of the URL is malformed")
	}
	if r.Body == nil || r.Body == http.NoBody {
		return p, nil
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" && kind != "application/json" {
		return p, nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			return p, tooLarge(fmt.Sprintf("The request body is longer than %d bytes", limit))
		}
		return p, malformed("The request body could not be read")
	}
	if kind == "application/json" {
		p.body, err = parseJSON(text)
		return p, err
	}
	if p.body, err = url.ParseQuery(string(text)); err != nil {
		return p, malformed("The form in the request body is malformed")
	}
	return p, nil
}

// parseJSON reads an object of strings, numbers, booleans and nulls.
func parseJSON(text []byte) (url.Values, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		return nil, malformed("The request body is not a JSON object")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("The request body has something after its JSON object")
	}
	values := make(url.Values, len(object))
	for name, value := range object {
		switch v := value.(type) {
		case nil:
		case string:
			values.Set(name, v)
		case json.Number:
			values.Set(name, v.String())
		case bool:
			values.Set(name, strconv.FormatBool(v))
		default:
			return nil, malformed(fmt.Sprintf("The parameter %q is neither a string nor a number", name))
		}
	}
	return values, nil
}

// Get returns a parameter, or the empty string if there is none.
func (p Params) Get(name string) string {
	if v := p.body.Get(name); v != "" {
		return v
	}
	return p.query.Get(name)
}

// Text returns a parameter that must be valid UTF-8 of at most limit bytes.
func (p Params) Text(name string, limit int) (string, error) {
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
func (p Params) TTL(limit time.Duration) (time.Duration, error) {
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
func (p Params) Timeout() (time.Duration, error) {
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
func (p Params) Index() (index uint64, given bool, err error) {
	text := p.Get("index")
	if text == "" {
		return 0, false, nil
	}
	if index, err = number(text); err != nil {
		return 0, true, badIndex()
	}
	return index, true, nil
}

// number reads decimal digits, and nothing else.
func number(text string) (uint64, error) {
	if strings.Trim(text, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseUint(text, 10, 64)
}
