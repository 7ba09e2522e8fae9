package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const notUTF8 = "%FF"

var tooLong = strings.Repeat("k", 1025)

// elsewhere is a page of another site.
var elsewhere = []string{"Origin", "https://other.example.com", "Sec-Fetch-Site", "cross-site"}

func (x *examiner) locks() {
	const k = "lock/customer1"
	index := x.once(probe{method: "POST", target: k + "?ttl=60&value=bar"}).body
	x.each(places("POST", k, "ttl=60", "timeout=2", "value=bar")...)
	x.each(places("PUT", k, "ttl=60", "value=bar")...)
	x.each(places("PUT", k, "ttl=60", "index="+index)...)
	waits := x.begin(probe{method: "POST", target: k + "?ttl=60&value=foo", status: 410, code: 212})
	x.gets(k, index)
	x.each(
		probe{method: "POST", target: k + "?ttl=60&value=bar", header: acceptJSON},
		probe{method: "POST", target: k, status: 400, code: 202},
		probe{method: "POST", target: k + "?ttl=0", status: 400, code: 202, wrong: true},
		probe{method: "POST", target: k + "?ttl=60&timeout=soon", status: 400, code: 205, wrong: true},
		probe{method: "POST", target: k, body: `{"ttl":60,"value":[]}`, status: 400, code: 209, wrong: true},
		probe{method: "POST", target: "lock/" + notUTF8 + "?ttl=60", status: 400, code: 210},
		probe{method: "POST", target: "lock/" + tooLong + "?ttl=60", status: 413, code: 213},
		probe{method: "POST", target: k + "?ttl=60&timeout=0", status: 423, code: 215},
		probe{method: "POST", target: k + "?ttl=60", header: elsewhere, status: 403, code: 217},

		probe{method: "PUT", target: k + "?value=bar", status: 400, code: 202},
		probe{method: "PUT", target: k + "?ttl=60&value=bar", header: elsewhere, status: 403, code: 217},
		probe{method: "PUT", target: k + "?ttl=60&index=x", status: 400, code: 203, wrong: true},
		probe{method: "PUT", target: k + "?ttl=60", status: 400, code: 207},
		probe{method: "PUT", target: k + "?ttl=60&index=1&value=bar", status: 400, code: 208},
		probe{method: "PUT", target: k + "?ttl=60&value=" + notUTF8, status: 400, code: 209},
		probe{method: "PUT", target: "lock/" + notUTF8 + "?ttl=60&value=bar", status: 400, code: 210},
		probe{method: "PUT", target: k + "?ttl=60&value=nobody", status: 404, code: 100},
		probe{method: "PUT", target: k + "?ttl=60&value=foo", status: 409, code: 211},
		probe{method: "PUT", target: "lock/" + tooLong + "?ttl=60&value=bar", status: 413, code: 213},

		probe{method: "DELETE", target: k + "?index=x", status: 400, code: 203, wrong: true},
		probe{method: "DELETE", target: k + "?value=bar", header: elsewhere, status: 403, code: 217},
		probe{method: "DELETE", target: k, status: 400, code: 207},
		probe{method: "DELETE", target: k + "?index=1&value=bar", status: 400, code: 208},
		probe{method: "DELETE", target: k, body: "value=" + notUTF8, status: 400, code: 209},
		probe{method: "DELETE", target: "lock/" + notUTF8 + "?value=bar", status: 400, code: 210},
		probe{method: "DELETE", target: k + "?value=nobody", status: 404, code: 100},
		probe{method: "DELETE", target: "lock/" + tooLong + "?value=bar", status: 413, code: 213},
		probe{method: "DELETE", target: k + "?value=foo"},
	)
	receive(x, waits)
	x.once(probe{method: "DELETE", target: k + "?value=bar"})
	for i := range 3 {
		index := x.once(probe{method: "POST", target: k + "?ttl=60&value=bar"}).body
		x.once(places("DELETE", k, "index="+index)[i])
		x.once(probe{method: "POST", target: k + "?ttl=60&value=bar"})
		x.once(places("DELETE", k, "value=bar")[i])
	}

	// A slash within a key, as the document has it and as people write it.
	x.once(probe{method: "POST", target: "lock/a%2Fb?ttl=60"})
	for _, target := range []string{"lock/a%2Fb", "lock/a/b"} {
		if r := x.do(probe{method: "GET", target: target, header: acceptJSON}); !strings.HasPrefix(r.body, `{"key":"a/b",`) {
			x.Errorf("%s is %v", target, r)
		}
	}
}

func (x *examiner) elections() {
	const k = "leader/frontend"
	index := x.once(probe{method: "PUT", target: k + "?ttl=60&name=bar"}).body
	x.each(places("PUT", k, "ttl=60", "timeout=2", "name=bar")...)
	waits := x.begin(probe{method: "PUT", target: k + "?ttl=60&name=foo", status: 410, code: 212})
	x.gets(k, index)
	x.each(
		probe{method: "GET", target: k + "?name=bar"},
		probe{method: "GET", target: k + "?name=foo", status: 412, code: 101},
		probe{method: "GET", target: k + "?name=bar&wait=true", status: 400, code: 209},

		probe{method: "PUT", target: k + "?ttl=60&name=bar", header: acceptJSON},
		probe{method: "PUT", target: k + "?name=bar", status: 400, code: 202},
		probe{method: "PUT", target: k + "?ttl=0&name=bar", status: 400, code: 202, wrong: true},
		probe{method: "PUT", target: k + "?ttl=60&name=bar&timeout=soon", status: 400, code: 205, wrong: true},
		probe{method: "PUT", target: k + "?ttl=60", status: 400, code: 206},
		probe{method: "PUT", target: k, body: `{"ttl":60,"name":[]}`, status: 400, code: 209, wrong: true},
		probe{method: "PUT", target: "leader/" + notUTF8 + "?ttl=60&name=bar", status: 400, code: 210},
		probe{method: "PUT", target: "leader/" + tooLong + "?ttl=60&name=bar", status: 413, code: 213},
		probe{method: "PUT", target: k + "?ttl=60&name=foobar&timeout=0", status: 423, code: 215},
		probe{method: "PUT", target: k + "?ttl=60&name=bar", header: elsewhere, status: 403, code: 217},

		probe{method: "DELETE", target: k + "?name=bar", header: elsewhere, status: 403, code: 217},
		probe{method: "DELETE", target: k, status: 400, code: 206},
		probe{method: "DELETE", target: k, body: "name=" + notUTF8, status: 400, code: 209},
		probe{method: "DELETE", target: "leader/" + notUTF8 + "?name=bar", status: 400, code: 210},
		probe{method: "DELETE", target: k + "?name=nobody", status: 404, code: 100},
		probe{method: "DELETE", target: "leader/" + tooLong + "?name=bar", status: 413, code: 213},
		probe{method: "DELETE", target: k + "?name=foo"},
	)
	receive(x, waits)
	x.once(probe{method: "DELETE", target: k + "?name=bar"})
	for i := range 3 {
		x.once(probe{method: "PUT", target: k + "?ttl=60&name=bar"})
		x.once(places("DELETE", k, "name=bar")[i])
	}
}

// gets looks at a key that is held under that index, and at one that is free.
func (x *examiner) gets(k, index string) {
	space, _, _ := strings.Cut(k, "/")
	events := func(id string) []string { return append([]string{"Last-Event-ID", id}, acceptEvents...) }
	x.each(
		probe{method: "GET", target: k},
		probe{method: "GET", target: k + "?field=value"},
		probe{method: "GET", target: k + "?field=index"},
		probe{method: "GET", target: k + "?index=" + index},
		probe{method: "GET", target: k, header: acceptJSON},
		probe{method: "GET", target: k + "?wait=true&waitIndex=0"},
		probe{method: "GET", target: k + "?wait=true&timeout=0", header: acceptJSON},
		probe{method: "GET", target: k + "?wait=true&timeout=1&waitIndex=" + index},
		probe{method: "GET", target: space + "/free"},
		probe{method: "GET", target: space + "/free", header: acceptJSON},
		probe{method: "OPTIONS", target: k, status: 204},

		probe{method: "GET", target: k + "?index=x", status: 400, code: 203, wrong: true},
		probe{method: "GET", target: k + "?wait=true&waitIndex=x", status: 400, code: 203, wrong: true},
		probe{method: "GET", target: k, header: events("x"), status: 400, code: 203, wrong: true},
		probe{method: "GET", target: k + "?wait=true&timeout=soon", status: 400, code: 205, wrong: true},
		probe{method: "GET", target: k + "?wait=perhaps", status: 400, code: 209, wrong: true},
		probe{method: "GET", target: k + "?field=bogus", status: 400, code: 209, wrong: true},
		probe{method: "GET", target: k + "?wait=true&index=1", status: 400, code: 209},
		probe{method: "GET", target: k + "?index=1", header: acceptEvents, status: 400, code: 209},
		probe{method: "GET", target: space + "/" + notUTF8, status: 400, code: 210},
		probe{method: "GET", target: k + "?index=1", status: 412, code: 101},
		probe{method: "GET", target: space + "/" + tooLong, status: 413, code: 213},
	)
}

// list looks at lists. An entry is made with method, under the name that stands in
// the parameter.
func (x *examiner) list(space, method, parameter string) {
	all := space + "/"
	x.each(
		probe{method: method, target: all + "list/1?ttl=60&" + parameter + "=bar"},
		probe{method: method, target: all + "list/2?ttl=60&" + parameter + "=bar"},
		probe{method: "GET", target: all},
		probe{method: "GET", target: space},
		probe{method: "GET", target: all + "?prefix=none"},
		probe{method: "OPTIONS", target: all, status: 204},

		probe{method: "GET", target: all, header: append([]string{"Last-Event-ID", "x"}, acceptEvents...), status: 400, code: 203, wrong: true},
		probe{method: "GET", target: all + "?limit=x", status: 400, code: 209, wrong: true},
		probe{method: "GET", target: all + "?limit=0", status: 400, code: 209, wrong: true},
		probe{method: "GET", target: all + "?wait=true", status: 400, code: 209},
		// In an address it would be too long for Caddy, before anything here sees it.
		probe{method: "GET", target: all, body: "prefix=" + strings.Repeat("p", 64<<10+1), status: 413, code: 213},
	)
	var page struct{ Continue string }
	r := x.do(probe{method: "GET", target: all + "?prefix=list/&limit=1"})
	if err := json.Unmarshal([]byte(r.body), &page); err != nil || page.Continue == "" {
		x.Errorf("the first page is %v", r)
	}
	r = x.do(probe{method: "GET", target: all + "?prefix=list/&limit=1&continue=" + url.QueryEscape(page.Continue)})
	if !strings.HasPrefix(r.body, `{"items":[{"key":"list/2",`) || strings.Contains(r.body, "continue") {
		x.Errorf("the last page is %v", r)
	}
}

// dashboard looks at the page, at what leads there, and at what it asks.
func (x *examiner) dashboard() {
	for _, target := range []string{"/mod", "/mod/", "/mod/dashboard"} {
		x.do(probe{method: "GET", target: target, status: http.StatusFound})
	}
	const page = "/mod/dashboard/"
	tag := x.do(probe{method: "GET", target: page}).header.Get("ETag")
	x.do(probe{method: "GET", target: page, header: []string{"If-None-Match", tag}, status: http.StatusNotModified})
	x.do(probe{method: "GET", target: page, header: []string{"If-None-Match", `"other"`}})
	x.do(probe{method: "GET", target: "/mod/dashboard/api/cluster"})
}

// readOnly has a page of a gateway's own site write, where it may only look.
func (x *examiner) readOnly(e *etcd) {
	g := x.gatewayWith(e, "etcd {\n\t\tdashboard {\n\t\t\tread_only\n\t\t}\n\t}")
	x = x.on(g)
	page := []string{"Origin", g.url, "Sec-Fetch-Site", "same-origin"}
	for _, c := range []struct{ method, target string }{
		{"POST", "lock/looked-at?ttl=60"}, {"PUT", "lock/looked-at?ttl=60&value=v"}, {"DELETE", "lock/looked-at?value=v"},
		{"PUT", "leader/looked-at?ttl=60&name=n"}, {"DELETE", "leader/looked-at?name=n"},
	} {
		x.do(probe{method: c.method, target: c.target, header: page, status: http.StatusForbidden, code: 218})
	}
	x.do(probe{method: "GET", target: "lock/looked-at", header: page})
}

// unlisted asks for what no path of the document has.
func (x *examiner) unlisted() {
	for _, c := range []struct{ method, target string }{
		{"POST", "/mod/"}, {"POST", "/mod/dashboard/"}, {"PUT", "/mod/dashboard/api/cluster"}, {"PATCH", "lock/k"}, {"PATCH", "lock/"}, {"PATCH", "leader/k"}, {"PATCH", "leader/"}, {"POST", "leader/k"}, {"POST", "leader/"},
	} {
		x.once(probe{method: c.method, target: c.target, status: http.StatusMethodNotAllowed, code: 214})
	}
	for _, c := range []struct{ method, target string }{
		{"POST", "lock/?ttl=60"}, {"PUT", "lock/"}, {"DELETE", "lock/"}, {"PUT", "leader/"}, {"DELETE", "leader"},
	} {
		x.once(probe{method: c.method, target: c.target, status: http.StatusBadRequest, code: 210})
	}
	for _, target := range []string{"/mod/nothing", "/mod/dashboard/nothing", "/mod/dashboard/api", "nothing", "lockk"} {
		x.do(probe{method: "GET", target: target, status: http.StatusNotFound, code: 100})
	}
}
