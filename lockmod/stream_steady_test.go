package lockmod

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// one is a listener of one connection.
type one struct {
	conns chan net.Conn
}

func (l one) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l one) Close() error   { close(l.conns); return nil }
func (l one) Addr() net.Addr { return &net.TCPAddr{} }

// A client on a slow line that reads all the time is not one that does not read: its
// first event, with the state of many locks, may take longer than writeTimeout.
func TestSteadyButSlowReaderGetsTheState(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, _ *Service, st *memstore.Store) {
		value := strings.Repeat("v", 60<<10)
		for i := range 20 { // 1.2 MB
			_, err := st.Acquire(t.Context(), store.Key{Space: "lock", Name: "k" + string(rune('a'+i))}, store.Acquire{Value: value, HasValue: true, TTL: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
		}
		l := one{make(chan net.Conn, 1)}
		srv := &http.Server{Handler: h}
		served := make(chan struct{})
		go func() { defer close(served); _ = srv.Serve(l) }()
		client, server := net.Pipe()
		l.conns <- server
		if _, err := io.WriteString(client, "GET "+Prefix+" HTTP/1.1\r\nHost: x\r\nAccept: "+events+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		buffer := make([]byte, 8<<10)
		began := time.Now()
		for !strings.Contains(got.String(), "id: ") {
			n, err := client.Read(buffer) // 80 KB a second
			got.Write(buffer[:n])
			if err != nil {
				t.Errorf("after %v and %d bytes: %v", time.Since(began), got.Len(), err)
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		_ = client.Close()
		synctest.Wait()
		_ = srv.Close()
		<-served
	})
}
