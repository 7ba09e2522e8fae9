package abuse

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// Clients that wait, and whose machines lose power: nothing comes from them any more, no FIN
// and no RST, and not even their kernel says that it has what is sent. TCP's keep-alive finds
// them: with Caddy's own settings after 150 seconds, which -patient waits for, and else as
// the site says. Then their entries go at once.
func TestSilentClients(t *testing.T) {
	for _, c := range []struct {
		name, servers string
		after         time.Duration // keepalive_idle, and keepalive_count times keepalive_interval
		patient       bool
	}{
		{"keep-alive of seconds", "keepalive_idle 2s\n\t\tkeepalive_interval 1s\n\t\tkeepalive_count 3", 5 * time.Second, false},
		{"Caddy's own keep-alive", "", 150 * time.Second, true},
	} {
		if c.patient && !*patient {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, settings{api: "v3", servers: c.servers})
			held := r.take(t, "silent", 300)
			l := r.open(*conns, func(int) string { return "POST /mod/v2/lock/silent?ttl=60 HTTP/1.1\r\nHost: " + r.site + "\r\n\r\n" })
			r.counts(10*time.Second, "silent", *conns+1)
			for _, conn := range l.conns {
				if err := deafen(conn); err != nil {
					t.Fatal(err)
				}
			}
			// Half a second of the kernel's timers, and a second for I4.
			took := r.counts(c.after+1500*time.Millisecond+longest, "silent", 1)
			t.Logf("the entries of %d silent clients were gone %v after their last sign of life; keep-alive takes %v", *conns, took.Round(time.Millisecond), c.after)
			r.look("then")
			r.during("meanwhile")
			r.release(t, "silent", held)
			l.close()
			r.end()
		})
	}
}

// deafen has the kernel drop whatever comes for a connection, before TCP sees it.
func deafen(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	drop := []syscall.SockFilter{{Code: syscall.BPF_RET | syscall.BPF_K, K: 0}}
	failed := raw.Control(func(fd uintptr) { err = syscall.AttachLsf(int(fd), drop) }) //nolint:staticcheck // what replaces it is no dependency yet
	if failed != nil {
		return failed
	}
	if err != nil {
		return fmt.Errorf("attaching a filter: %w", err)
	}
	return nil
}
