package caddymodule

import (
	"net/http"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
)

// errReadOnly is that a page writes where the dashboard is for looking only.
var errReadOnly = &lockmod.Error{Status: http.StatusForbidden, Code: 218,
	Message: "The dashboard is read-only here: a browser's page may not write"}

// reads are the methods of etcd's JSON API that change nothing, though all of them are
// asked for with POST: nothing that a request says makes one of them write. A WebSocket
// at one of these is that method too, whatever is sent on it. (Others that only read,
// a page of the dashboard has no need for: snapshot would be one.)
var reads = map[string]bool{
	"/v3/auth/authenticate":   true, // gives a token, which is no more than its user may
	"/v3/cluster/member/list": true,
	"/v3/kv/lease/leases":     true,
	"/v3/kv/lease/timetolive": true,
	"/v3/kv/range":            true,
	"/v3/lease/leases":        true,
	"/v3/lease/timetolive":    true,
	"/v3/maintenance/status":  true,
	"/v3/watch":               true,
}

// mayWrite says whether a request is one that may change something. A GET never is,
// below /mod and in any version of etcd, whatever else it brings: a header that names
// another method counts with a POST only. What is not written exactly as one of the
// reads might be something else to etcd.
func mayWrite(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if !upgrades(r) {
			return false
		}
	}
	return r.URL.RawPath != "" || !reads[r.URL.Path]
}

// fromPage says whether a browser sends a request for a page. All of them say so since
// 2020 with whatever is not a GET or a HEAD, and no page can keep them from it.
func fromPage(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
}

// refusedReadOnly says whether a request has been refused, and answered, because it may
// write and may come from the dashboard. Pages of other origins, that say so, are what
// the rules for them are for. Of a page that doesn't say whence it is, a sandbox in the
// dashboard may be the origin.
func refusedReadOnly(w http.ResponseWriter, r *http.Request, a *App) bool {
	if !fromPage(r) || !mayWrite(r) {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "null" && crossOrigin(r) {
		return refused(w, r, a)
	}
	fail(w, r, errReadOnly, a)
	return true
}
