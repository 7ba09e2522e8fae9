package etcdv3

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRecordSaysSinceWhen has a record say when the hold began: at the grant, and
// not when another gateway joins it or its TTL changes.
func TestRecordSaysSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waiting := record{State: stateWaiting}.waitedBy("g1")
		if waiting.Since != 0 {
			t.Errorf("an entry that waits says %d", waiting.Since)
		}
		time.Sleep(time.Minute)
		granted := time.Now().Unix()
		held := waiting.heldBy("g1", 60)
		time.Sleep(time.Minute)
		if joined := held.heldBy("g2", 30); held.Since != granted || joined.Since != granted {
			t.Errorf("since %d, and %d when another gateway had joined; want %d", held.Since, joined.Since, granted)
		}
	})
}
