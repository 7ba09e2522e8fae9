package abuse

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// lines are connections of one client that does something wrong on each of them.
type lines struct {
	conns []*net.TCPConn
	all   sync.WaitGroup
}

// open opens so many connections and sends on each what head says, which may be nothing.
func (r *run) open(n int, head func(i int) string) *lines {
	r.Helper()
	l := new(lines)
	r.Cleanup(l.close)
	for i := range n {
		conn, err := r.dial()
		if err != nil {
			r.Fatal(err)
		}
		l.conns = append(l.conns, conn)
		if _, err := io.WriteString(conn, head(i)); err != nil {
			r.Fatal(err)
		}
	}
	return l
}

// close closes the connections, and waits for what is done on them.
func (l *lines) close() {
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.all.Wait()
}

// ended waits until the gateway has closed all of them, and says what it answered.
func (l *lines) ended(t testing.TB, within time.Duration) map[string]int {
	t.Helper()
	deadline := time.Now().Add(within)
	answers := make(map[string]int)
	for i, conn := range l.conns {
		_ = conn.SetReadDeadline(deadline)
		said, err := io.ReadAll(io.LimitReader(conn, 64<<10))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d is still open after %v", i, within)
			return answers
		}
		answers[status(said)]++
	}
	return answers
}

// status is the status line of an answer, or how much else it is.
func status(said []byte) string {
	line, _, _ := strings.Cut(string(said), "\r\n")
	if !strings.HasPrefix(line, "HTTP/") {
		return fmt.Sprintf("%d bytes", len(said))
	}
	return line
}

// Bodies that come a byte at a time, or not at all, for a lock, an election or etcd itself,
// as HTTP/1.1 announces them or in chunks. Nobody else notices, whoever is slow but sure is
// served, and nothing has been queued for the others.
func TestSlowBodies(t *testing.T) {
	r := begin(t, settings{api: "v3"})
	host := "Host: " + r.site + "\r\n"
	form := host + "Content-Type: application/x-www-form-urlencoded\r\n"
	heads := []string{
		"POST /mod/v2/lock/slow?ttl=60 HTTP/1.1\r\n" + form + "Content-Length: 100000\r\n\r\nvalue=",
		"POST /mod/v2/lock/slow?ttl=60 HTTP/1.1\r\n" + form + "Transfer-Encoding: chunked\r\n\r\n6\r\nvalue=\r\n",
		"PUT /mod/v2/leader/slow?ttl=60 HTTP/1.1\r\n" + form + "Content-Length: 100000\r\n\r\nname=",
		"POST /v3/kv/range HTTP/1.1\r\n" + host + "Content-Length: 100000\r\n\r\n{",
	}
	// Half of each kind sends nothing more.
	l := r.open(*conns, func(i int) string { return heads[i%len(heads)] })
	done := make(chan struct{})
	stop := sync.OnceFunc(func() { close(done) })
	t.Cleanup(stop)
	var sent atomic.Int64
	trickling := 0
	for i, conn := range l.conns {
		if i/len(heads)%2 == 0 {
			continue
		}
		trickling++
		more := "a"
		if i%len(heads) == 1 {
			more = "1\r\na\r\n"
		}
		l.all.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				if _, err := io.WriteString(conn, more); err != nil {
					return
				}
				sent.Add(1)
				select {
				case <-done:
					return
				case <-tick.C:
				}
			}
		})
	}
	if err := r.slowButSure(); err != nil {
		t.Error(err)
	}
	patience.UntilEvery(t, 30*time.Second, 20*time.Millisecond, func() error {
		if n := sent.Load(); n < int64(4*trickling) {
			return fmt.Errorf("%d bytes have been sent on %d connections", n, trickling)
		}
		return nil
	})
	r.look("with them")
	r.during("meanwhile")
	r.counts(0, "slow", 0)
	if *patient {
		// Caddy's read_idle_timeout is a minute. On the way to etcd, a body may be silent
		// for as long as it likes, as it may without a gateway.
		var silent lines
		for i, conn := range l.conns {
			if i/len(heads)%2 == 0 && i%len(heads) != 3 {
				silent.conns = append(silent.conns, conn)
			}
		}
		answers := silent.ended(t, 90*time.Second)
		t.Logf("to those who send nothing more the gateway has said: %v", answers)
		for answer := range answers {
			if !strings.HasPrefix(answer, "HTTP/1.1 400") {
				t.Errorf("some were answered %q", answer)
			}
		}
		r.during("until then")
	}
	stop()
	l.close()
	r.counts(0, "slow", 0)
	r.end()
}

// slowButSure sends a request for a lock in pieces, and reads its answer.
func (r *run) slowButSure() error {
	conn, err := r.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	const body = "value=tortoise&ttl=60"
	request := fmt.Sprintf("POST /mod/v2/lock/tortoise HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		r.site, len(body), body)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range len(request) {
		if _, err := io.WriteString(conn, request[i:i+1]); err != nil {
			return err
		}
		<-tick.C
	}
	clock := patience.Start(r)
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	index, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("who is slow but sure is answered %s %q (%w)", resp.Status, index, err)
	}
	if took := clock.Took(); took > longest {
		err = fmt.Errorf("who is slow but sure is answered after %v", took)
	}
	r.release(r.T, "tortoise", string(index))
	return err
}
