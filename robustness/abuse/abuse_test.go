// Package abuse treats a gateway badly, as it runs where its Caddyfile is Caddyfile.example,
// on an etcd of its own, and asks of each abuse the same: that the locks of others go on
// meanwhile, and that nothing of it is left afterwards, neither in etcd nor in the gateway.
//
//	go test ./robustness/abuse -v
//
// says how long things take and how much memory. Flags make it larger than what fits into
// two minutes on two cores:
//
//	-keys 100000 -keys-v2 10000   so many locks are held at once (some minutes)
//	-waits-v2 10000               as many waits as with the v3 API
//	-patient                      what Caddy finds by itself after one or three minutes
//	-caddy FILE                   examines that one, instead of building one
//
// It wants the machine for itself: it says how long things may take, and where etcd gets no
// processor for seconds, others are answered 503 or 504, as they should be.
//
// A process that may not open as many files as it has connections (ulimit -Hn) makes fewer,
// and says so.
package abuse

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

var (
	caddy   = flag.String("caddy", "", "the caddy to treat badly; the default is to build one")
	conns   = flag.Int("conns", 300, "how many connections a client has that is slow, or silent, or says too much")
	waits   = flag.Int("waits", 10_000, "how many waits a client opens before it vanishes")
	waitsV2 = flag.Int("waits-v2", 5_000, "how many with the v2 API, where each is three times as many writes")
	keys    = flag.Int("keys", 10_000, "how many locks are held at once; 100000 take some minutes")
	keysV2  = flag.Int("keys-v2", 3_000, "how many with the v2 API, where each is twice as many writes")
	patient = flag.Bool("patient", false, "also wait for what takes Caddy a minute or more with its own settings")
)

// run is what is done with one abuse: others use their locks, on the same gateway, before,
// while and after it goes on; then it is looked for what is left.
type run struct {
	*testing.T
	*gateway
	store  store
	before usage
	most   int // the greatest number of goroutines that was seen
	others *others
}

// begin starts an etcd and a gateway, and others who use it.
func begin(t *testing.T, s settings) *run {
	t.Helper()
	st := newStore(t, s.api)
	r := &run{T: t, gateway: start(t, st.endpoint(), s), store: st}
	r.others = r.use()
	r.others.more(t, 40)
	r.others.fared(t, "before")
	r.others.end(t)
	r.before = r.usage(t)
	r.others = r.use()
	r.others.more(t, 4)
	return r
}

// during ends a part of the abuse: others have fared well in it.
func (r *run) during(what string) {
	r.Helper()
	r.others.more(r.T, 1)
	r.others.fared(r.T, what)
}

// look says what the gateway uses now.
func (r *run) look(when string) {
	r.Helper()
	now := r.usage(r.T)
	r.most = max(r.most, now.goroutines)
	r.Logf("usage, %s: %v", when, now)
}

// end fails the test unless everything is as before, for others too.
func (r *run) end() {
	r.Helper()
	r.others.more(r.T, 10)
	r.others.fared(r.T, "afterwards")
	r.others.end(r.T)
	r.settled(r.T, r.before, r.most)
	r.returned(r.T, r.before)
	r.calm(r.T)
}

// The programs are built once for all tests, into a folder that TestMain removes.
var (
	programs     string
	caddyProgram = sync.OnceValues(func() (file string, err error) {
		if *caddy != "" {
			return filepath.Abs(*caddy)
		}
		file = filepath.Join(programs, "caddy")
		return file, finish("../../xcaddy.sh", "--output", file)
	})
	crowdProgram = sync.OnceValues(func() (file string, err error) {
		file = filepath.Join(programs, "crowd")
		return file, finish("go", "build", "-o", file, "./crowd")
	})
)

func finish(command string, args ...string) error {
	if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("building: %w\n%s", err, out)
	}
	return nil
}

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "abuse")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// program runs a program until the test ends. What it says goes to the file out.
func program(t testing.TB, cmd *exec.Cmd, out string) (ended <-chan struct{}) {
	t.Helper()
	log, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	etcdtest.EndWithTest(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		_ = log.Close()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if text, _ := os.ReadFile(out); t.Failed() {
			t.Logf("what %s said last:\n%s", filepath.Base(cmd.Path), text[max(0, len(text)-3000):])
		}
	})
	return done
}

// panics are the first lines of the panics in a log.
func panics(log []byte) (found []string) {
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte("panic")) || bytes.HasPrefix(line, []byte("fatal error")) {
			found = append(found, string(line))
		}
	}
	return found
}
