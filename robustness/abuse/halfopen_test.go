package abuse

import (
	"testing"
	"time"
)

// Connections on which nothing comes, or half of a request's head, or a beginning of HTTP/2
// and nothing else. Nobody else notices, and with the client they go; Caddy itself closes
// those of HTTP/1.1 after a minute (read_header_timeout).
func TestHalfOpen(t *testing.T) {
	r := begin(t, settings{api: "v3"})
	heads := []string{
		"",
		"P",
		"POST /mod/v2/lock/half?ttl=60 HT",
		"POST /mod/v2/lock/half?ttl=60 HTTP/1.1\r\nHost: " + r.site + "\r\nContent-Ty",
		"PRI * HTTP/2.0\r\n\r\nSM",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x40\x01\x04", // SETTINGS, and half of HEADERS
	}
	l := r.open(*conns, func(i int) string { return heads[i%len(heads)] })
	r.others.more(t, 200)
	r.look("with them")
	r.during("meanwhile")
	if *patient {
		var half lines
		for i, conn := range l.conns {
			if i%len(heads) < 4 {
				half.conns = append(half.conns, conn)
			}
		}
		t.Logf("to those of HTTP/1.1 the gateway has said: %v", half.ended(t, 90*time.Second))
		r.during("until then")
	}
	l.close()
	r.counts(0, "half", 0)
	r.end()
}
