package caddymodule_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// Caddy's metrics tell how many requests wait, and listen; also those of the
// configuration before, after a reload.
func TestMetrics(t *testing.T) {
	g := newGateway(t)
	dir := t.TempDir()
	const site = "route {\n metrics /caddy-metrics\n etcd\n}"
	g.load(embeddedIn(dir), site)
	tells := func(lines ...string) {
		t.Helper()
		patience.Until(t, 5*time.Second, func() error {
			r := g.do(http.MethodGet, "/caddy-metrics")
			for _, line := range lines {
				if !strings.Contains(r.body, "\n"+line+"\n") {
					return fmt.Errorf("there is no %q in %s", line, r.body)
				}
			}
			return nil
		})
	}
	tells(`caddy_etcd_requests_waiting{module="lock"} 0`, `caddy_etcd_requests_waiting{module="leader"} 0`,
		`caddy_etcd_requests_listening{module="lock"} 0`, `caddy_etcd_requests_listening{module="leader"} 0`)

	index := g.lock("k")
	waits := g.wait("k")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.address+"/mod/v2/leader/k?wait=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if resp, err := g.client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	waiting := []string{`caddy_etcd_requests_waiting{module="lock"} 1`, `caddy_etcd_requests_listening{module="leader"} 1`}
	tells(waiting...)
	g.load(embeddedIn(dir), "header X-Changed yes\n"+site)
	tells(waiting...)
	g.unlock("k", index)
	g.want(receive(t, waits), http.StatusOK, "")
	stop()
	tells(`caddy_etcd_requests_waiting{module="lock"} 0`, `caddy_etcd_requests_listening{module="leader"} 0`)
}
