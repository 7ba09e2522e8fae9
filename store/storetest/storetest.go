// Package storetest checks every sentence of the contract in package store
// against a driver. Tests are named after the property that they check and, with
// a suffix such as _I7, the invariant of the design that it stands for.
//
// Nothing here sleeps to let something happen: what takes time is polled for,
// with a generous deadline. A driver may be slow; it may not be wrong.
package storetest

import (
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Harness is how the suite gets at a driver. Each test asks for one of its own.
// What is optional is nil, or zero, where a driver can't do it or it can't be
// done to the driver; the tests of it are skipped.
type Harness struct {
	// Open starts one more gateway. All gateways of one harness share a backend
	// and a prefix, in which nothing is at first. The suite closes each gateway
	// that it opens, except those that it kills.
	Open func(t *testing.T) store.Store

	// Handover says that Release grants to a successor in the same write, as
	// drivers do unless their etcd has no transactions.
	Handover bool

	// SessionTTL is how long a dead gateway's waiting entries stay at most. The
	// default is 15 s.
	SessionTTL time.Duration

	// HoldEvents is how many events a watch sees of an Acquire that takes a free
	// lock. The default is 1.
	HoldEvents int

	// ExactTTL says that List and Watch, and an observer's methods, tell the TTL as it
	// was last set.
	ExactTTL bool

	// LateEntries is for how long an entry stays that a request makes after it has
	// been withdrawn, where the driver can't keep it from being made.
	LateEntries time.Duration

	// Expire ends a gateway's session, as if its lease had run out while the
	// gateway lives on, and returns when the driver has learned of it.
	Expire func(t *testing.T, s store.Store)

	// Kill makes a gateway dead: it keeps nothing alive from now on, and says no
	// goodbye. The suite does not call its methods any more.
	Kill func(t *testing.T, s store.Store)

	// Cut separates a gateway from etcd, or joins the two again. A session need
	// not survive that for longer than a few seconds.
	Cut func(t *testing.T, s store.Store, cut bool)

	// Lose makes the next write of an Acquire, Grant or Release on this gateway fail in one way
	// and returns a function that lets a DelayedRequest reach etcd after all; it
	// does nothing for the others, or when the write never was made.
	Lose func(t *testing.T, s store.Store, how Loss) (deliver func())

	// Compact makes etcd forget all history up to now. Tests that use it run
	// alone.
	Compact func(t *testing.T)

	// BreakWatches makes all watches that run fail. Tests that use it run alone.
	BreakWatches func(t *testing.T)
}

// Loss is how the answer to a write gets lost.
type Loss string

// The ways in which the answer to a write gets lost.
const (
	LostRequest    Loss = "lost request"    // it never reaches etcd
	LostAnswer     Loss = "lost answer"     // it has taken effect
	DelayedRequest Loss = "delayed request" // it reaches etcd later, when asked to
)

// test is one property.
type test struct {
	name string
	run  func(f *fixture)
}

// Run runs the suite. newHarness is called once for each test.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	for _, tt := range aloneTests {
		t.Run(tt.name, func(t *testing.T) { tt.run(newFixture(t, newHarness(t))) })
	}
	for _, tests := range [][]test{
		acquireTests, joinTests, grantTests, withdrawTests, releaseTests, successorTests,
		renewTests, listTests, keyTests, valueTests, watchTests, contextTests,
		closeTests, sessionTests, expiryTests, lossTests, randomTests, hammerTests,
		scopeTests, observeTests, goneTests, renewalTests, resumeTests, observeFaultTests, surveyTests,
	} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				tt.run(newFixture(t, newHarness(t)))
			})
		}
	}
}
