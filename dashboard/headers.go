package dashboard

import "net/http"

// policy lets the page load what comes with it, ask its own origin, and do nothing
// else: whatever stands in etcd, it can't become a script or leave.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Protect sets the headers that every answer of the dashboard has.
func Protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	// Addresses of pages have keys in them, which are nobody else's business. (With
	// no-referrer, browsers would say nothing of the origin of a write either.)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
