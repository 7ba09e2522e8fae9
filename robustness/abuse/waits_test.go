package abuse

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// crowd is a client in a process of its own, with many waits.
type crowd struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended <-chan struct{}
	heard chan struct{} // closed when all that it has said has been read

	mu       sync.Mutex
	statuses map[string]int
}

func (r *run) crowd(waits, locks int, h2c bool) *crowd {
	r.Helper()
	file, err := crowdProgram()
	if err != nil {
		r.Fatal(err)
	}
	c := &crowd{heard: make(chan struct{}), statuses: make(map[string]int)}
	c.cmd = exec.Command(file, "-url", r.url+"/mod/v2/lock/crowded", fmt.Sprintf("-h2c=%t", h2c),
		"-waits", fmt.Sprint(waits), "-locks", fmt.Sprint(locks))
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		r.Fatal(err)
	}
	out, in := io.Pipe()
	c.cmd.Stdout = in
	c.ended = program(r.T, c.cmd, filepath.Join(r.TempDir(), "crowd"))
	go func() {
		<-c.ended
		_ = in.Close()
	}()
	go func() {
		defer close(c.heard)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.mu.Lock()
			c.statuses[lines.Text()]++
			c.mu.Unlock()
		}
	}()
	return c
}

func (c *crowd) answers(status string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.statuses[status]
}

// vanish has the client go, killed or with resets. It returns when its process has ended, and
// statuses are all that it was answered.
func (c *crowd) vanish(killed bool) {
	if killed {
		_ = c.cmd.Process.Kill()
	} else {
		_ = c.stdin.Close()
	}
	<-c.ended
	<-c.heard
}

// vanished is a client with many waits, and how it vanishes.
type vanished struct {
	api, name   string
	locks       int
	h2c, killed bool
}

// within is how long the entries of so many waits may take to go. For a few hundred it is a
// second (I4). Each is at least one write in etcd, and a gateway has no more than 256 under
// way, so that there is room for others: that many more go in a second at least, on a
// machine that does other things too.
func (v vanished) within(waits int) time.Duration {
	rate := 500
	if v.api == "v2" {
		rate = 250
	}
	return time.Second + time.Duration(waits)*time.Second/time.Duration(rate)
}

// A client opens thousands of waits, for one lock or for many, and vanishes. Others' locks go on,
// and its entries go.
func TestVanishedWaits(t *testing.T) {
	for _, c := range []vanished{
		{"v3", "HTTP/1.1, reset", 1, false, false},
		{"v3", "HTTP/2, killed", 100, true, true},
		{"v2", "HTTP/1.1, killed", 10, false, true},
	} {
		t.Run(c.api+", "+c.name, func(t *testing.T) {
			n := *waits
			if c.api == "v2" {
				n = *waitsV2
			}
			if !c.h2c {
				n = affordable(t, n)
			}
			r := begin(t, settings{api: c.api})
			var held []string
			for i := range c.locks {
				held = append(held, r.take(t, fmt.Sprintf("crowded%d", i), 300))
			}
			began := time.Now()
			crowd := r.crowd(n, c.locks, c.h2c)
			r.counts(2*time.Minute, "crowded", n+c.locks)
			t.Logf("%d waits had queued after %v", n, time.Since(began).Round(time.Millisecond))
			r.during("while they queue")
			r.look("with them")
			r.others.more(t, 20)
			r.during("while they wait")
			crowd.vanish(c.killed)
			took := r.counts(c.within(n), "crowded", c.locks)
			t.Logf("their entries were gone %v after they had vanished", took.Round(time.Millisecond))
			r.during("while they go")
			for status, n := range crowd.statuses {
				switch status {
				case "gone":
				case "503", "504":
					t.Logf("etcd was too busy for %d: %s", n, status)
				default:
					t.Errorf("%d were answered %s", n, status)
				}
			}
			for i, index := range held {
				r.release(t, fmt.Sprintf("crowded%d", i), index)
			}
			r.emptied(5*time.Second, "crowded")
			r.end()
		})
	}
}

// affordable is how many of n connections a gateway can have here: each is a file, and it
// has others.
func affordable(t testing.TB, n int) int {
	t.Helper()
	const others = 1000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if most := int(min(limit.Max, 1<<30)) - others; n > most {
		t.Logf("The system lets a process open %d files, so only %d connections wait, not %d: raise ulimit -Hn", limit.Max, most, n)
		n = most
	}
	return n
}

// Beyond max_waiting, all are told so, those that wait go on waiting, and a lock that is free
// can be taken by who does not wait for it.
func TestTooManyWaits(t *testing.T) {
	const limit, n = 500, 1500
	r := begin(t, settings{api: "v3", lock: fmt.Sprintf("max_waiting %d", limit)})
	r.others.end(t) // they wait, too
	held := r.take(t, "crowded0", 300)
	crowd := r.crowd(n, 1, false)
	patience.UntilEvery(t, time.Minute, 20*time.Millisecond, func() error {
		if refused := crowd.answers("429"); refused != n-limit {
			return fmt.Errorf("%d are told that there are too many, want %d", refused, n-limit)
		}
		return nil
	})
	r.counts(10*time.Second, "crowded", limit+1)
	for range 20 {
		r.release(t, "free", r.take(t, "free", 60))
	}
	refused := r.ask(http.MethodPost, "/mod/v2/lock/free?ttl=60")
	wantError(t, refused, http.StatusTooManyRequests, 216)
	if refused.header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After in %v", refused.header)
	}
	crowd.vanish(true)
	if len(crowd.statuses) != 1 {
		t.Errorf("some were answered otherwise: %v", crowd.statuses)
	}
	t.Logf("their entries were gone after %v", r.counts(5*time.Second, "crowded", 1).Round(time.Millisecond))
	r.release(t, "crowded0", held)
	r.others = r.use()
	r.end()
}
