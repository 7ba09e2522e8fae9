package etcdtest

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// EnableV2Auth has the v2 API ask for the password of the user root, and refuse
// whoever has none.
func (p *Process) EnableV2Auth(t testing.TB, password string) {
	t.Helper()
	for _, step := range []struct{ path, body string }{
		{"/v2/auth/users/root", `{"user":"root","password":"` + password + `"}`},
		{"/v2/auth/enable", ""},
		// Who has no password is a guest, and a guest may do everything.
		{"/v2/auth/roles/guest", `{"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.Endpoint+step.path, strings.NewReader(step.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth("root", password)
		resp, err := p.client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode >= 300 {
			t.Fatalf("PUT %s: %s %s", step.path, resp.Status, answer)
		}
	}
}
