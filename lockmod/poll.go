package lockmod

import (
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
func (c *Call) change(known uint64, given bool, timeout time.Duration) (store.Listing, error) {
	ctx, svc := c.r.Context(), c.front.svc
	sub, err := svc.Follow(ctx, c.Key, c.front.limits.MaxWaiting)
	if err != nil {
		return store.Listing{}, err
	}
	defer sub.Close()
	var over <-chan time.Time
	if timeout != WaitForever {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		over = timer.C
	}

	// What is followed may lag behind what the client knows: only what comes after
	// this look counts.
	now, err := svc.Queue(ctx, c.Key)
	if err != nil {
		return now, err
	}
	if !given {
		known = holderOf(now).Index
	}
	if holderOf(now).Index != known || timeout == 0 {
		return now, nil
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
