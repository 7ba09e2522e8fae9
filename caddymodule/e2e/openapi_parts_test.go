package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/routers"
)

// parts are what a document consists of, as far as a test can see it in requests and
// answers, each as a line of text.
type parts map[string]bool

func (p parts) add(format string, args ...any) { p[fmt.Sprintf(format, args...)] = true }

// note adds what an exchange shows.
func (c *contract) note(route *routers.Route, e exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if route.Method == "" {
		c.seen.add("%s", route.Path)
		return
	}
	answer := fmt.Sprintf("%s %s %d", route.Method, route.Path, e.reply.status)
	c.seen.add("%s", answer)
	for name := range e.reply.header {
		c.seen.add("%s has %s", answer, name)
	}
	if e.request.Method != http.MethodHead {
		kind, _, _ := strings.Cut(e.reply.header.Get("Content-Type"), ";")
		c.seen.add("%s as %s", answer, kind)
		var failure struct{ ErrorCode int }
		_ = json.Unmarshal([]byte(e.reply.body), &failure)
		c.seen.add("%s with %d", answer, failure.ErrorCode)
	}

	if e.reply.status >= http.StatusBadRequest {
		return // a parameter has to be good for something
	}
	request := route.Method + " " + route.Path
	for name := range e.request.URL.Query() {
		c.seen.add("%s in query: %s", request, name)
	}
	for name := range e.request.Header {
		c.seen.add("%s in header: %s", request, name)
	}
	kind := e.request.Header.Get("Content-Type")
	form, members := url.Values{}, object{}
	if kind == "application/json" {
		_ = json.Unmarshal([]byte(e.body), &members)
	} else {
		form, _ = url.ParseQuery(e.body)
	}
	for name := range form {
		c.seen.add("%s in %s: %s", request, kind, name)
	}
	for name := range members {
		c.seen.add("%s in %s: %s", request, kind, name)
	}
}

// object is a JSON object of the document.
type object = map[string]any

// document is the text of one, for a look at all of it.
type document struct{ root object }

// at is an object that may be a reference. What stands beside the reference wins.
func (d document) at(v any) object {
	o, _ := v.(object)
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	target := any(d.root)
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		target = target.(object)[name]
	}
	merged := maps.Clone(d.at(target))
	maps.Copy(merged, o)
	delete(merged, "$ref")
	return merged
}

// documented are all parts of a document.
func documented(text []byte) (parts, error) {
	var d document
	if err := json.Unmarshal(text, &d.root); err != nil {
		return nil, err
	}
	p := parts{"NotFound": true, "KeyRequired": true, "MethodNotAllowed": true}
	for path, item := range d.at(d.root["paths"]) {
		for method, operation := range d.at(item) {
			if method != "parameters" {
				d.operation(p, strings.ToUpper(method)+" "+path, d.at(operation))
			}
		}
	}
	return p, nil
}

func (d document) operation(p parts, name string, operation object) {
	parameters, _ := operation["parameters"].([]any)
	for _, parameter := range parameters {
		parameter := d.at(parameter)
		label, _ := parameter["name"].(string)
		if parameter["in"] == "header" {
			label = http.CanonicalHeaderKey(label)
		}
		p.add("%s in %s: %s", name, parameter["in"], label)
	}
	for kind, body := range d.at(d.at(operation["requestBody"])["content"]) {
		for property := range d.at(d.at(d.at(body)["schema"])["properties"]) {
			p.add("%s in %s: %s", name, kind, property)
		}
	}
	for status, response := range d.at(operation["responses"]) {
		answer, response := name+" "+status, d.at(response)
		p.add("%s", answer)
		for header := range d.at(response["headers"]) {
			p.add("%s has %s", answer, http.CanonicalHeaderKey(header))
		}
		if strings.HasPrefix(name, http.MethodHead) {
			continue // it has no body to see
		}
		for kind, body := range d.at(response["content"]) {
			p.add("%s as %s", answer, kind)
			schema := d.at(d.at(body)["schema"])
			codes, _ := d.at(d.at(schema["properties"])["errorCode"])["enum"].([]any)
			for _, code := range codes {
				p.add("%s with %v", answer, code)
			}
			for event := range d.at(schema["x-events"]) {
				p.add("%s event %s", name, event)
			}
		}
	}
}

// without are the parts that others don't have.
func (p parts) without(others parts) []string {
	var list []string
	for part := range p {
		if !others[part] {
			list = append(list, part)
		}
	}
	slices.Sort(list)
	return list
}
