package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// The nine bugs that etcd's old lock had. Each has a test that fails where the
// bug is back.

var bg = context.Background()

func TestBug1_RenewalOrExpiryOfTheHolderGrantsOneWaiterAtMost(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		index := g.lock("k")
		replies := make(chan reply, 5)
		for range 5 {
			go func() { replies <- g.do(bg, http.MethodPost, "k?ttl=60") }()
		}
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 6) })
		for range 10 {
			want(t, g.do(bg, http.MethodPut, "k?ttl=60", "index", index), http.StatusOK, "")
		}
		want(t, g.do(bg, http.MethodPut, "k?ttl=6", "index", index), http.StatusOK, "")
		if err := g.hasQueue("k", 6); err != nil || len(replies) > 0 {
			t.Fatalf("after renewals: %v, and %d waiters answered", err, len(replies))
		}

		first := receive(t, replies) // the holder has expired
		want(t, first, http.StatusOK, whatever)
		want(t, g.do(bg, http.MethodGet, "k?index="+first.body), http.StatusOK, whatever)
		select {
		case r := <-replies:
			t.Fatalf("%v was granted beside %s", r, first.body)
		case <-time.After(time.Second):
		}
		if err := g.hasQueue("k", 5); err != nil {
			t.Error(err)
		}
	})
}

func TestBug2_AWaiterWhoseEntryIsGoneIsNotGranted(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		holder := g.lock("k")
		waits := g.post(bg, "k?ttl=60", "value", "v")
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
		want(t, g.do(bg, http.MethodDelete, "k?value=v"), http.StatusOK, "")
		wantError(t, receive(t, waits), http.StatusGone, 212)
		want(t, g.do(bg, http.MethodGet, "k?field=index"), http.StatusOK, holder)
	})
}

func TestBug3_AWaiterDoesNotExpireInTheQueue(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		holder := g.lock("k")
		waits := g.post(bg, "k?ttl=1")
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
		order, err := g.indices("k")
		if err != nil {
			t.Fatal(err)
		}
		// For longer than its TTL, and than the lease that it waits on lasts.
		select {
		case r := <-waits:
			t.Fatalf("answered while the lock was held: %v", r)
		case <-time.After(13 * time.Second):
		}
		g.unlock("k", holder)
		want(t, receive(t, waits), http.StatusOK, order[1])
	})
}

func TestBug4_NoAnswerHasAnIndexThatIsAlreadyGone(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		got := map[int]int{}
		for round := range 20 {
			holder := g.lock("k")
			waits := g.post(bg, "k?ttl=60", "timeout", "1")
			patience.Until(t, 10*time.Second, func() error {
				if len(waits) > 0 {
					return nil // it has given up before it was seen
				}
				return g.hasQueue("k", 2)
			})
			// Release the lock at about the moment at which the request gives up.
			time.Sleep(980*time.Millisecond + time.Duration(round)*2*time.Millisecond)
			g.unlock("k", holder)
			r := receive(t, waits)
			got[r.status]++
			switch r.status {
			case http.StatusOK:
				want(t, g.do(bg, http.MethodGet, "k?index="+r.body), http.StatusOK, whatever)
				g.unlock("k", r.body)
			case http.StatusLocked:
			default:
				t.Fatalf("got %v", r)
			}
			if err := g.hasQueue("k", 0); err != nil {
				t.Fatalf("after %v: %v", r, err)
			}
		}
		t.Logf("answers: %v", got)
	})
}

func TestBug5_TimeoutZeroDoesNotBlockAndOneValueIsOneEntry(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		gateways := []*gateway{e.gateway(t), e.gateway(t)}
		g := gateways[0]
		holder := g.lock("k")
		clock := patience.Start(t)
		want(t, g.do(bg, http.MethodPost, "k?ttl=60&timeout=0"), http.StatusLocked, whatever)
		want(t, g.do(bg, http.MethodPost, "k?ttl=60&timeout=0", "value", "v"), http.StatusLocked, whatever)
		if took := clock.Took(); took > time.Second {
			t.Errorf("two requests with timeout=0 took %v", took)
		}
		if err := g.hasQueue("k", 1); err != nil {
			t.Error(err)
		}

		// Requests with one value that race each other: through two gateways, for a
		// lock that is taken, and for one that is free.
		for _, key := range []string{"k", "free"} {
			const n = 20
			replies := make(chan reply, n)
			for i := range n {
				go func() { replies <- gateways[i%2].do(bg, http.MethodPost, key+"?ttl=60", "value", "bar") }()
			}
			if key == "k" {
				patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
				g.unlock("k", holder)
			}
			first := receive(t, replies)
			want(t, first, http.StatusOK, whatever)
			for range n - 1 {
				want(t, receive(t, replies), http.StatusOK, first.body)
			}
			if err := g.hasQueue(key, 1); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestBug6_ValuesInBodiesUnknownKeysAndSlashes(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		g.lock("k", "value", "bar")
		want(t, g.do(bg, http.MethodDelete, "k", "value", "bar"), http.StatusOK, "")
		if err := g.hasQueue("k", 0); err != nil {
			t.Error(err)
		}

		want(t, g.do(bg, http.MethodGet, "never"), http.StatusOK, "")
		want(t, g.do(bg, http.MethodPut, "never?ttl=60", "value", "v"), http.StatusNotFound, whatever)
		want(t, g.do(bg, http.MethodDelete, "never", "value", "v"), http.StatusNotFound, whatever)

		// All of these are different locks, and none sees into another.
		keys := []string{
			"a", "a/b", "a/b/c", "a%25", "a%252Fb", "b%20c", "b+c", "_hidden", "a/..b", "%C3%A9", "%E2%98%83/x", "%3F", "a//b",
		}
		held := map[string]string{}
		for _, key := range keys {
			r := g.do(bg, http.MethodPost, key+"?ttl=60&timeout=0", "value", "of "+key)
			want(t, r, http.StatusOK, whatever)
			held[key] = r.body
		}
		for _, key := range keys {
			want(t, g.do(bg, http.MethodGet, key), http.StatusOK, "of "+key)
			want(t, g.do(bg, http.MethodGet, key+"?field=index"), http.StatusOK, held[key])
		}
		// A key whose dots would lead out of the locks is refused: what matches paths,
		// to protect the locks say, would not see it as one.
		want(t, g.do(bg, http.MethodPost, "..%2F..%2Fx?ttl=60"), http.StatusNotFound, whatever)

		want(t, g.do(bg, http.MethodGet, "a%2Fb/"), http.StatusOK, "of a/b")
		g.unlock("a/b", held["a/b"])
		want(t, g.do(bg, http.MethodGet, "a/b/c"), http.StatusOK, "of a/b/c")
		want(t, g.do(bg, http.MethodGet, "a"), http.StatusOK, "of a")
	})
}

func TestBug7_OtherWritesDoNotBreakAWaitAndWaitingCostsNoCPU(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.apart(t)
		holder := g.lock("k")
		waits := g.post(bg, "k?ttl=60")
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })

		direct := e.direct(t)
		before, begin := g.cpu(), time.Now()
		var writers sync.WaitGroup
		for w := range 20 {
			writers.Go(func() {
				for i := range 250 {
					if err := direct.put(bg, fmt.Sprint(w), fmt.Sprint(i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		<-time.After(max(0, 3*time.Second-time.Since(begin)))
		if share := (g.cpu() - before).Seconds() / time.Since(begin).Seconds(); share > 0.2 {
			t.Errorf("one waiter used %.0f%% of a CPU", 100*share)
		}
		g.unlock("k", holder)
		want(t, receive(t, waits), http.StatusOK, whatever)
	})
}

// cpu is the time that the process has used.
func (g *gateway) cpu() time.Duration {
	g.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", g.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		g.t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // clock ticks
}

func TestBug8_HTTPS(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		secure := etcdtest.FreeAddress(t)
		g.extra = "\nhttps://" + secure + " {\n\ttls internal\n\tetcd\n}\n"
		g.configure(g.etcd)
		g.reload()
		own := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // its own CA made the certificate just now
		}}
		defer own.CloseIdleConnections()
		url := "https://" + secure + "/mod/v2/lock/k"
		patience.Until(t, 20*time.Second, func() error {
			resp, err := own.Post(url+"?ttl=60&value=v", "", nil)
			if err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					err = fmt.Errorf("POST answers %s", resp.Status)
				}
			}
			return err
		})
		want(t, g.do(bg, http.MethodGet, "k"), http.StatusOK, "v")
	})
}

func TestBug9_ALockWithoutAValueKeepsItsDash(t *testing.T) {
	onEach(t, func(t *testing.T, e *etcd) {
		g := e.gateway(t)
		first := g.lock("k")
		want(t, g.do(bg, http.MethodGet, "k"), http.StatusOK, "-")
		waits := g.post(bg, "k?ttl=60")
		patience.Until(t, 10*time.Second, func() error { return g.hasQueue("k", 2) })
		g.unlock("k", first)
		second := receive(t, waits)
		want(t, second, http.StatusOK, whatever)
		want(t, g.do(bg, http.MethodGet, "k"), http.StatusOK, "-")
		want(t, g.do(bg, http.MethodPut, "k?ttl=60&index="+second.body), http.StatusOK, "")
		want(t, g.do(bg, http.MethodGet, "k?field=value"), http.StatusOK, "-")
	})
}
