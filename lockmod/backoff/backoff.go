// Package backoff is how long to wait before something is tried again.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Min and Max are about the shortest and the longest wait.
const (
	Min = 50 * time.Millisecond
	Max = time.Second
)

// Jitter is a random time below most. A simulation, which has to be repeatable, puts its
// own in its place.
var Jitter = rand.N[time.Duration]

// Next is how long to wait after a failure that came after a wait of last.
func Next(last time.Duration) time.Duration {
	next := min(max(2*last, Min), Max)
	return next/2 + Jitter(next/2)
}

// Sleep waits for d, or less if ctx ends; it says whether ctx goes on.
func Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
