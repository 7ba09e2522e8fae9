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
		c := Start(t)
		time.Sleep(3 * time.Second)
		if took, stalled := c.Took(), c.Stalled(); took != 3*time.Second || stalled != 0 {
			t.Errorf("after 3 s: %v, and %v stalled", took, stalled)
		}
		c.stop() // as if nothing ran
		time.Sleep(2 * time.Second)
		if took, stalled := c.Took(), c.Stalled(); took != 3*time.Second || stalled != 2*time.Second {
			t.Errorf("after 2 s more, in which nothing ran: %v, and %v stalled", took, stalled)
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
