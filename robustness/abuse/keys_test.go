package abuse

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// 100,000 locks are held at once. They can be listed and listened to, and a lock is taken and
// given back as before. In the end some expire, and the others are given back.
func TestManyKeys(t *testing.T) {
	for _, c := range []struct {
		api  string
		keys int
	}{{"v3", *keys}, {"v2", *keysV2}} {
		t.Run(c.api, func(t *testing.T) {
			const ttl, short = 1800, 5
			r := begin(t, settings{api: c.api})
			h := r.hold()
			brief := c.keys / 50

			took := h.all(0, c.keys-brief, func(i int) { h.take(i, ttl) })
			t.Logf("%d locks were taken in %v: %.0f a second", c.keys-brief, took.Round(time.Millisecond), float64(c.keys-brief)/took.Seconds())
			r.counts(0, "key", c.keys-brief)
			r.look("with them")
			r.during("while they are taken")

			began := time.Now()
			if n := r.list(); n != c.keys-brief {
				t.Errorf("%d locks are listed, want %d", n, c.keys-brief)
			}
			t.Logf("they were listed, a thousand at a time, in %v", time.Since(began).Round(time.Millisecond))
			r.listen(c.keys - brief)
			r.look("with somebody who listens")
			r.others.more(t, 40)
			r.during("while they are held")

			// These expire. Etcd ends a thousand leases a second at most.
			h.all(c.keys-brief, c.keys, func(i int) { h.take(i, short) })
			expire := r.counts((short+2)*time.Second+time.Duration(brief)*time.Second/200, "key", c.keys-brief)
			t.Logf("%d others, taken for %d s, had expired after %v", brief, short, expire.Round(time.Millisecond))
			r.during("while some expire")

			took = h.all(0, c.keys-brief, h.release)
			t.Logf("the locks were given back in %v: %.0f a second", took.Round(time.Millisecond), float64(c.keys-brief)/took.Seconds())
			r.emptied(0, "key")
			r.during("while they are given back")
			h.client.CloseIdleConnections()
			r.end()
		})
	}
}

// holder holds many locks, on few connections.
type holder struct {
	r       *run
	client  *http.Client
	mu      sync.Mutex
	indices map[int]string
}

// abreast is on how many connections.
const abreast = 128

func (r *run) hold() *holder {
	return &holder{
		r: r, indices: make(map[int]string),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: abreast, DisableCompression: true}},
	}
}

// all does something for all numbers from from to to, and says how long it took.
func (h *holder) all(from, to int, do func(i int)) time.Duration {
	began := time.Now()
	var next atomic.Int64
	next.Store(int64(from))
	var all sync.WaitGroup
	for range abreast {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < to && !h.r.Failed(); i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
	if h.r.Failed() {
		h.r.FailNow()
	}
	return time.Since(began)
}

func (h *holder) ask(method string, i int, query string) string {
	req, err := http.NewRequest(method, fmt.Sprintf("%s/mod/v2/lock/key%06d?%s", h.r.url, i, query), nil)
	if err != nil {
		h.r.Error(err)
		return ""
	}
	a := send(h.client, req)
	if err := a.is(http.StatusOK); err != nil {
		h.r.Errorf("%s of lock %d: %v", method, i, err)
	}
	return a.body
}

func (h *holder) take(i, ttl int) {
	index := h.ask(http.MethodPost, i, fmt.Sprintf("ttl=%d&timeout=0", ttl))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.indices[i] = index
}

func (h *holder) release(i int) {
	h.mu.Lock()
	index := h.indices[i]
	h.mu.Unlock()
	h.ask(http.MethodDelete, i, "index="+index)
}

// list counts the locks of the list whose names begin with key. Each page comes soon.
func (r *run) list() (n int) {
	r.Helper()
	next := ""
	for {
		began := time.Now()
		a := r.ask(http.MethodGet, "/mod/v2/lock/?prefix=key&limit=1000&continue="+url.QueryEscape(next))
		if err := a.is(http.StatusOK); err != nil {
			r.Fatalf("listing after %q: %v", next, err)
		}
		if took := r.others.clock.RanSince(began); took > longest {
			r.Errorf("a page of the list came after %v", took)
		}
		var page struct {
			Items    []struct{ Key string }
			Continue string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			r.Fatal(err)
		}
		n += len(page.Items)
		if next = page.Continue; next == "" {
			return n
		}
	}
}

// listen listens to all locks whose names begin with key, which are n: they are told of, and
// then one more that is taken and given back.
func (r *run) listen(n int) {
	r.Helper()
	req, err := http.NewRequest(http.MethodGet, r.url+"/mod/v2/lock/?prefix=key", nil)
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	began := time.Now()
	// The gateway first asks etcd for the TTL of each.
	resp, err := once.Do(req) // which gives up after a minute
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		r.Fatalf("who listens is answered %s", resp.Status)
	}
	lines := bufio.NewReaderSize(resp.Body, 1<<20)
	// next is the data of the next event of that name.
	next := func(event string) string {
		named := false
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				r.Fatalf("no event %s after %v: %v", event, time.Since(began), err)
			}
			switch data, is := strings.CutPrefix(line, "data: "); {
			case named && is:
				return data
			case strings.HasPrefix(line, "event: "):
				named = strings.TrimSpace(line) == "event: "+event
			}
		}
	}
	var state struct{ Items []struct{ Key string } }
	text := next("state")
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		r.Fatal(err)
	}
	if len(state.Items) != n {
		r.Errorf("whoever listens is told of %d locks, want %d", len(state.Items), n)
	}
	r.Logf("whoever listens was told of %d locks, in %d KiB, after %v", len(state.Items), len(text)>>10, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	index := r.take(r.T, "keynew", 60)
	if data := next("acquired"); !strings.Contains(data, `"keynew"`) {
		r.Errorf("the event is %s", data)
	}
	r.release(r.T, "keynew", index)
	if data := next("released"); !strings.Contains(data, `"keynew"`) {
		r.Errorf("the event is %s", data)
	}
	r.Logf("and then, within %v, of one more that was taken and given back", time.Since(began).Round(time.Millisecond))
}
