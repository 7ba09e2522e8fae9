package abuse

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// others are clients who do nothing wrong: two for each of two locks, which they hand over
// to each other as long as they are there. Those of one lock keep their connections, those of
// the other make one for each request.
type others struct {
	gone chan struct{}
	stop func()
	all  sync.WaitGroup

	costs int // writes in etcd, for each handover
	clock *patience.Clock

	mu        sync.Mutex
	handovers []time.Duration // from when the one before gives back, or this one asks
	releases  []time.Duration
	writes    []time.Duration // of etcd itself, past the gateway
	wrong     []error
}

// use has others come.
func (r *run) use() *others {
	o := &others{gone: make(chan struct{}), costs: r.store.costs(), clock: patience.Start(r)}
	o.stop = sync.OnceFunc(func() {
		close(o.gone)
		o.all.Wait()
	})
	r.Cleanup(o.stop)
	o.all.Go(func() { o.write(r.store) })
	for lock, keep := range []bool{true, false} {
		shared := &shared{url: fmt.Sprintf("%s/mod/v2/lock/others%d", r.url, lock)}
		for range 2 {
			// Longer than anything may take: a client that gives up tells less of what happened.
			c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: !keep, DisableCompression: true}}
			o.all.Go(func() {
				defer c.CloseIdleConnections()
				for o.there() {
					if err := o.turn(c, shared); err != nil {
						o.mu.Lock()
						o.wrong = append(o.wrong, err)
						o.mu.Unlock()
						return
					}
				}
			})
		}
	}
	return o
}

// shared is a lock of theirs.
type shared struct {
	url string

	mu       sync.Mutex
	held     bool
	index    uint64    // the greatest of all
	released time.Time // when the last one began to give it back
}

// turn takes a lock, holds it for a moment and gives it back.
func (o *others) turn(c *http.Client, s *shared) error {
	const hold = 5 * time.Millisecond
	request := func(method, query string) (answer, time.Time, error) {
		begin := time.Now()
		req, err := http.NewRequest(method, s.url+query, nil)
		if err != nil {
			return answer{}, begin, err
		}
		a := send(c, req)
		if err := a.is(http.StatusOK); err != nil {
			return a, begin, fmt.Errorf("%s after %v: %w", method, time.Since(begin), err)
		}
		return a, begin, nil
	}
	a, since, err := request(http.MethodPost, "?ttl=60")
	if err != nil {
		return err
	}
	index, err := strconv.ParseUint(a.body, 10, 64)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.released.After(since) {
		since = s.released
	}
	took := o.clock.RanSince(since)
	if s.held || index <= s.index {
		err = fmt.Errorf("index %d is granted, and %d (held: %t) was before", index, s.index, s.held)
	}
	s.held, s.index = true, index
	s.mu.Unlock()
	if err != nil {
		return err
	}
	time.Sleep(hold)
	s.mu.Lock()
	s.held, s.released = false, time.Now()
	s.mu.Unlock()
	_, since, err = request(http.MethodDelete, "?index="+a.body)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handovers = append(o.handovers, took)
	o.releases = append(o.releases, o.clock.RanSince(since))
	return nil
}

// write writes something to etcd now and then.
func (o *others) write(s store) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		began := time.Now()
		err := s.write()
		o.mu.Lock()
		o.writes = append(o.writes, time.Since(began))
		if err != nil && o.there() {
			o.wrong = append(o.wrong, fmt.Errorf("writing to etcd: %w", err))
		}
		o.mu.Unlock()
		select {
		case <-o.gone:
			return
		case <-tick.C:
		}
	}
}

func (o *others) there() bool {
	select {
	case <-o.gone:
		return false
	default:
		return true
	}
}

// more waits until they have handed over so often again.
func (o *others) more(t testing.TB, n int) {
	t.Helper()
	o.mu.Lock()
	n += len(o.handovers)
	o.mu.Unlock()
	patience.Until(t, 20*time.Second, func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.wrong) > 0 {
			t.Fatalf("another client's lock: %v", errors.Join(o.wrong...))
		}
		if len(o.handovers) < n {
			return fmt.Errorf("%d locks have been handed over, want %d", len(o.handovers), n)
		}
		return nil
	})
}

// longest is how long a lock of others may take to be handed over, or to be given back, whatever
// goes on, beside the writes in etcd that it takes to queue and to be granted, each as slow as
// etcd was at its slowest meanwhile, past the gateway. Time in which the machine stood still does
// not count. Usually it is some milliseconds.
const longest = 2 * time.Second

// fared says how they did since the last time it was asked, and fails the test if something
// took too long.
func (o *others) fared(t testing.TB, during string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.handovers) == 0 || len(o.writes) == 0 {
		return
	}
	of := func(all []time.Duration) (middle, slowest time.Duration) {
		slices.Sort(all)
		short := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
		return short(all[len(all)/2]), short(all[len(all)-1])
	}
	handover, slowest := of(o.handovers)
	release, slowestRelease := of(o.releases)
	write, slowestWrite := of(o.writes)
	t.Logf("others, %s: %d handovers, median %v, slowest %v; giving back, median %v, slowest %v; a write in etcd, median %v, slowest %v",
		during, len(o.handovers), handover, slowest, release, slowestRelease, write, slowestWrite)
	want := longest + time.Duration(o.costs)*slowestWrite
	if slowest = max(slowest, slowestRelease); slowest > want {
		t.Errorf("another client's lock, %s: it was handed over or given back after %v only, want %v", during, slowest, want)
	}
	o.handovers, o.releases, o.writes = nil, nil, nil
}

// end has them go when they have given back what they hold, and fails the test if something
// went wrong.
func (o *others) end(t testing.TB) {
	t.Helper()
	o.stop()
	if len(o.wrong) > 0 {
		t.Errorf("another client's lock: %v", errors.Join(o.wrong...))
	}
}
