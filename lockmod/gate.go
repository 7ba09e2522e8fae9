package lockmod

import (
	"context"
	"sync/atomic"
	"time"
)

// gate bounds how many requests are under way to etcd at once, so that a burst
// of thousands waits here, where it costs nothing, and not in etcd, where all of
// them would time out together.
type gate struct {
	slots    chan struct{}
	lastDone atomic.Int64 // when one of them last succeeded, in Unix nanoseconds
}

// gateWidth is about as many as etcd puts into one commit under load.
const gateWidth = 256

func newGate() *gate { return &gate{slots: make(chan struct{}, gateWidth)} }

// enter waits for a slot, as long as those who have one get on, or for patience.
// It says whether there is one; then leave has to be called.
func (g *gate) enter(ctx context.Context, patience time.Duration) bool {
	select {
	case g.slots <- struct{}{}:
		return true
	default:
	}
	begin := time.Now()
	look := time.NewTicker(patience / 4)
	defer look.Stop()
	for {
		select {
		case g.slots <- struct{}{}:
			return true
		case <-ctx.Done():
			return false
		case now := <-look.C:
			if now.Sub(begin) >= patience && now.Sub(time.Unix(0, g.lastDone.Load())) >= patience {
				return false
			}
		}
	}
}

// leave gives the slot back; succeeded says that etcd did answer.
func (g *gate) leave(succeeded bool) {
	if succeeded {
		g.lastDone.Store(time.Now().UnixNano())
	}
	<-g.slots
}
