package e2e

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// copyExample writes Caddyfile.example to a file, with replacements in it.
func copyExample(t *testing.T, file string, replacements map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	for from, to := range replacements {
		if !strings.Contains(config, from) {
			t.Fatalf("Caddyfile.example has no %q", from)
		}
		config = strings.ReplaceAll(config, from, to)
	}
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// example is a gateway with Caddyfile.example, its ports mapped, that does not run
// yet.
func example(t *testing.T, dir string) *gateway {
	t.Helper()
	g := newGateway(t)
	g.dir = dir
	copyExample(t, g.path("Caddyfile"), map[string]string{
		":4001": g.site[strings.LastIndex(g.site, ":"):],
		"\n{\n": "\n{\n\t" + g.options() + "\n",
	})
	return g
}

func TestCLI_modules(t *testing.T) {
	t.Parallel()
	g := &gateway{t: t, dir: t.TempDir()}
	modules := strings.Fields(g.caddy("list-modules"))
	for _, want := range []string{
		"etcd", "etcd.embedded", "http.handlers.etcd_lock", "http.handlers.etcd_leader", "http.handlers.etcd_openapi",
		"http.handlers.etcd_not_found", "http.handlers.etcd_cross_origin", "http.handlers.etcd_drain",
		"http.reverse_proxy.transport.etcd",
	} {
		if !slices.Contains(modules, want) {
			t.Errorf("caddy list-modules does not show %s", want)
		}
	}
}

// caddy validate, adapt and fmt are content with Caddyfile.example, and touch
// nothing; so they are with everything in it that is commented out.
func TestCLI_exampleIsValid(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"as it is", "uncommented"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &gateway{t: t, dir: t.TempDir()}
			file := g.path("Caddyfile.example")
			copyExample(t, file, nil)
			if name == "uncommented" {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				config := strings.ReplaceAll("\n"+string(text), "\n\t#\t", "\n\t")
				config = strings.ReplaceAll(config, "\n#\t", "\n")
				if err := os.WriteFile(file, []byte(config[1:]), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if out := g.caddy("fmt", "--diff", "Caddyfile.example"); strings.Contains(out, "\n+") || strings.Contains(out, "\n-") {
				t.Errorf("caddy fmt would change it:\n%s", out)
			}
			if out := g.caddy("adapt", "--config", "Caddyfile.example"); !strings.Contains(out, `"etcd_lock"`) {
				t.Errorf("caddy adapt makes of it: %s", out)
			}
			g.caddy("validate", "--config", "Caddyfile.example")
			if _, err := os.Stat(g.path("etcd-data")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data folder is there after validating (%v)", err)
			}
		})
	}
}

// Caddyfile.example as a newcomer runs it: the first lock has index 2, the data
// are for this user only, and what is held stays held over a crash. The data are
// for one process at a time.
func TestCLI_example(t *testing.T) {
	t.Parallel()
	g := example(t, t.TempDir())
	g.run()
	if index := g.lock("customer1"); index != "2" {
		t.Errorf("the first index is %s, want 2", index)
	}
	info, err := os.Stat(g.path("etcd-data"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the mode of ./etcd-data is %v, want 0700", info.Mode().Perm())
	}

	other := example(t, g.dir)
	begin := time.Now()
	wantsError(t, other.command("run", "--config", "Caddyfile"), "data_dir ./etcd-data is in use by another process")
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the second process ended after %v", took)
	}

	g.kill()
	again := example(t, g.dir)
	again.run()
	want(t, again.do(context.Background(), http.MethodGet, "customer1?index=2"), http.StatusOK, "-")
	want(t, again.do(context.Background(), http.MethodPost, "customer1?ttl=60", "timeout", "0"), http.StatusLocked, whatever)
	again.unlock("customer1", "2")
	again.unlock("customer1", again.lock("customer1"))
}

// Without the global option, the error says that it is missing.
func TestCLI_noOption(t *testing.T) {
	t.Parallel()
	for directive, message := range map[string]string{
		"etcd":      "the directive etcd needs the global option of the same name, which says where etcd is",
		"etcd_lock": "there is no etcd app: name the etcd in the global etcd option",
	} {
		g := &gateway{t: t, dir: t.TempDir()}
		config := "http://127.0.0.1:4001 {\n\t" + directive + "\n}\n"
		if err := os.WriteFile(g.path("Caddyfile"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		wantsError(t, g.command("validate"), message)
	}
}

// caddy runs caddy, which has to succeed.
func (g *gateway) caddy(args ...string) string {
	g.t.Helper()
	cmd := g.command(args...)
	cmd.Env = append(cmd.Env, "ETCD_PASSWORD=secret")
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Errorf("caddy %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// wantsError runs a command that has to fail, with that message.
func wantsError(t *testing.T, cmd *exec.Cmd, message string) {
	t.Helper()
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), message) {
		t.Errorf("%v, want the error %q:\n%s", err, message, tail(out, 2000))
	}
}
