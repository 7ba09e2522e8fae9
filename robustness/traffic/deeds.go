package traffic

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// cycle takes a lock, does something, and releases it.
func (a *actor) cycle() {
	timeout := history.Forever
	if a.IntN(4) == 0 {
		timeout = 5
	}
	held := a.Do(a.t.ctx, a.acquire(2+a.IntN(10), timeout))
	if !held.OK() {
		return
	}
	switch a.IntN(4) {
	case 0:
		a.do(a.of(history.Holds, held))
	case 1:
		a.renew(held)
	case 2:
		again := held // who leads, or has a value, may ask for what it has
		again.Gateway = 1 + a.IntN(len(a.t.config.Gateways))
		if held.HasValue {
			a.do(asked(again))
		}
	}
	a.sleep(a.upTo(30 * time.Millisecond))
	a.release(held)
}

// asked is a request as it was before it was answered.
func asked(op history.Op) history.Op {
	op.Got, op.Status, op.Code, op.Shown, op.Error = 0, 0, 0, "", ""
	return op
}

// renew has the TTL begin anew. An election has no other way than to ask again.
func (a *actor) renew(held history.Op) history.Op {
	if held.Space == history.Leader {
		again := asked(held)
		again.Gateway = 1 + a.IntN(len(a.t.config.Gateways))
		return a.do(again)
	}
	op := a.of(history.Renew, held)
	op.TTL = held.TTL
	return a.do(op)
}

// impatient does not wait, or not for long.
func (a *actor) impatient() {
	if held := a.Do(a.t.ctx, a.acquire(5, a.IntN(3))); held.OK() {
		a.release(held)
	}
}

// vanish goes while it waits, or when it has just got the lock.
func (a *actor) vanish() {
	ctx, cancel := context.WithCancel(a.t.ctx)
	time.AfterFunc(a.upTo(300*time.Millisecond), cancel)
	if held := a.Do(ctx, a.acquire(5, history.Forever)); held.OK() {
		a.release(held)
	}
	cancel()
}

// snatch goes at the very moment at which it is granted the lock that it waits for: it
// releases that itself, and has nobody to share it with.
func (a *actor) snatch() {
	op := a.request(history.Acquire, history.Name{Space: history.Lock, Key: fmt.Sprintf("snatched %d", a.id)})
	op.TTL, op.Timeout = 2, history.Forever
	first := a.Do(a.t.ctx, op)
	if !first.OK() {
		return
	}
	if a.IntN(2) == 0 {
		a.name(&op)
	}
	op.Gateway = 1 + a.IntN(len(a.t.config.Gateways))
	ctx, cancel := context.WithCancel(a.t.ctx)
	ended := make(chan history.Op, 1)
	go func() { ended <- a.Do(ctx, op) }()
	a.sleep(a.upTo(30 * time.Millisecond))
	time.AfterFunc(a.upTo(5*time.Millisecond), cancel)
	a.release(first)
	if held := <-ended; held.OK() {
		a.release(held)
	}
}

// keep lives on renewals: its hold lasts longer than its TTL.
func (a *actor) keep() {
	n := history.Name{Space: history.Lock, Key: fmt.Sprintf("kept %d", a.id%(4+a.t.config.Locks/4))}
	if a.IntN(2) == 0 {
		n.Space = history.Leader
	}
	op := a.request(history.Acquire, n)
	op.TTL, op.Timeout = 1+a.IntN(2), 5
	if n.Space == history.Leader || a.IntN(2) == 0 {
		a.name(&op)
	}
	held := a.Do(a.t.ctx, op)
	if !held.OK() {
		return
	}
	for range 5 {
		a.sleep(time.Duration(held.TTL) * 400 * time.Millisecond)
		if renewed := a.renew(held); !renewed.OK() {
			break
		}
	}
	a.do(a.of(history.Holds, held))
	a.release(held)
}

// share asks for one lock with one value twice, through two gateways or one.
func (a *actor) share() {
	first := a.acquire(5, history.Forever)
	a.name(&first)
	second := first
	second.Gateway = 1 + a.IntN(len(a.t.config.Gateways))
	var held [2]history.Op
	var both sync.WaitGroup
	both.Go(func() { held[0] = a.Do(a.t.ctx, first) })
	both.Go(func() { held[1] = a.Do(a.t.ctx, second) })
	both.Wait()
	for _, h := range held {
		if h.OK() {
			a.release(h)
		}
	}
}

// abandon takes a lock and forgets it, at once or after a renewal.
func (a *actor) abandon() {
	held := a.Do(a.t.ctx, a.acquire(1+a.IntN(2), 5))
	if held.OK() && a.IntN(2) == 0 {
		a.sleep(time.Duration(held.TTL) * 900 * time.Millisecond)
		a.renew(held)
	}
}

// cancel takes a request back with another one, while it waits or just when it gets it.
func (a *actor) cancel() {
	op := a.acquire(5, history.Forever)
	a.name(&op)
	ended := make(chan history.Op, 1)
	go func() { ended <- a.Do(a.t.ctx, op) }()
	a.sleep(a.upTo(200 * time.Millisecond))
	back := a.request(history.Release, op.Lock())
	back.Value, back.HasValue = op.Value, true
	a.do(back)
	if held := <-ended; held.OK() {
		a.release(held)
	}
}

// look asks who holds a lock.
func (a *actor) look() { a.do(a.request(history.Get, a.anyName())) }
