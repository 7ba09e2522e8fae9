package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// front is where clients ask a gateway, and how.
type front struct {
	t    testing.TB
	host string
	tls  *tls.Config            // nil without TLS
	pem  *etcdtest.Certificates // the same, for commands
	http *http.Client           // a connection for each request
	v3   *clientv3.Client       // etcd's own
}

func newFront(t testing.TB, host string, certificates *etcdtest.Certificates) *front {
	t.Helper()
	f := &front{t: t, host: host, pem: certificates, http: client}
	if certificates != nil {
		f.tls = certificates.Config(t)
		f.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: f.tls}}
	}
	var err error
	f.v3, err = clientv3.New(clientv3.Config{Endpoints: []string{f.url()}, TLS: f.tls, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.v3.Close() })
	return f
}

func (f *front) url() string {
	if f.tls != nil {
		return "https://" + f.host
	}
	return "http://" + f.host
}

// long is something that goes on for a long time.
type long struct {
	name   string
	events chan string // what it brings, of each write a text that has its value
	ended  chan error
	clock  *patience.Clock
}

func (f *front) long(name string, run func(events chan<- string) error) *long {
	l := &long{name: name, events: make(chan string, 100), ended: make(chan error, 1), clock: patience.Start(f.t)}
	go func() { l.ended <- run(l.events) }()
	return l
}

// goesOn says that it has not ended.
func (l *long) goesOn(t testing.TB) {
	t.Helper()
	select {
	case err := <-l.ended:
		t.Fatalf("%s has ended: %v", l.name, err)
	default:
	}
}

// brings waits for an event with that in it. One may come later on a machine that is
// busy, but not as late as a client that has had to begin anew.
func (l *long) brings(t testing.TB, what string) {
	t.Helper()
	begin := time.Now()
	for {
		var event string
		select {
		case event = <-l.events: // also what it brought before it ended
		default:
			select {
			case event = <-l.events:
			case err := <-l.ended:
				l.ended <- err
				if len(l.events) == 0 {
					t.Fatalf("%s has ended before it brought %q: %v", l.name, what, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s does not bring %q", l.name, what)
			}
		}
		if strings.Contains(event, what) || strings.Contains(event, base64.StdEncoding.EncodeToString([]byte(what))) {
			if took := l.clock.RanSince(begin); took > time.Second {
				t.Errorf("%s brings %q after %v", l.name, what, took)
			}
			return
		}
	}
}

// watchedKey is what is watched, with both APIs. A long poll, which ends with its
// event, has a key of its own.
const watchedKey = "reload"

// body sends a request, and hands on what the answer brings.
func (f *front) body(method, path, body string) func(events chan<- string) error {
	return func(events chan<- string) error {
		req, err := http.NewRequestWithContext(f.t.Context(), method, f.url()+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		resp, err := f.http.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if strings.Contains(path, "stream=true") {
			events <- "begun" // v2 sends the header at once, and nothing else
		}
		lines := bufio.NewReader(resp.Body)
		for {
			line, err := lines.ReadString('\n')
			if line != "" {
				events <- line
			}
			if err != nil {
				return fmt.Errorf("%s: %w", resp.Status, err)
			}
		}
	}
}

// watchJSON is what has /v3/watch watch the key.
var watchJSON = fmt.Sprintf(`{"create_request":{"key":%q}}`, base64.StdEncoding.EncodeToString([]byte(watchedKey)))

// webSocket watches over a WebSocket, as etcd's own clients in browsers do.
func (f *front) webSocket(events chan<- string) error {
	var conn net.Conn
	var err error
	if f.tls != nil {
		conn, err = tls.Dial("tcp", f.host, f.tls)
	} else {
		conn, err = net.Dial("tcp", f.host)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v3/watch HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", f.host)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("no WebSocket: %v, %w", resp, err)
	}
	mask := make([]byte, 4)
	_, _ = rand.Read(mask)
	frame := append([]byte{0x81, 0x80 | byte(len(watchJSON))}, mask...)
	for i := range len(watchJSON) {
		frame = append(frame, watchJSON[i]^mask[i%4])
	}
	if _, err := conn.Write(frame); err != nil {
		return err
	}
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(r, head); err != nil {
			return err
		}
		n := int64(head[1])
		if n == 126 {
			var long uint16
			if err := binary.Read(r, binary.BigEndian, &long); err != nil {
				return err
			}
			n = int64(long)
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(r, text); err != nil {
			return err
		}
		if head[0]&0xf == 8 {
			return errors.New("the WebSocket has been closed")
		}
		events <- string(text)
	}
}

// etcdctlLock runs a command while it holds a lock: it says each line of a FIFO until
// that is closed.
func (f *front) etcdctlLock(fifo string) func(events chan<- string) error {
	args := []string{"--endpoints", f.url(), "lock", "reload", "--", "sh", "-c", `while read -r line; do echo "$line"; done <"$0"`, fifo}
	if f.pem != nil {
		args = append([]string{"--cacert", f.pem.CA, "--cert", f.pem.Cert, "--key", f.pem.Key}, args...)
	}
	cmd := exec.CommandContext(f.t.Context(), etcdtest.Etcdctl(f.t, etcdtest.V37), args...)
	etcdtest.EndWithTest(cmd)
	return func(events chan<- string) error {
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		cmd.Stderr = cmd.Stdout
		if err := cmd.Start(); err != nil {
			return err
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			events <- lines.Text()
		}
		return cmd.Wait()
	}
}

// mutex waits for a lock of client/v3's concurrency, and then holds it.
func (f *front) mutex(events chan<- string) error {
	session, err := concurrency.NewSession(f.v3, concurrency.WithTTL(10))
	if err != nil {
		return err
	}
	events <- "begun"
	m := concurrency.NewMutex(session, "/mutex")
	if err := m.Lock(f.t.Context()); err != nil {
		return err
	}
	events <- "locked"
	<-session.Done()
	return context.Canceled
}

// streams are those of gRPC, without a client that makes new ones.
func (f *front) streams() (watch, alive func(events chan<- string) error) {
	var options []grpc.DialOption
	if f.tls != nil {
		options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(f.tls)))
	}
	r := raw(f.t, f.host, watchedKey, options...)
	watch = func(events chan<- string) error {
		events <- "begun"
		for {
			resp, err := r.watch.Recv()
			if err != nil {
				return err
			}
			for _, e := range resp.Events {
				events <- string(e.Kv.Value)
			}
		}
	}
	clock := patience.Start(f.t)
	alive = func(events chan<- string) error {
		events <- "begun"
		for {
			begin := clock.Took()
			if err := r.renew(); err != nil {
				return err
			}
			if took := clock.Took() - begin; took > time.Second {
				return fmt.Errorf("a renewal took %v", took)
			}
			time.Sleep(20 * time.Millisecond) // nobody renews more often
		}
	}
	return watch, alive
}
