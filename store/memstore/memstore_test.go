package memstore

import (
	"context"
	"flag"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/storetest"
)

// TestMain lets all of the suite's tests run at once: most of their time they
// wait for TTLs.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "64"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// TestContract runs the suite that every driver must pass.
func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		const sessionTTL = time.Second
		cluster := NewCluster()
		return storetest.Harness{
			Open:         func(*testing.T) store.Store { return cluster.Open(WithSessionTTL(sessionTTL)) },
			Handover:     true,
			ExactTTL:     true,
			SessionTTL:   sessionTTL,
			Expire:       func(_ *testing.T, s store.Store) { s.(*Store).Expire() },
			Kill:         func(_ *testing.T, s store.Store) { s.(*Store).Kill() },
			Cut:          func(_ *testing.T, s store.Store, cut bool) { s.(*Store).SetDown(cut) },
			Compact:      func(*testing.T) { cluster.Compact() },
			BreakWatches: func(*testing.T) { cluster.BreakWatches() },
			Lose: func(_ *testing.T, s store.Store, how storetest.Loss) func() {
				var lost atomic.Bool
				s.(*Store).Intercept(func(_ context.Context, op Op, _ store.Key) Fault {
					if op != OpAcquire && op != OpGrant && op != OpRelease || lost.Swap(true) {
						return None
					}
					return map[storetest.Loss]Fault{
						storetest.LostRequest:    LostRequest,
						storetest.LostAnswer:     LostAnswer,
						storetest.DelayedRequest: Delayed,
					}[how]
				})
				return func() { s.(*Store).Deliver() }
			},
		}
	})
}
