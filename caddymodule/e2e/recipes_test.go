package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// The scripts stop their command when the lock, or the lead, is lost, leave the queue
// when they are stopped, run nothing without it, hand on the command's exit code, and
// give it back at the end.
func TestReadme_scripts(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t).Endpoint
	for _, s := range []struct {
		name, path, elsewhere string
		renew, end            func(holder queue) (method, query string)
	}{
		{
			"with-lock.sh", "/mod/v2/lock/k", "no lock there",
			func(q queue) (string, string) { return http.MethodPut, fmt.Sprintf("ttl=600&index=%d", q.Index) },
			func(q queue) (string, string) { return http.MethodDelete, fmt.Sprintf("index=%d", q.Index) },
		},
		{
			"lead.sh", "/mod/v2/leader/k", "no election there",
			func(q queue) (string, string) { return http.MethodPut, "ttl=600&name=" + q.Value },
			func(q queue) (string, string) { return http.MethodDelete, "name=" + q.Value },
		},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			g := start(t, onEtcd(etcd))
			sh := newShell(t, g)
			script := strings.Replace(block(t, "#!/bin/sh\n# "+s.name), "sleep 10", "sleep 0.1", 1)
			file := filepath.Join(t.TempDir(), s.name)
			write := func(script string) {
				if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			write(script)
			var log bytes.Buffer
			run := func(args ...string) (*exec.Cmd, <-chan int) {
				cmd := exec.Command("sh", append([]string{file}, args...)...)
				cmd.Env = sh.env
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				code := make(chan int, 1)
				go func() {
					_ = cmd.Wait()
					code <- cmd.ProcessState.ExitCode()
				}()
				return cmd, code
			}
			wants := func(what string, code <-chan int, want int) {
				t.Helper()
				select {
				case got := <-code:
					if got != want {
						t.Errorf("%s: exit code %d, want %d", what, got, want)
					}
				case <-time.After(30 * time.Second):
					t.Fatalf("%s: still running", what)
				}
			}
			long := func(n int) {
				t.Helper()
				patience.Until(t, 10*time.Second, func() error {
					q, err := g.queueAt(s.path)
					if err == nil && len(q.Queue) != n {
						err = fmt.Errorf("%d in the queue, want %d", len(q.Queue), n)
					}
					return err
				})
			}
			ask := func(method, query string) reply {
				req, err := http.NewRequestWithContext(t.Context(), method, g.url+s.path+"?"+query, nil)
				if err != nil {
					t.Fatal(err)
				}
				return send(req)
			}

			_, code := run("k", "sh", "-c", "exit 7")
			wants("a command that fails", code, 7)
			long(0) // when the script has ended, it has given it back

			// Caddy answers 200 for a site that it does not have.
			write(strings.Replace(script, "127.0.0.1:4001", strings.Replace(g.site, "127.0.0.1", "localhost", 1), 1))
			cmd := exec.Command("sh", file, "k", "sh", "-c", "exit 7")
			cmd.Env, cmd.Stderr = sh.env, &log
			if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(log.String(), s.elsewhere) {
				t.Errorf("where there is nothing: %v, %s", err, log.String())
			}
			write(script)

			_, code = run("k", "sleep", "60")
			long(1)
			waiting, waitingCode := run("k", "true")
			long(2)
			_ = waiting.Process.Signal(os.Interrupt)
			wants("stopped while it waits", waitingCode, 130)
			long(1)

			held, err := g.queueAt(s.path)
			if err != nil {
				t.Fatal(err)
			}
			// If it is renewed, it is for the script's 30 s again.
			want(t, ask(s.renew(held)), http.StatusOK, whatever)
			patience.Until(t, 10*time.Second, func() error {
				q, err := g.queueAt(s.path)
				if err == nil && q.TTL > 30 {
					err = fmt.Errorf("it has not renewed: %d s left", q.TTL)
				}
				return err
			})

			want(t, ask(s.end(held)), http.StatusOK, "")
			wants("it is lost", code, 143)
			long(0)

			// It is held before the script knows of it, and then it would stay held.
			begun := filepath.Join(t.TempDir(), "begun")
			running, code := run("k", "sh", "-c", "echo >"+begun+"; exec sleep 60")
			appears(t, begun)
			long(1)
			_ = running.Process.Signal(syscall.SIGTERM)
			wants("stopped while it runs", code, 143)
			long(0)
		})
	}
}

// A script that ends while a renewal is under way has resigned when it has ended: a
// renewal that comes after that would stand for election once more, and lead for as
// long as nobody is there.
func TestReadme_resignsWhileItRenews(t *testing.T) {
	t.Parallel()
	g := start(t, onEtcd(etcdtest.Start(t).Endpoint))
	sh := newShell(t, g)
	dir := t.TempDir()
	script := strings.Replace(block(t, "#!/bin/sh\n# lead.sh"), "sleep 10", "sleep 0.1", 1)
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	// Renewals are slow to reach the gateway.
	slow := fmt.Sprintf(`#!/bin/sh
case "$*" in
*timeout=0*)
	touch %[1]s/renewing
	sleep 1
	%[2]s "$@"
	touch %[1]s/renewed ;;
*) exec %[2]s "$@" ;;
esac
`, dir, curl)
	for name, text := range map[string]string{"lead.sh": script, "curl": slow} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}

	cmd := exec.Command("sh", filepath.Join(dir, "lead.sh"), "k", "sh", "-c", "until [ -e "+dir+"/renewing ]; do sleep 0.05; done")
	cmd.Env = append(sh.env, "PATH="+dir+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	appears(t, filepath.Join(dir, "renewed"))
	q, err := g.queueAt("/mod/v2/leader/k")
	if err != nil || len(q.Queue) != 0 {
		t.Errorf("after the script has ended, %v stand for election (%v)", q.Queue, err)
	}
}

// appears waits until there is a file.
func appears(t *testing.T, file string) {
	t.Helper()
	patience.Until(t, 10*time.Second, func() error {
		_, err := os.Stat(file)
		return err
	})
}

// The README's two ways of asking for a password let in who has it, and nobody
// else.
func TestReadme_password(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t).Endpoint
	for _, c := range []struct {
		name, user, open string
		words            []string
		answers          map[string]int // by user and path
	}{
		{"all", "scripts", "", []string{"basic_auth {", "etcd\n"}, map[string]int{
			"scripts /mod/v2/lock/k": 200, " /mod/v2/lock/k": 401, " /version": 401, "scripts /version": 200,
			" /x/../mod/v2/lock/k": 401, " /MOD/v2/lock/k": 401,
		}},
		{"a team", "team-a", "/mod/v2/lock/team-a", []string{"basic_auth /mod/v2/lock/team-a/*"}, map[string]int{
			"team-a /mod/v2/lock/team-a/k": 200, " /mod/v2/lock/team-a/k": 401, " /mod/v2/lock/TEAM-A/k": 401,
			"team-a /mod/v2/lock/team-b/k": 404, "team-a /version": 404,
			"team-a /mod/v2/lock/team-a/../team-b/k": 404, "team-a /mod/v2/lock/team-a/../../k": 404,
			" /mod/v2/lock/team-b/../team-a/k": 401, " /mod/v2/lock/team-a%2fk": 401,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t)
			// Where run looks whether it is ready.
			g.url = "http://" + c.user + ":hiccup@" + g.site + c.open
			config := g.adopt(block(t, c.words...))
			config = strings.ReplaceAll(config, "127.0.0.1:4001", g.site)
			config = regexp.MustCompile(`endpoints .*`).ReplaceAllString(config, "endpoints "+etcd)
			if err := os.WriteFile(g.path("Caddyfile"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			g.run()
			for request, status := range c.answers {
				user, path, _ := strings.Cut(request, " ")
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.site+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if user != "" {
					req.SetBasicAuth(user, "hiccup")
				}
				if r := send(req); r.status != status {
					t.Errorf("%s as %q: %v, want %d", path, user, r, status)
				}
			}
		})
	}
}
