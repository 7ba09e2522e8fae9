package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// Everything that a gateway answers is in the OpenAPI document, and everything in the
// document is answered at some time: each method of each path, each status and
// errorCode, each kind of body and each header, each parameter in each place where it
// may stand, and each event.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	text := readDocument(t)
	c, err := newContract(text)
	if err != nil {
		t.Fatal(err)
	}
	all, err := documented(text)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("on", func(t *testing.T) {
		for _, b := range []backend{v3on37, v2on35} {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				e := b.run(t)
				x := &examiner{T: t, contract: c, gateway: e.gateway(t)}
				x.run("locks", (*examiner).locks)
				x.run("elections", (*examiner).elections)
				x.run("lists", func(x *examiner) {
					x.list("lock", http.MethodPost, "value")
					x.list("leader", http.MethodPut, "name")
				})
				x.run("events", func(x *examiner) {
					x.events("lock", http.MethodPost, "value")
					x.events("leader", http.MethodPut, "name")
					x.forgotten(e)
				})
				x.run("the document", func(x *examiner) { x.document(string(text)) })
				x.run("the dashboard", (*examiner).dashboard)
				x.run("a dashboard to look at", func(x *examiner) { x.readOnly(e) })
				x.run("what is not listed", (*examiner).unlisted)
				x.run("too many", func(x *examiner) { x.tooMany(e) })
				if !b.looksFirst { // it often finds out before it has written anything
					x.run("without etcd", func(x *examiner) { x.withoutEtcd(e) })
				}
			})
		}
	})
	for _, part := range unprovoked {
		if !all[part] {
			t.Errorf("%s is not in the document", part)
		}
		delete(all, part)
	}
	if missing := all.without(c.seen); len(missing) > 0 && !t.Failed() {
		t.Errorf("documented, and not seen:\n%s", strings.Join(missing, "\n"))
	}
}

// unprovoked are parts of the document that this test has no means to see.
var unprovoked = []string{
	// A renewal is a look, and then a write: only the answer to the second must be
	// lost, and only of one with another TTL.
	"PUT /mod/v2/lock/{key} 504", "PUT /mod/v2/lock/{key} 504 as application/json",
	"PUT /mod/v2/lock/{key} 504 has X-Etcd-Index", "PUT /mod/v2/lock/{key} 504 with 301",

	// It takes a gateway that stops just when it asks the members. When etcd is away,
	// that is what it tells.
	"GET /mod/dashboard/api/cluster 503", "GET /mod/dashboard/api/cluster 503 as application/json",
	"GET /mod/dashboard/api/cluster 503 has X-Etcd-Index", "GET /mod/dashboard/api/cluster 503 has Retry-After",
	"GET /mod/dashboard/api/cluster 503 with 300", "HEAD /mod/dashboard/api/cluster 503",
	"HEAD /mod/dashboard/api/cluster 503 has X-Etcd-Index", "HEAD /mod/dashboard/api/cluster 503 has Retry-After",
}

func readDocument(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../openapi/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// document looks at how the document itself is served.
func (x *examiner) document(text string) {
	const path = "/mod/openapi.json"
	r := x.do(probe{method: "GET", target: path})
	tag := r.header.Get("ETag")
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Content-Length": fmt.Sprint(len(text)), "Cache-Control": "no-cache",
	} {
		if got := r.header.Get(name); got != want {
			x.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.body != text {
		x.Error("it is not the document of the checkout")
	}
	for tags, status := range map[string]int{
		tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304, `"other"`: 200, strings.Trim(tag, `"`): 200,
	} {
		r := x.do(probe{method: "GET", target: path, header: []string{"If-None-Match", tags}, status: status})
		if status == http.StatusNotModified && (r.body != "" || r.header.Get("ETag") != tag) {
			x.Errorf("for %s it is %v, with %v", tags, r, r.header)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		x.do(probe{method: method, target: path, status: 405, code: 214})
	}
	x.do(probe{method: "GET", target: path + "/", status: 404, code: 100})
}

// What the contract is for: it finds what is not as it is documented.
func TestOpenAPIContract(t *testing.T) {
	t.Parallel()
	c, err := newContract(readDocument(t))
	if err != nil {
		t.Fatal(err)
	}
	const held = `{"key":"k","index":2,"value":"-","ttl":58,"queue":[{"index":2,"value":"-","state":"held","ttl":58}]`
	with := func(headers ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return h
	}
	object := with("Content-Type", "application/json", "X-Etcd-Index", "2")
	text := with("Content-Type", "text/plain; charset=utf-8", "X-Etcd-Index", "2", "X-Lock-Index", "2", "X-Lock-TTL", "58")
	for name, x := range map[string]struct {
		method, target string
		status         int
		body           string
		header         http.Header
		problem        string
	}{
		"as it is":               {"GET", "lock/a%2Fb", 200, held + "}", object, ""},
		"a grant":                {"POST", "lock/k?ttl=60", 200, "2", text, ""},
		"a new field":            {"GET", "lock/k", 200, held + `,"new":1}`, object, "at '/new': false schema"},
		"a field of events":      {"GET", "lock/k", 200, held + `,"entry":{"index":2,"value":"-"}}`, object, "at '/entry': false schema"},
		"a missing field":        {"GET", "lock/k", 200, `{"key":"k","value":"","ttl":0,"queue":[]}`, object, "'index'"},
		"another type":           {"GET", "lock/k", 200, strings.Replace(held, `"ttl":58`, `"ttl":"58"`, 1) + "}", object, "got string, want integer"},
		"a new state":            {"GET", "lock/k", 200, strings.Replace(held, "held", "new", 1) + "}", object, "'held', 'waiting'"},
		"a new status":           {"GET", "lock/k", 202, held + "}", object, "status is not supported"},
		"a new method":           {"PATCH", "lock/k", 200, "", object, "status is not supported"},
		"a new path":             {"GET", "new/k", 200, "", object, "status is not supported"},
		"a new header":           {"DELETE", "lock/k?index=2", 200, "", with("X-Etcd-Index", "2", "X-New", "2"), "X-New is not documented"},
		"a missing header":       {"POST", "lock/k?ttl=60", 200, "2", with("Content-Type", "text/plain", "X-Etcd-Index", "2"), "X-Lock-Index"},
		"another kind":           {"GET", "lock/k", 200, "2", with("Content-Type", "text/html", "X-Etcd-Index", "2"), "text/html"},
		"a body":                 {"DELETE", "lock/k?index=2", 200, "2", with("X-Etcd-Index", "2"), "there is a body"},
		"a newline":              {"POST", "lock/k?ttl=60", 200, "2\n", text, "does not match pattern"},
		"a new errorCode":        {"GET", "lock/k?index=1", 412, `{"errorCode":102,"message":"m","cause":"Get","index":2}`, object, "not one of the allowed values [101]"},
		"a parameter":            {"POST", "lock/k?ttl=soon", 200, "2", text, "the document does not allow it"},
		"an error without index": {"GET", "lock/k?index=1", 412, `{"errorCode":101,"message":"m","cause":"Get"}`, object, `"index" is missing`},
	} {
		request, err := http.NewRequestWithContext(t.Context(), x.method, "http://gateway/mod/v2/"+x.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = c.check(exchange{request: request, reply: reply{status: x.status, body: x.body, header: x.header}})
		if (err == nil) != (x.problem == "") || err != nil && !strings.Contains(err.Error(), x.problem) {
			t.Errorf("%s: %v, want %q", name, err, x.problem)
		}
	}
	const event = `,"entry":{"index":2,"value":"-"}}`
	for _, x := range []struct{ path, kind, data, problem string }{
		{"/mod/v2/lock/k", "state", held + "}", ""},
		{"/mod/v2/lock/k", "acquired", held + event, ""},
		{"/mod/v2/lock/?prefix=k", "state", `{"items":[` + held + "}]}", ""},
		{"/mod/v2/lock/k", "state", held + event, "at '/entry': false schema"},
		{"/mod/v2/lock/k", "acquired", held + "}", "'entry'"},
		{"/mod/v2/lock/k", "new", held + event, "there is no event new"},
		{"/mod/v2/lock/", "state", held + "}", "'items'"},
		{"/mod/v2/lock/", "state", `{"items":[],"continue":"k"}`, "'continue'"},
	} {
		if err := c.checkEvent(x.path, x.kind, x.data); (err == nil) != (x.problem == "") || err != nil && !strings.Contains(err.Error(), x.problem) {
			t.Errorf("%s of %s: %v, want %q", x.kind, x.path, err, x.problem)
		}
	}
}
