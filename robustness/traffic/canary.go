package traffic

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// canary hands a lock of its own over, again and again, from a client of one gateway to
// one of the next: by it one sees when a gateway is well.
type canary struct {
	*actor
	gateway int
	since   atomic.Int64 // when it began to be well; 0: it is not
	good    atomic.Int64 // when the last handover began that went well
}

// CanaryKey is the lock of a gateway's canary.
func CanaryKey(gateway int) string { return fmt.Sprintf("canary %d", gateway) }

const quick = time.Second

func (c *canary) run() {
	defer c.Close()
	unwell, since := true, time.Duration(0)
	over := func() {
		c.t.recorder.Event(history.Event{Kind: history.Unwell, Span: history.Span{From: since, To: c.t.recorder.Now()}})
	}
	for more := true; more; more = pause(50*time.Millisecond, c.t.over) {
		before := c.t.recorder.Now()
		well := c.handover()
		if well {
			c.good.Store(int64(before))
		}
		switch {
		case well && unwell:
			c.since.Store(int64(before))
			over() // only now, for what was the matter may have ended in this handover, which took a second at most
			unwell = false
		case !well && !unwell && c.t.ctx.Err() == nil:
			c.since.Store(0)
			unwell, since = true, before
		}
	}
	if unwell {
		over()
	}
}

// handover says whether a lock has been handed over to a client of the gateway, at once.
func (c *canary) handover() bool {
	ctx, cancel := context.WithTimeout(c.t.ctx, 3*time.Second)
	defer cancel()
	op := history.Op{
		Kind: history.Acquire, Space: history.Lock, Key: CanaryKey(c.gateway), TTL: 5, Timeout: history.Forever,
		Gateway: c.gateway%len(c.t.config.Gateways) + 1,
	}
	first := c.Do(ctx, op)
	if !first.OK() {
		return false
	}
	op.Gateway = c.gateway
	next := make(chan history.Op, 1)
	go func() { next <- c.Do(ctx, op) }()
	pause(10*time.Millisecond, c.t.over)
	c.release(first)
	second := <-next
	if !second.OK() {
		return false
	}
	c.release(second)
	return c.t.recorder.Now()-first.Call < quick+10*time.Millisecond
}

// Steady is for how long gateways have to be well, until they are said to be.
const Steady = 2 * time.Second

// Well says whether all gateways have been well for some time, and are since that moment.
func (t *Traffic) Well(since time.Duration) bool {
	for _, c := range t.canaries {
		begun, good := time.Duration(c.since.Load()), time.Duration(c.good.Load())
		if begun == 0 || good < begun+Steady || good < since {
			return false
		}
	}
	return true
}
