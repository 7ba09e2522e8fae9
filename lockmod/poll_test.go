package lockmod

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// polls is one of each kind of long poll, as things stand with index 2 as the holder.
func TestLongPoll(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, svc *Service, _ *memstore.Store) {
		answered := func(c *client, want string) {
			t.Helper()
			if status, body := c.has(); !c.hasEnded() || status != 200 || !strings.HasPrefix(body, want) || want == "" && body != "" {
				t.Errorf("the answer is %d %q, want %q", status, body, want)
			}
		}
		hangs := func(c *client) {
			t.Helper()
			if c.hasEnded() {
				status, body := c.has()
				t.Errorf("it is answered: %d %q", status, body)
			}
		}

		free, held := ask(t, h, "GET", Prefix+"k?wait=true"), ask(t, h, "GET", Prefix+"k?wait=true&waitIndex=0")
		other := ask(t, h, "GET", Prefix+"k?wait=true&waitIndex=7") // nobody holds it: that is another one
		answered(other, "")
		hangs(free)
		hangs(held)
		serve(h, "POST", Prefix+"k?ttl=60&value=bar", "", "")
		answered(free, "bar")
		answered(held, "bar")
		if held.header.Get("X-Lock-Index") != "2" || held.header.Get("X-Lock-TTL") != "60" || held.header.Get("X-Etcd-Index") != "2" {
			t.Errorf("the headers are %v", held.header)
		}

		answered(ask(t, h, "GET", Prefix+"k?wait=true&waitIndex=0&field=index"), "2")
		answered(ask(t, h, "GET", Prefix+"k?wait=true&waitIndex=1"), "bar")
		answered(ask(t, h, "GET", Prefix+"k?wait=false&waitIndex=2"), "bar")
		now := ask(t, h, "GET", Prefix+"k?wait=true")
		known := ask(t, h, "GET", Prefix+"k?wait=true&waitIndex=2&field=index")
		asJSON := ask(t, h, "GET", Prefix+"k?wait=true&waitIndex=2", "Accept", "application/json")
		short := ask(t, h, "GET", Prefix+"k?wait=true&waitIndex=2&timeout=3")
		answered(ask(t, h, "GET", Prefix+"k?wait=true&waitIndex=2&timeout=0"), "bar")
		for range 2 {
			serve(h, "PUT", Prefix+"k?ttl=60&value=bar", "", "") // not another holder
			next := ask(t, h, "POST", Prefix+"k?ttl=60")         // nor is that
			hangs(next)
			next.cancel()
			hangs(now)
		}
		hangs(known)
		time.Sleep(3 * time.Second)
		answered(short, "bar")
		hangs(known)

		next := ask(t, h, "POST", Prefix+"k?ttl=60&value=foo")
		hangs(next)
		serve(h, "DELETE", Prefix+"k?value=bar", "", "")
		_, index := next.has()
		answered(now, "foo") // and never "": the lock is handed over in one revision
		answered(known, index)
		answered(asJSON, `{"key":"k","index":`+index+`,"value":"foo","ttl":60,"queue":[{`)

		gone := ask(t, h, "GET", Prefix+"k?wait=true")
		hangs(gone)
		gone.cancel()
		if !gone.hasEnded() || svc.Listening() != 0 {
			t.Errorf("%d still wait", svc.Listening())
		}
	})
}

// A poll does not take what the gateway has not heard yet for a change.
func TestLongPollOnAGatewayThatLagsBehind(t *testing.T) {
	onBench(t, 2, func(b *bench) {
		h := NewHandler(b.services[0], DefaultLimits(), b.services[0].logger)
		other := NewHandler(b.services[1], DefaultLimits(), b.services[1].logger)
		first := ask(b.T, h, "GET", Prefix+"k?wait=true") // has the gateway listen
		first.has()
		w := serve(other, "POST", Prefix+"k?ttl=60", "", "")
		poll := ask(b.T, h, "GET", Prefix+"k?wait=true&waitIndex="+w.Body.String())
		if poll.hasEnded() {
			_, body := poll.has()
			b.Errorf("answered with %q", body)
		}
		serve(other, "DELETE", Prefix+"k?index="+w.Body.String(), "", "")
		if status, body := poll.has(); status != 200 || body != "" {
			b.Errorf("got %d %q", status, body)
		}
		first.has()
		time.Sleep(2 * asideIdle) // virtual: the goroutines aside end
	})
}

// A long poll asks for the present: that etcd has forgotten some of the past, while it
// was away, is no reason to refuse an answer with 410.
func TestLongPollAfterForgottenHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := memstore.NewCluster()
		st, other := cluster.Open(), cluster.Open()
		svc := New(st, "lock", zap.NewNop())
		h := NewHandler(svc, DefaultLimits(), zap.NewNop())
		c := ask(t, h, "GET", Prefix+"k?wait=true&field=index")
		c.has()
		st.SetDown(true)
		cluster.BreakWatches()
		if _, err := other.Acquire(t.Context(), store.Key{Space: "lock", Name: "k"}, store.Acquire{TTL: time.Hour}); err != nil {
			t.Fatal(err)
		}
		cluster.Compact()
		st.SetDown(false)
		time.Sleep(10 * time.Second)
		if status, body := c.has(); status != 200 || body != "2" {
			t.Errorf("the poll is answered with %d %s", status, body)
		}
		c.cancel()
		time.Sleep(2 * asideIdle)
		svc.Close(context.Background())
		_ = st.Close(context.Background())
		_ = other.Close(context.Background())
	})
}

// A long poll that hears nothing of its key in the beginning is told soon that etcd is away, and
// does not wait as long as somebody who listens to all keys.
func TestLongPollThatHearsNothing(t *testing.T) {
	api(t, func(t *testing.T, h http.Handler, _ *Service, st *memstore.Store) {
		silent := make(chan struct{})
		st.Intercept(func(_ context.Context, op memstore.Op, _ store.Key) memstore.Fault {
			if op == memstore.OpObserve {
				<-silent
			}
			return memstore.None
		})
		c := ask(t, h, "GET", Prefix+"k?wait=true&waitIndex=7&timeout=2")
		time.Sleep(5 * time.Second)
		if status, body := c.has(); status != 503 {
			t.Errorf("after 5 s, the answer is %d %q", status, body)
		}
		close(silent)
		c.cancel()
		c.hasEnded()
	})
}
