package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// What browsers ask, and what they need to hear, with the lines for CORS in
// Caddyfile.example: as etcd's old -cors option had it, for all sites and for some.
func TestCORS_example(t *testing.T) {
	t.Parallel()
	const friend, other, evil = "https://app.example.com", "https://ops.example.com", "https://evil.example.com"
	for _, c := range []struct {
		name, lines string
		allowed     map[string]string // the header's value by the origin that asks
	}{
		{"nobody", "", map[string]string{friend: "", evil: "", "null": ""}},
		{"all", "import cors *", map[string]string{friend: "*", evil: "*", "null": "*"}},
		{
			"a list", "import cors " + friend + "\n\timport cors " + other,
			map[string]string{friend: friend, other: other, evil: "", "null": "", friend + ".evil.example.com": ""},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := example(t, t.TempDir())
			g.replace("\t#\timport cors *\n\t#\timport cors https://app.example.com\n", "\t"+c.lines+"\n")
			g.run()
			for origin, allowed := range c.allowed {
				for _, path := range []string{"/mod/v2/lock/k?ttl=60&value=v", "/v3/kv/put"} {
					ask := func(method string, headers ...string) reply {
						t.Helper()
						req, err := http.NewRequestWithContext(t.Context(), method, g.url+path, strings.NewReader(`{"key":"Zm9v"}`))
						if err != nil {
							t.Fatal(err)
						}
						req.Header.Set("Origin", origin)
						req.Header.Set("Content-Type", "application/json")
						for i := 0; i < len(headers); i += 2 {
							req.Header.Set(headers[i], headers[i+1])
						}
						r := send(req)
						if got := strings.Join(r.header.Values("Access-Control-Allow-Origin"), " and "); got != allowed {
							t.Errorf("%s %s from %s: allowed is %q, want %q", method, path, origin, got, allowed)
						}
						return r
					}
					preflight := ask(http.MethodOptions, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
					methods, headers := preflight.header.Get("Access-Control-Allow-Methods"), preflight.header.Get("Access-Control-Allow-Headers")
					write, status := ask(http.MethodPost), http.StatusOK
					if allowed == "" {
						status = http.StatusForbidden
						if methods != "" || headers != "" {
							t.Errorf("the preflight from %s allows %q, %q", origin, methods, headers)
						}
					} else if preflight.status != http.StatusNoContent || !strings.Contains(methods, "POST") || !strings.Contains(headers, "Content-Type") ||
						!strings.Contains(preflight.header.Get("Vary"), "Origin") {
						t.Errorf("the preflight from %s: %v, %v", origin, preflight, preflight.header)
					}
					if write.status != status {
						t.Errorf("writing to %s from %s: %v, want %d", path, origin, write, status)
					}
					if exposed := write.header.Get("Access-Control-Expose-Headers"); strings.Contains(exposed, "X-Lock-Index") != (allowed != "") {
						t.Errorf("to %s is shown %q", origin, exposed)
					}
				}
			}
		})
	}
}

// replace changes a part of the gateway's Caddyfile.
func (g *gateway) replace(part, by string) {
	g.t.Helper()
	text, err := os.ReadFile(g.path("Caddyfile"))
	if err != nil {
		g.t.Fatal(err)
	}
	if !strings.Contains(string(text), part) {
		g.t.Fatalf("the Caddyfile has no %q", part)
	}
	if err := os.WriteFile(g.path("Caddyfile"), []byte(strings.Replace(string(text), part, by, 1)), 0o600); err != nil {
		g.t.Fatal(err)
	}
}
