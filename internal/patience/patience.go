// Package patience is how tests wait, and how they measure what may not take long: a shared
// machine may stop everything for a second or more, which is nobody's fault.
package patience

import (
	"sync"
	"testing"
	"time"
)

// look is how long it is between two looks.
const look = 5 * time.Millisecond

// Until checks until it succeeds, the last time when that much time has passed in which the
// machine ran; then it fails the test. It returns how long it took.
func Until(t testing.TB, within time.Duration, check func() error) time.Duration {
	t.Helper()
	return UntilEvery(t, within, look, check)
}

// UntilEvery is Until for a check that costs something, with that time between two.
func UntilEvery(t testing.TB, within, every time.Duration, check func() error) time.Duration {
	t.Helper()
	most := 5*within + 30*time.Second // a machine that does nothing but stall is no excuse
	clock := start()
	defer clock.stop()
	for {
		over := clock.Took() > within || time.Since(clock.begun) > most
		err := check()
		took := clock.Took()
		if err == nil {
			return took
		}
		if over {
			t.Fatalf("after %v, and %v in which nothing ran: %v", took, time.Since(clock.begun)-took, err)
		}
		time.Sleep(every)
	}
}

// A clock looks so often, and takes what is longer than that for a stall.
const (
	tick = 10 * time.Millisecond
	late = 100 * time.Millisecond
)

// Clock measures time in which the machine ran this process.
type Clock struct {
	begun time.Time
	stop  func()

	mu     sync.Mutex
	ran    time.Time // when it did last
	stalls []stall
}

type stall struct{ from, to time.Time }

// Start returns a clock that begins now, and ends with the test.
func Start(t testing.TB) *Clock {
	t.Helper()
	c := start()
	t.Cleanup(c.stop)
	return c
}

func start() *Clock {
	now := time.Now()
	c := &Clock{begun: now, ran: now}
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				c.now()
			}
		}
	}()
	c.stop = sync.OnceFunc(func() {
		close(over)
		<-gone
	})
	return c
}

// now is the moment, and it notes whether nothing ran just before.
func (c *Clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.ran) > late {
		c.stalls = append(c.stalls, stall{c.ran, now})
	}
	c.ran = now
	return now
}

// Ran is how much of the time between two moments since the clock began the machine ran.
func (c *Clock) Ran(from, to time.Time) time.Duration {
	if to.Before(from) {
		from, to = to, from
	}
	c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	ran := to.Sub(from)
	for _, s := range c.stalls {
		if begin, end := later(s.from, from), earlier(s.to, to); begin.Before(end) {
			ran -= end.Sub(begin)
		}
	}
	return ran
}

// RanSince is how much of the time since then the machine ran.
func (c *Clock) RanSince(from time.Time) time.Duration { return c.Ran(from, c.now()) }

// Took is how much of the time since the clock began the machine ran.
func (c *Clock) Took() time.Duration { return c.RanSince(c.begun) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
