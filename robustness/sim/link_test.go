package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// link is the way from a gateway's service to its store. Every call and every answer,
// and all news of a watch, wait there for their turn.
type link struct {
	*memstore.Store
	s       *scheduler
	gateway int
	life    context.Context // of the gateway's process
}

var _ store.Store = (*link)(nil)

// clientOf is who has asked for something, as far as the context knows it.
type clientOf struct{}

// call has the store do something in two steps: when it reaches the store, and when the
// answer comes back.
func (l *link) call(ctx context.Context, op memstore.Op, what string, do func() error) error {
	client, _ := ctx.Value(clientOf{}).(int)
	m := message{kind: call, gateway: l.gateway, client: client, what: string(op) + " " + what, reads: op == memstore.OpList || op == memstore.OpExpired}
	v, ok := l.s.wait(ctx, l.life, &m)
	if !ok {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, context.Cause(ctx))
	}
	if v.fault != memstore.None {
		l.FailNext(op, v.fault)
	}
	err := do()
	back := message{kind: answer, gateway: l.gateway, client: client, what: fmt.Sprintf("%s: %v", m.what, err), reads: m.reads}
	l.s.wait(ctx, l.life, &back)
	return err
}

func (l *link) Acquire(ctx context.Context, key store.Key, a store.Acquire) (got store.Acquired, err error) {
	what := fmt.Sprintf("%s %q %v, %v %v", key.Name, a.Value, a.TTL, a.Wait, a.Contended)
	err = l.call(ctx, memstore.OpAcquire, what, func() (err error) {
		got, err = l.Store.Acquire(ctx, key, a)
		return err
	})
	return got, err
}

func (l *link) Grant(ctx context.Context, key store.Key, e store.Entry, ahead store.Ahead, ttl time.Duration) (granted store.Entry, err error) {
	err = l.call(ctx, memstore.OpGrant, entry(key, e), func() (err error) {
		granted, err = l.Store.Grant(ctx, key, e, ahead, ttl)
		return err
	})
	return granted, err
}

func (l *link) Withdraw(ctx context.Context, key store.Key, e store.Entry) error {
	return l.call(ctx, memstore.OpWithdraw, entry(key, e), func() error { return l.Store.Withdraw(ctx, key, e) })
}

func (l *link) Expired(ctx context.Context, key store.Key, e store.Entry) (expired bool, err error) {
	err = l.call(ctx, memstore.OpExpired, entry(key, e), func() (err error) {
		expired, err = l.Store.Expired(ctx, key, e)
		return err
	})
	return expired, err
}

func (l *link) Release(ctx context.Context, key store.Key, t store.Target, next *store.Successor) (granted *store.Entry, err error) {
	what := fmt.Sprintf("%s %d %q", key.Name, t.Index, t.Value)
	if next != nil {
		what += " for " + entry(key, next.Entry)
	}
	err = l.call(ctx, memstore.OpRelease, what, func() (err error) {
		granted, err = l.Store.Release(ctx, key, t, next)
		return err
	})
	return granted, err
}

func (l *link) Renew(ctx context.Context, key store.Key, t store.Target, ttl time.Duration) (renewed store.Entry, err error) {
	err = l.call(ctx, memstore.OpRenew, fmt.Sprintf("%s %d %q %v", key.Name, t.Index, t.Value, ttl), func() (err error) {
		renewed, err = l.Store.Renew(ctx, key, t, ttl)
		return err
	})
	return renewed, err
}

func (l *link) List(ctx context.Context, key store.Key, limit int) (listing store.Listing, err error) {
	err = l.call(ctx, memstore.OpList, fmt.Sprintf("%s %d", key.Name, limit), func() (err error) {
		listing, err = l.Store.List(ctx, key, limit)
		return err
	})
	return listing, err
}

// Watch is told the news when their turn comes, or loses them, and breaks then.
func (l *link) Watch(ctx context.Context, key store.Key, after uint64, apply func(revision uint64, events []store.Event)) error {
	begin := message{kind: call, gateway: l.gateway, what: fmt.Sprintf("%s %s %d", memstore.OpWatch, key.Name, after), reads: true}
	v, ok := l.s.wait(ctx, l.life, &begin)
	if !ok {
		return nil
	}
	if v.fault != memstore.None {
		l.FailNext(memstore.OpWatch, v.fault)
	}
	watch, cut := context.WithCancel(ctx)
	defer cut()
	lost := false
	err := l.Store.Watch(watch, key, after, func(revision uint64, events []store.Event) {
		m := message{kind: news, gateway: l.gateway, what: fmt.Sprintf("%s %d", key.Name, revision), reads: true}
		switch v, ok := l.s.wait(ctx, l.life, &m); {
		case !ok:
			cut()
		case v.lost:
			lost = true
			cut()
		default:
			apply(revision, events)
		}
	})
	if lost {
		return fmt.Errorf("the connection broke: %w", store.ErrUnavailable)
	}
	return err
}

// entry names an entry in the same words each time: an anonymous one's name is random.
func entry(key store.Key, e store.Entry) string {
	return fmt.Sprintf("%s %d %q %v", key.Name, e.Index, e.Value, e.Held)
}
