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
	clock := start()
	defer clock.stop()
	for {
		late := clock.Took() > within
		err := check()
		if err == nil {
			return clock.Took()
		}
		if late {
			t.Fatalf("after %v: %v", within, err)
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

	mu      sync.Mutex
	ran     time.Time // when it did last
	stalled time.Duration
}

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
				c.Stalled()
			}
		}
	}()
	c.stop = sync.OnceFunc(func() {
		close(over)
		<-gone
	})
	return c
}

// Stalled is for how long the process was not run since the clock began.
func (c *Clock) Stalled() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if took := now.Sub(c.ran); took > late {
		c.stalled += took
	}
	c.ran = now
	return c.stalled
}

// Took is how long it is since the clock began, without what it stalled.
func (c *Clock) Took() time.Duration {
	stalled := c.Stalled()
	return time.Since(c.begun) - stalled
}
