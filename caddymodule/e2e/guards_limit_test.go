package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// rateLimit is the plugin that the README puts in front of the locks.
const rateLimit = "github.com/mholt/caddy-ratelimit@v0.1.0"

// limited is a caddy that has it too. Where it can't be fetched, the test is skipped.
func limited(t *testing.T) string {
	t.Helper()
	file, err := buildLimited()
	if err != nil {
		t.Fatal(err)
	}
	if file == "" {
		t.Skip(rateLimit + " can't be fetched here, so no rate limit is tested")
	}
	return file
}

var buildLimited = sync.OnceValues(func() (string, error) {
	download := exec.Command("go", "mod", "download", rateLimit)
	download.Dir = root
	if download.Run() != nil {
		return "", nil
	}
	file := filepath.Join(filepath.Dir(caddy), "caddy-with-limits")
	out, err := exec.Command("../../xcaddy.sh", "--output", file, "--with", rateLimit).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building caddy with %s: %w\n%s", rateLimit, err, tail(out, 2000))
	}
	return file, nil
})

// Who asks for locks too often is refused, before the password is looked at, and
// nobody else is: neither what is not a lock, nor another client.
func TestGuards_rateLimit(t *testing.T) {
	t.Parallel()
	program := limited(t)
	g := guards(t, etcdtest.Start(t).Endpoint, "events 100", "events 3", "window 1s", "window 1h")
	cmd := exec.Command(program, "run", "--config", "Caddyfile")
	cmd.Dir, cmd.Env = g.dir, g.command().Env
	etcdtest.EndWithTest(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("caddy did not stop within 10 s")
			_ = cmd.Process.Kill()
		}
	})
	patience.Until(t, 30*time.Second, func() error {
		r := g.from(t, inside, http.MethodGet, "/version", nil)
		if r.status != http.StatusOK {
			return fmt.Errorf("GET /version: %v", r)
		}
		return nil
	})
	var statuses []string
	for _, path := range []string{"/mod/v2/lock/k", "/MOD/v2/lock/k", "/x/../mod/v2/lock/k", "/mod/v2/lock", "/mod/v2/lock/k"} {
		statuses = append(statuses, fmt.Sprint(g.from(t, inside, http.MethodGet, path, nil).status))
	}
	if got := strings.Join(statuses, " "); got != "401 401 401 429 429" {
		t.Errorf("one after the other, the answers are %s", got)
	}
	want(t, g.from(t, inside, http.MethodPost, "/mod/v2/lock/k?ttl=60", password), http.StatusTooManyRequests, "")
	want(t, g.from(t, outside, http.MethodPost, "/mod/v2/lock/k?ttl=60", password), http.StatusOK, whatever)
	want(t, g.from(t, inside, http.MethodPut, "/mod/v2/leader/k?ttl=60&name=n", badge), http.StatusOK, whatever)
	want(t, g.from(t, inside, http.MethodGet, "/version", nil), http.StatusOK, whatever)
}
