package abuse

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/robustness/cluster"
)

// usage is what a gateway has of the machine. Memory is measured in two ways. What it uses
// after a garbage collection, heap and stacks, is what comes back when nothing is left. What
// is resident comes back some seconds later: Go gives back to the system in the background
// what it needs no longer. (By itself it collects garbage every two minutes at least.)
type usage struct {
	goroutines int // but for those of connections that are kept
	kept       int // connections to etcd that are kept for the next request
	files      int
	live       int64 // bytes in use
	resident   int64 // bytes
}

func (u usage) String() string {
	const mib = 1 << 20
	return fmt.Sprintf("%d goroutines, %d files (%d kept), %.1f MiB in use, %.0f MiB resident",
		u.goroutines, u.files, u.kept, float64(u.live)/mib, float64(u.resident)/mib)
}

// usage is that of now.
func (g *gateway) usage(t testing.TB) (u usage) {
	t.Helper()
	memory, err := cluster.MemoryOf(g.admin, g.pid)
	if err != nil {
		t.Fatal(err)
	}
	u.live, u.resident = memory.InUse, memory.Resident
	_, stacks, _ := strings.Cut(g.pprof(t, "goroutine?debug=1"), "\n") // the first line is the total
	for stack := range strings.SplitSeq(strings.TrimSpace(stacks), "\n\n") {
		var same int
		if _, err := fmt.Sscanf(stack, "%d @", &same); err != nil {
			t.Fatalf("%v in %q", err, stack)
		}
		switch {
		case strings.Contains(stack, "net/http.(*persistConn).readLoop"):
			u.kept += same
		case !strings.Contains(stack, "net/http.(*persistConn)"):
			u.goroutines += same
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.pid))
	if err != nil {
		t.Fatal(err)
	}
	u.files = len(files)
	return u
}

// resident is the memory that the gateway has from the system, in bytes.
func (g *gateway) resident(t testing.TB) int64 {
	t.Helper()
	bytes, err := cluster.Resident(g.pid)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func (g *gateway) pprof(t testing.TB, profile string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+g.admin+"/debug/pprof/"+profile, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := send(once, req)
	if err := a.is(http.StatusOK); err != nil {
		t.Fatal(err)
	}
	return a.body
}

// settled fails the test unless the gateway soon uses about as much as before. What may be
// there: what is lingered over for a while, and tables that have grown, which are kept; for
// each goroutine that there was, what Go keeps of it for the next one; and for a minute, with
// the v2 API, the connections to etcd.
func (g *gateway) settled(t testing.TB, before usage, most int) {
	t.Helper()
	const (
		within     = 30 * time.Second
		goroutines = 20
		files      = 20
		live       = 8 << 20
		each       = 640      // of goroutines
		kept       = 32 << 10 // of connections: buffers, and two stacks
	)
	var now usage
	t.Logf("usage before: %v", before)
	took := patience.UntilEvery(t, within, 250*time.Millisecond, func() error {
		now = g.usage(t)
		var wrong []error
		check := func(what string, before, now, more int) {
			if now > before+more {
				wrong = append(wrong, fmt.Errorf("%d %s, %d before", now, what, before))
			}
		}
		check("goroutines", before.goroutines, now.goroutines, goroutines)
		check("files", before.files-before.kept, now.files-now.kept, files)
		check("bytes in use", int(before.live), int(now.live), live+each*most+kept*now.kept)
		return errors.Join(wrong...)
	})
	t.Logf("usage afterwards: %v, %v later", now, took.Round(time.Millisecond))
}

// returned fails the test unless the gateway soon has given its memory back to the system, now
// that its garbage has been collected.
func (g *gateway) returned(t testing.TB, before usage) {
	t.Helper()
	const more = 64 << 20
	now := g.resident(t)
	took := patience.UntilEvery(t, time.Minute, 100*time.Millisecond, func() error {
		if left := g.resident(t); left > before.resident+more {
			return fmt.Errorf("%d MiB are resident, %d before", left>>20, before.resident>>20)
		}
		return nil
	})
	t.Logf("of %d MiB, %d were resident %v later", now>>20, g.resident(t)>>20, took.Round(time.Millisecond))
}
