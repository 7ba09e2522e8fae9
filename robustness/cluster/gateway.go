package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// Gateway is a caddy of its own, with a wire to each etcd.
type Gateway struct {
	URL   string
	Admin string // the address of its admin API
	Log   string // the file with what it says

	caddy  string
	dir    string
	wires  []*etcdtest.Wire
	cmd    *exec.Cmd     // nil if it does not run
	ended  chan struct{} // closed when the process has ended
	ending *atomic.Bool  // that is meant to be
}

func newGateway(t testing.TB, number int, caddy, api string, members []*etcdtest.Process) *Gateway {
	t.Helper()
	g := &Gateway{caddy: caddy, dir: t.TempDir(), Admin: etcdtest.FreeAddress(t)}
	site := etcdtest.FreeAddress(t)
	g.URL, g.Log = "http://"+site, filepath.Join(g.dir, "log")
	var endpoints []string
	for _, m := range members {
		w := etcdtest.NewWire(t, m.Endpoint)
		g.wires = append(g.wires, w)
		endpoints = append(endpoints, w.Endpoint)
	}
	config := fmt.Sprintf(`{
	admin %s
	default_bind 127.0.0.1
	etcd {
		endpoints %s
		api %s
	}
}

http://%s {
	# gateway %d
	etcd
}
`, g.Admin, strings.Join(endpoints, " "), api, site, number)
	if err := os.WriteFile(filepath.Join(g.dir, "Caddyfile"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Kill()
		if log, _ := os.ReadFile(g.Log); t.Failed() {
			t.Logf("what gateway %d said last:\n%s", number, log[max(0, len(log)-4000):])
		}
	})
	return g
}

// Run starts it and waits until it serves.
func (g *Gateway) Run() error {
	log, err := os.OpenFile(g.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := g.command(context.Background(), "run", "--config", "Caddyfile")
	cmd.Stdout, cmd.Stderr = log, log
	etcdtest.EndWithTest(cmd)
	if err := cmd.Start(); err != nil {
		_ = log.Close()
		return err
	}
	ended, ending := make(chan struct{}), new(atomic.Bool)
	g.cmd, g.ended, g.ending = cmd, ended, ending
	go func() {
		err := cmd.Wait()
		if !ending.Load() {
			fmt.Fprintf(log, "%s: %v\n", unasked, err)
		}
		_ = log.Close()
		close(ended)
	}()
	deadline := time.Now().Add(time.Minute)
	for {
		resp, err := quick.Get(g.URL + "/mod/v2/lock/ready")
		if err == nil {
			_ = resp.Body.Close()
			return nil // with whatever: etcd may be away
		}
		select {
		case <-ended:
			return fmt.Errorf("gateway %s has ended", g.URL)
		case <-time.After(20 * time.Millisecond): // between two looks
		}
		if time.Now().After(deadline) {
			g.Kill()
			return fmt.Errorf("gateway %s does not serve: %w", g.URL, err)
		}
	}
}

// quick is for what is answered soon.
var quick = &http.Client{Timeout: 20 * time.Second}

func (g *Gateway) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.caddy, args...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "HOME="+g.dir, "XDG_DATA_HOME="+g.dir, "XDG_CONFIG_HOME="+g.dir)
	return cmd
}

// Kill ends it as a crash would.
func (g *Gateway) Kill() {
	if g.cmd != nil {
		g.ending.Store(true)
		_ = g.cmd.Process.Kill()
		<-g.ended
		g.cmd = nil
	}
}

// Hang stops the process as it is, or has it go on.
func (g *Gateway) Hang(hang bool) {
	signal := syscall.SIGCONT
	if hang {
		signal = syscall.SIGSTOP
	}
	if g.cmd != nil {
		_ = g.cmd.Process.Signal(signal)
	}
}

// Reload has caddy load its Caddyfile anew, though nothing in it has changed.
func (g *Gateway) Reload() error {
	return g.tell("reload", "--config", "Caddyfile", "--address", g.Admin, "--force")
}

// Stop is caddy stop. It returns when the process has ended, which it has to within a
// minute; if it has not, it is killed.
func (g *Gateway) Stop() error {
	if g.cmd == nil {
		return errors.New("it does not run")
	}
	defer g.Kill()
	g.ending.Store(true)
	if err := g.tell("stop", "--address", g.Admin); err != nil {
		return err
	}
	select {
	case <-g.ended:
		return nil
	case <-time.After(time.Minute):
		return errors.New("the process still runs, a minute after caddy stop")
	}
}

// tell runs a command of caddy's that tells the gateway something.
func (g *Gateway) tell(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := g.command(ctx, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("caddy %s: %w: %s", args[0], err, out)
	}
	return nil
}

// Memory is the memory that a process uses, in bytes.
type Memory struct {
	InUse    int64 // heap and stacks, after a garbage collection
	Resident int64
}

// Memory is that of now.
func (g *Gateway) Memory() (Memory, error) {
	if g.cmd == nil {
		return Memory{}, errors.New("it does not run")
	}
	return MemoryOf(g.Admin, g.cmd.Process.Pid)
}

// MemoryOf is what a caddy with that admin address and process uses now.
func MemoryOf(admin string, pid int) (m Memory, err error) {
	if _, err := pprof(admin, "heap?gc=1"); err != nil { // what pools keep goes with the second collection
		return m, err
	}
	heap, err := pprof(admin, "heap?gc=1&debug=1")
	if err != nil {
		return m, err
	}
	for _, name := range []string{"# HeapAlloc = ", "# Stack = "} {
		n, err := number(heap, name)
		if err != nil {
			return m, err
		}
		m.InUse += n
	}
	m.Resident, err = Resident(pid)
	return m, err
}

// Resident is the memory that a process has from the system, in bytes.
func Resident(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	kib, err := number(string(status), "VmRSS:")
	return kib << 10, err
}

// number is that which comes after a name in a text.
func number(text, name string) (n int64, err error) {
	_, rest, _ := strings.Cut(text, name)
	if _, err := fmt.Sscan(rest, &n); err != nil {
		return 0, fmt.Errorf("%q: %w", name, err)
	}
	return n, nil
}

// profiler keeps no connection, which would be a part of what is measured, and gives a busy
// gateway its time.
var profiler = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

// pprof is a profile of a caddy with that admin address.
func pprof(admin, name string) (string, error) {
	resp, err := profiler.Get("http://" + admin + "/debug/pprof/" + name)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", name, resp.Status)
	}
	return string(text), err
}

// unasked begins what the log says when the process has ended though nobody asked it to.
const unasked = "fatal error: the gateway has ended"

// report is where something begins that a gateway must not say: what the race detector has
// found, or a panic, one that has been caught too.
var report = regexp.MustCompile(`(?m)^WARNING: DATA RACE$|^panic: |^.*http: panic |^fatal error: `)

// reports are the reports in a log, each of them until it ends, or the next one begins, or it is long.
func reports(log string) (found []string) {
	const most = 4000
	begins := report.FindAllStringIndex(log, -1)
	for i, begin := range begins {
		text := log[begin[0]:]
		if i+1 < len(begins) {
			text = log[begin[0]:begins[i+1][0]]
		}
		text, _, _ = strings.Cut(text, "==================")
		found = append(found, text[:min(len(text), most)])
	}
	return found
}
