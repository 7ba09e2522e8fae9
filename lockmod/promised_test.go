package lockmod

import (
	"bytes"
	"encoding/json"
	"math/big"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// What the API promises of parameters, written down a second time, in the simplest way
// and without a thought to speed: the fuzz targets compare with it.

// promised are a request's parameters, those that are not empty. code is 0, or that of
// an error which the request has to get: 209 for what is malformed, 213 for a body that
// is too long.
func promised(query, contentType, body string, limit int) (parameters map[string]string, code int) {
	if len(body) > limit {
		return nil, 213
	}
	inBody, ok := map[string]string{}, true
	kind, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case formType:
		inBody, ok = promisedForm(body)
	case "application/json":
		inBody, ok = promisedJSON(body)
	}
	inQuery, queryOK := promisedForm(query)
	if !ok || !queryOK {
		return nil, 209
	}
	for name, value := range inBody {
		inQuery[name] = value
	}
	return inQuery, 0
}

// promisedForm reads a form or a query as net/http does, but that a semicolon is a
// character like any other.
func promisedForm(text string) (map[string]string, bool) {
	form, err := url.ParseQuery(strings.ReplaceAll(text, ";", "%3B"))
	parameters := map[string]string{}
	for _, k := range known {
		for _, value := range form[k.name] {
			if value != "" {
				parameters[k.name] = value
				break
			}
		}
	}
	return parameters, err == nil
}

// What is left of JSON text without escaped backslashes, and without pairs of UTF-16,
// has no half of one.
var (
	pair = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
	half = regexp.MustCompile(`\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)
)

// promisedJSON reads an object: what it says of a parameter is a string or null, or a
// number where the parameter is one, or a boolean if it is wait. The body may be empty.
func promisedJSON(text string) (map[string]string, bool) {
	if strings.Trim(text, " \t\r\n") == "" {
		return nil, true
	}
	if !utf8.ValidString(text) || half.MatchString(pair.ReplaceAllString(strings.ReplaceAll(text, `\\`, "-"), "-")) {
		return nil, false
	}
	if !json.Valid([]byte(text)) {
		return nil, false
	}
	var v any
	numbers := json.NewDecoder(bytes.NewReader([]byte(text)))
	numbers.UseNumber()
	if err := numbers.Decode(&v); err != nil {
		return nil, false
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	parameters := map[string]string{}
	for _, k := range known {
		switch v := object[k.name].(type) {
		case nil:
		case string:
			parameters[k.name] = v
		case json.Number:
			parameters[k.name] = v.String()
			ok = ok && k.number
		case bool:
			parameters[k.name] = map[bool]string{true: "true", false: "false"}[v]
			ok = ok && k.name == "wait"
		default:
			ok = false
		}
		if parameters[k.name] == "" {
			delete(parameters, k.name)
		}
	}
	return parameters, ok
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// promisedNumber reads whole decimal digits: nil if they are no number.
func promisedNumber(text string) *big.Int {
	if !digits.MatchString(text) {
		return nil
	}
	n, _ := new(big.Int).SetString(text, 10)
	return n
}

// within says whether n is a number from low to high.
func within(n *big.Int, low, high uint64) bool {
	return n != nil && n.Cmp(new(big.Int).SetUint64(low)) >= 0 && n.Cmp(new(big.Int).SetUint64(high)) <= 0
}
