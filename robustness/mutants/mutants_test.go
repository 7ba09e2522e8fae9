// Package mutants examines the checker: it puts each of the old modules' nine bugs into
// a copy of the code, runs that on the store in memory, and has the checker find it.
package mutants

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/check"
	"github.com/caddy-etcd/caddy-etcd/robustness/client"
	"github.com/caddy-etcd/caddy-etcd/robustness/history"
	"github.com/caddy-etcd/caddy-etcd/robustness/model"
	"github.com/caddy-etcd/caddy-etcd/robustness/traffic"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// Without a bug, nothing is found: what the others are found by is not the machine, nor the
// checker. Over HTTPS as well.
func TestClean(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, finding := range examine(t, bug{tls: secure}, 1) {
			t.Error(finding)
		}
	}
}

// Each of the bugs is found, by the checks that are for it.
func TestBugs(t *testing.T) {
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			found := make(map[string]int)
			missing := func(by string) bool { return found[by] == 0 }
			// While the machine is too busy, what depends on time is not asked.
			for seed := uint64(1); seed <= 3 && slices.ContainsFunc(b.by, missing); seed++ {
				for _, f := range examine(t, b, seed) {
					if found[f.by]++; found[f.by] == 1 {
						t.Log(f)
					}
				}
			}
			t.Log(found)
			for _, by := range slices.DeleteFunc(slices.Clone(b.by), func(by string) bool { return !missing(by) }) {
				t.Errorf("%s has not found it", by)
			}
		})
	}
}

// finding is something that the checker has found.
type finding struct{ by, text string }

func (f finding) String() string { return f.by + ": " + f.text }

// examine runs the code with a bug, and returns what the checker says.
func examine(t *testing.T, b bug, seed uint64) (findings []finding) {
	t.Helper()
	s := start(t, b)
	recorder := history.NewRecorder(history.Run{Seed: seed, API: "memory"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go recorder.WatchMachine(ctx)
	observed := make(chan struct{})
	go func() { defer close(observed); s.observe(ctx, t, recorder) }()
	tr := traffic.Start(traffic.Config{
		Gateways: s.Gateways, Clients: 24, Locks: 8, Seed: seed, Pause: 100 * time.Millisecond, Transport: s.transport,
	}, recorder)
	time.Sleep(4 * time.Second) // of traffic
	tr.Stop(10 * time.Second)
	s.idle(t, recorder)
	s.empty(ctx, t)
	cancel()
	<-observed
	if err := s.look(t.Context(), recorder); err != nil {
		t.Fatal(err)
	}
	h := recorder.History()
	for _, v := range check.Check(h) {
		findings = append(findings, finding{v.Invariant, v.String()})
	}
	for _, f := range model.Check(h, 30*time.Second) {
		findings = append(findings, finding{byModel, f.String()})
	}
	return findings
}

// server is a running server.
type server struct {
	Gateways  []string
	Control   string
	transport *http.Transport
	cmd       *exec.Cmd
}

// start builds the server with a bug in it, and runs it.
func start(t *testing.T, b bug) *server {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "server")
	if out, err := exec.Command("go", "build", "-overlay", overlay(t, dir, b.edits), "-o", binary, "./server").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := &server{transport: client.Transport(), cmd: exec.Command(binary)}
	if b.tls {
		certificates := etcdtest.NewCertificates(t)
		s.cmd.Args = append(s.cmd.Args, "-cert", certificates.Cert, "-key", certificates.Key)
		s.transport.TLSClientConfig = &tls.Config{RootCAs: certificates.Config(t).RootCAs}
	}
	etcdtest.EndWithTest(s.cmd)
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = s.cmd.Wait()
	})
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The README says of each bug what finds it.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bugs {
		if line := fmt.Sprintf("| %s | %s |\n", b.name, strings.Join(b.by, ", ")); !strings.Contains(string(readme), line) {
			t.Errorf("robustness/README.md does not say: %s", line)
		}
	}
}

// overlay has the compiler see files as they are with the edits.
func overlay(t *testing.T, dir string, edits []edit) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, e := range edits {
		file := filepath.Join(root, e.file)
		if _, ok := texts[file]; !ok {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[file] = string(text)
		}
		if n := strings.Count(texts[file], e.old); n != 1 {
			t.Fatalf("%s has this %d times, and should have it once:\n%s", e.file, n, e.old)
		}
		texts[file] = strings.Replace(texts[file], e.old, e.new, 1)
	}
	replace := make(map[string]string)
	for file, text := range texts {
		replace[file] = filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(replace[file], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// observe looks at what stands in the store, again and again, and has it forget its
// history now and then.
func (s *server) observe(ctx context.Context, t *testing.T, recorder *history.Recorder) {
	for n := 1; ctx.Err() == nil; n++ {
		if err := s.look(ctx, recorder); err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
		if n%4 == 0 {
			from := recorder.Now()
			_ = s.get(ctx, "/compact", nil)
			recorder.Event(history.Event{Kind: "compaction", Gentle: true, Span: history.Span{From: from, To: recorder.Now()}})
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *server) look(ctx context.Context, recorder *history.Recorder) error {
	from := recorder.Now()
	queues, err := s.queues(ctx)
	if err == nil {
		recorder.Look(history.Span{From: from, To: recorder.Now()}, queues)
	}
	return err
}

// queues are all that stand in the store.
func (s *server) queues(ctx context.Context) (map[history.Name][]history.Entry, error) {
	var entries []struct {
		history.Name
		history.Entry
	}
	if err := s.get(ctx, "/queues", &entries); err != nil {
		return nil, err
	}
	queues := make(map[history.Name][]history.Entry)
	for _, e := range entries {
		queues[e.Name] = append(queues[e.Name], e.Entry)
	}
	return queues, nil
}

// empty waits until nothing stands in the store any more, or for longer than anything may.
func (s *server) empty(ctx context.Context, t *testing.T) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		queues, err := s.queues(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(queues) == 0 || time.Now().After(end) {
			return
		}
	}
}

func (s *server) get(ctx context.Context, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Control+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// idle has one request wait for two seconds, and nobody else ask for anything: that should
// cost next to nothing.
func (s *server) idle(t *testing.T, recorder *history.Recorder) {
	t.Helper()
	const length = 2 * time.Second
	c := client.New(1_000, s.Gateways, recorder, s.transport)
	defer c.Close()
	op := history.Op{Kind: history.Acquire, Space: history.Lock, Key: "idle", Gateway: 1, TTL: 5, Timeout: history.Forever}
	free, giveUp := context.WithTimeout(t.Context(), 10*time.Second)
	defer giveUp()
	held := c.Do(free, op)
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	before := s.cpu(t)
	op.TTL = 1 // it may be sent the lock just when it goes
	c.Do(ctx, op)
	if used := s.cpu(t) - before; used > length/8 {
		now := recorder.Now()
		recorder.Event(history.Event{
			Kind: history.Wrong, Invariant: "CPU", Span: history.Span{From: now - length, To: now},
			Note: fmt.Sprintf("while one request waits for %v, the gateways use %v of CPU", length, used),
		})
	}
	c.Do(t.Context(), history.Op{Kind: history.Release, Space: history.Lock, Key: "idle", Gateway: 1, Index: held.Got})
}

// cpu is how much of it the server has used.
func (s *server) cpu(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[slices.Index(stat, ')'):])) // from the state on, the third
	var ticks int64
	for _, field := range fields[12:14] { // user and system
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}
