package patience

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// Time passes, and what has no part in it is not counted.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, begun := Start(t), time.Now()
		at := func(seconds float64) time.Time { return begun.Add(time.Duration(seconds * float64(time.Second))) }
		time.Sleep(3 * time.Second)
		if took := c.Took(); took != 3*time.Second {
			t.Errorf("after 3 s: %v", took)
		}
		c.stop() // as if nothing ran
		time.Sleep(2 * time.Second)
		if took := c.Took(); took != 3*time.Second {
			t.Errorf("after 2 s more, in which nothing ran: %v", took)
		}
		for _, span := range []struct{ from, to, ran float64 }{
			{0, 3, 3}, {1, 2, 1}, {2.5, 4, 0.5}, {3.5, 4.5, 0}, {4, 5, 0}, {0, 5, 3},
		} {
			if ran := c.Ran(at(span.from), at(span.to)); ran != at(span.ran).Sub(begun) {
				t.Errorf("between %v and %v s it ran %v, want %v s", span.from, span.to, ran, span.ran)
			}
		}
	})
}

// Whatever a look takes, there is one after the time is over.
func TestUntilLooksOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		Until(t, time.Second, func() error {
			if looks++; looks == 1 {
				time.Sleep(time.Minute)
				return errors.New("not yet")
			}
			return nil
		})
		if looks != 2 {
			t.Errorf("%d looks", looks)
		}
	})
}

func TestUntilGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := &failing{TB: t}
		begin := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			Until(failing, time.Second, func() error { return errors.New("never") })
		}()
		<-done
		if took := time.Since(begin); !failing.failed || took < time.Second || took > time.Second+2*look {
			t.Errorf("it has failed: %t, after %v, want one second", failing.failed, took)
		}
	})
}

// failing is a test that may fail.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Fatalf(string, ...any) {
	f.failed = true
	runtime.Goexit()
}
