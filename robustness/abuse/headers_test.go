package abuse

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// maxHeader is the Caddyfile's max_header_size, and a little more that net/http allows.
const maxHeader = 1<<20 + 16<<10

// Heads of requests that are too long, in one field or in many, with HTTP/1.1 or HTTP/2: each
// is refused or its connection closed, and nothing else is disturbed.
func TestHeaderFloods(t *testing.T) {
	r := begin(t, settings{api: "v3"})
	start := "POST /mod/v2/lock/flooded?ttl=60 HTTP/1.1\r\nHost: " + r.site + "\r\n"
	for _, c := range []struct {
		name, head string
	}{
		{"a long field", start + "X-Long: " + strings.Repeat("x", maxHeader) + "\r\n\r\n"},
		{"many fields", start + strings.Repeat("X: y\r\n", maxHeader/6) + "\r\n"},
		{"a long address", "POST /mod/v2/lock/flooded?ttl=" + strings.Repeat("6", maxHeader) + " HTTP/1.1\r\nHost: " + r.site + "\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range max(1, *conns/10) {
				if said := r.flood(t, func(int) []byte { return []byte(c.head) }, 1, maxHeader); !strings.Contains(said, " 431 ") {
					t.Errorf("the answer is %q, want 431", said)
				}
			}
		})
	}
	// The ends of these never come.
	t.Run("endless fields", func(t *testing.T) {
		said := r.flood(t, func(i int) []byte {
			if i == 0 {
				return []byte(start)
			}
			return bytes.Repeat([]byte("X-Field: more\r\n"), 1000)
		}, 10_000, maxHeader)
		if !strings.Contains(said, " 431 ") && said != "" {
			t.Errorf("the answer is %q, want 431", said)
		}
	})
	t.Run("endless HTTP/2 fields", func(t *testing.T) {
		r.flood(t, func(i int) []byte {
			const headers, continuation = 1, 9
			field := append([]byte{0, 1, 'x', 100}, bytes.Repeat([]byte("y"), 100)...) // literal, without indexing
			block := bytes.Repeat(field, 150)
			if i == 0 {
				return append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"), frame(headers, block)...)
			}
			return frame(continuation, block)
		}, 10_000, maxHeader)
	})
	r.during("meanwhile")
	r.counts(0, "flooded", 0)
	r.end()
}

// frame is a frame of HTTP/2 on stream 1, without flags.
func frame(kind byte, payload []byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return append(append(head, 0, 0, 0, 0, 1), payload...)
}

// flood sends pieces until the gateway ends the connection, or they are all, and returns the
// line that it is answered with, if there is one. The gateway must not have taken in more
// than that, beside what is in the kernel's buffers.
func (r *run) flood(t *testing.T, piece func(i int) []byte, pieces, most int) string {
	t.Helper()
	const buffers = 48 << 20 // Linux lets them grow so large, both sides' together
	conn, err := r.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	said := make(chan []byte, 1)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(conn, 1<<20))
		said <- text
	}()
	sent := 0
	for i := range pieces {
		n, err := conn.Write(piece(i))
		sent += n
		if err != nil {
			break
		}
	}
	if sent > most+buffers {
		t.Errorf("%d bytes were taken, want %d, and up to %d in buffers", sent, most, buffers)
	}
	text := <-said
	if line, _, _ := strings.Cut(string(text), "\r\n"); strings.HasPrefix(line, "HTTP/") {
		return line
	}
	return ""
}

// Heads as long as may be, on requests that wait: the gateway keeps them as long as those
// wait, and not longer. What is in them costs nobody else anything.
func TestLongHeads(t *testing.T) {
	const n, long = 50, 1<<20 - 64<<10
	r := begin(t, settings{api: "v3"})
	held := r.take(t, "long", 300)
	l := r.open(n, func(i int) string {
		head := "POST /mod/v2/lock/long?ttl=60 HTTP/1.1\r\nHost: " + r.site + "\r\n"
		switch i % 3 {
		case 0:
			return head + "Accept: " + strings.Repeat("a/b;q=0.1,", long/10) + "\r\n\r\n"
		case 1:
			return head + strings.Repeat("X: y\r\n", long/6) + "\r\n"
		default:
			return strings.Replace(head, "?ttl=60", "?ttl=60&"+strings.Repeat("a&", long/2), 1) + "\r\n"
		}
	})
	r.counts(20*time.Second, "long", n+1)
	r.look(fmt.Sprintf("with %d that wait", n))
	r.others.more(t, 40)
	r.during("meanwhile")
	l.close()
	t.Logf("their entries were gone %v after they had gone", r.counts(longest, "long", 1).Round(time.Millisecond))
	r.release(t, "long", held)
	for range 10 {
		if err := r.ask(http.MethodGet, "/mod/v2/lock/long").is(http.StatusOK); err != nil {
			t.Error(err)
		}
	}
	r.end()
}
