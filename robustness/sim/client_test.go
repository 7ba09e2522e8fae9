package sim

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/robustness/history"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// client does one thing after the other. What it knows is under the scheduler's lock.
type client struct {
	*simulation
	id int

	at     *gateway
	op     *history.Op // what it waits for, or nil
	cancel context.CancelFunc
	called bool        // it is about to be told that it has the lock
	held   *history.Op // what it was told that it has
}

// ask begins with a request.
func (c *client) ask(g *gateway, op history.Op) {
	op.Client, op.Gateway, op.Space, op.Call = c.id, g.number, history.Lock, c.s.now()
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), clientOf{}, c.id))
	c.s.mu.Lock()
	c.at, c.op, c.cancel, c.called = g, &op, cancel, false
	c.s.mu.Unlock()
	c.s.note("client %d asks %d: %s %s %d %q %d %d", c.id, g.number, op.Kind, op.Key, op.Index, op.Value, op.TTL, op.Timeout)
	go c.perform(ctx, g, &op)
	c.s.rest()
}

// leave has the client go without waiting for its answer.
func (c *client) leave() {
	c.s.note("client %d leaves", c.id)
	c.s.mu.Lock()
	c.cancel()
	c.s.mu.Unlock()
	c.s.rest()
}

// forget has the client not know any more that it has the lock.
func (c *client) forget() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.held = nil
}

// cut has the client, if it waits, not get an answer any more.
func (c *client) cut(why string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if op := c.op; op != nil {
		op.Error = why
		c.end(op)
	}
}

// end takes a request's outcome down. The scheduler's lock is held.
func (c *client) end(op *history.Op) {
	if c.op != op {
		return // it has been cut
	}
	c.op = nil
	op.Return = c.s.now()
	c.recorder.Op(*op)
	switch {
	case op.Kind == history.Acquire && op.OK():
		c.held = op
	case op.Kind == history.Release && (op.OK() || op.Status == 404), op.Kind == history.Renew && op.Status == 404:
		c.held = nil
	}
	c.cancel()
}

// perform is a request's way through the service.
func (c *client) perform(ctx context.Context, g *gateway, op *history.Op) {
	var err error
	var hold *lockmod.Hold
	target := store.Target{Index: op.Index, Value: op.Value}
	ttl := time.Duration(op.TTL) * time.Second
	got := history.Op{Status: 200}
	switch op.Kind {
	case history.Acquire:
		timeout := lockmod.WaitForever
		if op.Timeout >= 0 {
			timeout = time.Duration(op.Timeout) * time.Second
		}
		hold, err = g.service.Acquire(ctx, lockmod.Request{Key: op.Key, Value: op.Value, HasValue: op.HasValue, TTL: ttl, Timeout: timeout})
	case history.Renew:
		_, err = g.service.Renew(ctx, op.Key, target, ttl)
	case history.Release:
		err = g.service.Release(ctx, op.Key, target)
	case history.Get:
		var holder store.Entry
		holder, err = g.service.Holder(ctx, op.Key)
		got.Got, got.Shown = holder.Index, holder.Value
		if holder.Index != 0 && !holder.HasValue {
			got.Shown = "-"
		}
	}
	delivered := false
	if hold != nil {
		c.s.mu.Lock()
		if c.op == op {
			c.called = true
		}
		c.s.mu.Unlock()
		v, ok := c.s.wait(context.Background(), g.life, &message{kind: told, gateway: g.number, client: c.id, what: op.Key})
		delivered = ok && !v.lost
		got.Got = hold.Entry.Index
	}
	c.s.mu.Lock()
	switch {
	case hold != nil && !delivered, ctx.Err() != nil && hold == nil:
		op.Left = true
	case err != nil:
		op.Status, op.Error = status(err), err.Error()
		if op.Status == 410 {
			op.Code = 212
		}
	default:
		op.Status, op.Got, op.Shown = 200, got.Got, got.Shown
	}
	c.end(op)
	c.s.mu.Unlock()
	if hold != nil {
		if delivered { // the client may be quicker than the news of that
			c.s.wait(context.Background(), g.life, &message{kind: settle, gateway: g.number, client: c.id, what: op.Key})
		}
		hold.Settle(delivered)
	}
}

// status is that of the answer that a client gets, by the contract.
func status(err error) int {
	for _, c := range []struct {
		err    error
		status int
	}{
		{store.ErrNotFound, 404}, {store.ErrNotHeld, 409}, {lockmod.ErrCancelled, 410}, {lockmod.ErrNotAcquired, 423},
		{lockmod.ErrStopping, 503}, {store.ErrClosed, 503}, {store.ErrUnknown, 504}, {store.ErrUnavailable, 503},
	} {
		if errors.Is(err, c.err) {
			return c.status
		}
	}
	return 500
}
