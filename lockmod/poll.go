package lockmod

import (
	"errors"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// await answers as Show does when the holder is another one than that of the index
// waitIndex, at once if it already is, or, without that, than the one now; or when
// the timeout is over.
func (c *Call) await(field string) error {
	known, given, err := c.WaitIndex()
	if err != nil {
		return err
	}
	timeout, err := c.Timeout()
	if err != nil {
		return err
	}
	return c.later(func() error {
		l, err := c.change(known, given, timeout)
		if err == nil {
			c.show(field, l)
		}
		return err
	})
}

// change waits for another holder.
func (c *Call) change(known uint64, given bool, timeout time.Duration) (l store.Listing, err error) {
	var over <-chan time.Time
	if timeout != WaitForever {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		over = timer.C
	}
	if !given {
		if l, err = c.front.svc.Queue(c.r.Context(), c.Key); err != nil || timeout == 0 {
			return l, err
		}
		known = l.Holder().Index
	}
	for {
		l, err = c.changeFrom(known, over, timeout == 0)
		if !errors.Is(err, store.ErrCompacted) {
			return l, err
		}
		// etcd has forgotten some of what has happened; it is the present that counts.
	}
}

// changeFrom is change for as long as what is followed goes on.
func (c *Call) changeFrom(known uint64, over <-chan time.Time, look bool) (store.Listing, error) {
	ctx, svc := c.r.Context(), c.front.svc
	sub, err := svc.Follow(ctx, c.Key, c.front.limits.MaxWaiting)
	if err != nil {
		return store.Listing{}, err
	}
	defer sub.Close()

	// What is followed may lag behind what the client knows: only what comes after
	// this look counts.
	now, err := svc.Queue(ctx, c.Key)
	if err != nil || look || now.Holder().Index != known {
		return now, err
	}
	for {
		holder, revision, changed, err := sub.Holder()
		switch {
		case err != nil:
			return now, err
		case revision > now.Revision && holder.Index != known:
			return sub.Queue(), nil
		}
		select {
		case <-changed:
		case <-over:
			return svc.Queue(ctx, c.Key)
		case <-sub.Stopping():
			return now, ErrStopping
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}
