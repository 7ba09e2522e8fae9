package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// contract is an OpenAPI document that answers are held against, and what of it has
// been seen in them.
type contract struct {
	doc *openapi3.T

	mu   sync.Mutex
	seen parts
}

// newContract reads a document, which has to be valid.
func newContract(text []byte) (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	if !doc.IsOpenAPI31OrLater() {
		return nil, fmt.Errorf("it is of version %s", doc.OpenAPI)
	}
	return &contract{doc: doc, seen: parts{}}, doc.Validate(context.Background())
}

func init() {
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
}

// exchange is a request and its answer.
type exchange struct {
	request *http.Request
	body    string // of the request
	wrong   bool   // the document does not allow the request
	reply   reply  // of a stream, without its body
}

// check says how an exchange differs from what the document says.
func (c *contract) check(e exchange) error {
	route, key := c.route(e.request, e.reply.status)
	options := &openapi3filter.Options{IncludeResponseStatus: true, SkipSettingDefaults: true}
	request := &openapi3filter.RequestValidationInput{
		Request:    withBody(e.request, e.body),
		Route:      route,
		PathParams: map[string]string{"key": key},
		Options:    options,
	}
	var problems []error
	switch err := openapi3filter.ValidateRequest(context.Background(), request); {
	case err != nil && !e.wrong:
		problems = append(problems, fmt.Errorf("the document does not allow it: %w", err))
	case err == nil && e.wrong:
		problems = append(problems, errors.New("the document allows it"))
	}

	request.Request = withBody(e.request, "")
	request.Request.Method = http.MethodGet // the answer to a HEAD would not be looked at
	options.ExcludeResponseBody = e.request.Method == http.MethodHead
	response := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: e.reply.status, Header: e.reply.header, Options: options,
	}
	response.SetBodyBytes([]byte(e.reply.body))
	if err := openapi3filter.ValidateResponse(context.Background(), response); err != nil {
		problems = append(problems, err)
	}
	if documented := route.Operation.Responses.Status(e.reply.status); documented != nil {
		problems = append(problems, complete(documented.Value, e)...)
	}
	if err := c.checkAllow(e); err != nil {
		problems = append(problems, err)
	}
	if len(problems) == 0 {
		c.note(route, e)
	}
	return errors.Join(problems...)
}

// complete says what of an answer the document leaves out.
func complete(documented *openapi3.Response, e exchange) (problems []error) {
	head := e.request.Method == http.MethodHead
	none := len(documented.Content) == 0
	if (none || head) && e.reply.body != "" {
		problems = append(problems, fmt.Errorf("there is a body: %q", e.reply.body))
	}
	if kind := e.reply.header.Get("Content-Type"); none && !head && kind != "" {
		problems = append(problems, fmt.Errorf("there is a Content-Type: %s", kind))
	}
	for name := range e.reply.header {
		has := func(n string) bool { return http.CanonicalHeaderKey(n) == name }
		if !slices.Contains(unspoken, name) && !slices.ContainsFunc(slices.Collect(maps.Keys(documented.Headers)), has) {
			problems = append(problems, fmt.Errorf("the header %s is not documented", name))
		}
	}
	return problems
}

// checkAllow says if the methods that an answer names are others than the document's.
func (c *contract) checkAllow(e exchange) error {
	allow := e.reply.header.Get("Allow")
	path, _ := c.path(e.request.URL)
	if strings.HasSuffix(path, "/") {
		path += "{key}" // lists have the methods of keys, which then need one
	}
	item := c.doc.Paths.Value(path)
	if allow == "" || item == nil {
		return nil
	}
	got, want := strings.Split(allow, ", "), slices.Sorted(maps.Keys(item.Operations()))
	if slices.Sort(got); !slices.Equal(got, want) {
		return fmt.Errorf("it allows %v, and documented are %v", got, want)
	}
	return nil
}

// unspoken are headers that HTTP has anyway, or that are for browsers and proxies.
var unspoken = []string{
	"Accept-Ranges", "Cache-Control", "Connection", "Content-Length", "Content-Security-Policy", "Content-Type", "Cross-Origin-Opener-Policy",
	"Cross-Origin-Resource-Policy", "Date", "Referrer-Policy", "Server", "Vary", "X-Accel-Buffering", "X-Content-Type-Options",
}

func withBody(r *http.Request, body string) *http.Request {
	r = r.Clone(context.Background())
	r.Body, r.GetBody = io.NopCloser(strings.NewReader(body)), nil
	return r
}

// route is the operation that a request is for, and the key in its path. Where
// there is none, it is one that has only what the document says of such requests.
func (c *contract) route(r *http.Request, status int) (_ *routers.Route, key string) {
	path, key := c.path(r.URL)
	route := &routers.Route{Spec: c.doc, Path: path, PathItem: c.doc.Paths.Value(path), Method: r.Method}
	var name string
	switch {
	case route.PathItem == nil:
		route.PathItem, name = &openapi3.PathItem{}, "NotFound"
	case route.PathItem.GetOperation(r.Method) != nil:
		route.Operation = route.PathItem.GetOperation(r.Method)
		return route, key
	case status == http.StatusBadRequest:
		name = "KeyRequired"
	default:
		name = "MethodNotAllowed"
	}
	response := c.doc.Components.Responses[name]
	documented := map[string]int{"NotFound": http.StatusNotFound, "KeyRequired": http.StatusBadRequest, "MethodNotAllowed": http.StatusMethodNotAllowed}
	route.Path, route.Method = name, ""
	route.Operation = &openapi3.Operation{Responses: openapi3.NewResponses(openapi3.WithStatus(documented[name], response))}
	return route, key
}

// path is the document's path that an address is of, and the key in it.
func (c *contract) path(u *url.URL) (path, key string) {
	escaped := u.EscapedPath()
	for _, path := range []string{escaped, escaped + "/"} { // a list's slash may be left out
		if c.doc.Paths.Value(path) != nil {
			return path, ""
		}
	}
	for path := range c.doc.Paths.Map() {
		prefix, isKey := strings.CutSuffix(path, "{key}")
		if rest, below := strings.CutPrefix(escaped, prefix); isKey && below {
			key, _ := url.PathUnescape(rest)
			return path, key
		}
	}
	return escaped, ""
}

// checkEvent says how an event of a stream differs from what the document says.
func (c *contract) checkEvent(path, kind, data string) error {
	u, err := url.Parse(path)
	if err != nil {
		return err
	}
	path, _ = c.path(u)
	stream := c.doc.Paths.Value(path).Get.Responses.Status(http.StatusOK).Value.Content["text/event-stream"].Schema.Value
	kinds, _ := stream.Extensions["x-events"].(map[string]any)
	ref, _ := kinds[kind].(map[string]any)
	name, _ := ref["$ref"].(string)
	schema := c.doc.Components.Schemas[strings.TrimPrefix(name, "#/components/schemas/")]
	if schema == nil {
		return fmt.Errorf("there is no event %s", kind)
	}
	var object any
	if err := json.Unmarshal([]byte(data), &object); err != nil {
		return err
	}
	c.mu.Lock()
	c.seen.add("GET %s event %s", path, kind)
	c.mu.Unlock()
	return schema.Value.VisitJSON(object, openapi3.EnableJSONSchema2020())
}
