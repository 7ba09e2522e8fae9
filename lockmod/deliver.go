package lockmod

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// deliver tells the client that it holds the lock. An answer that has been sent
// whole, to a client that was still there when it began, counts as delivered
// (I4). A client that goes after that may have read it, as curl does and goes:
// its lock must not be taken away (I1).
func (c *Call) deliver(hold *Hold) error {
	ctx := c.r.Context()
	delivered := false
	defer func() { hold.Settle(delivered) }()

	holder, send := hold.Entry, func() error { return c.text(strconv.FormatUint(hold.Entry.Index, 10)) }
	if wanted(c.r) == asJSON {
		var queue store.Listing
		var err error
		if holder, queue, err = c.around(holder); err != nil {
			return err
		}
		send = func() error { return c.json(NewView(c.Key, queue)) }
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.tellOf(holder)
	delivered = send() == nil && c.flush() == nil
	return nil
}

// glance is how long a client that holds the lock waits for a look at the queue.
const glance = time.Second

// around returns the queue around an entry that has just become the holder, and
// the holder as it is then. The grant is a fact that does not depend on that look:
// where it fails, the queue is what is known of it, the holder. But where it shows
// that the entry is gone already, its index must not be given out (bug 4).
func (c *Call) around(holder store.Entry) (store.Entry, store.Listing, error) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(c.r.Context(), glance)
	defer cancel()
	queue, err := c.front.svc.Queue(ctx, c.Key)
	holder.Left -= time.Since(begin).Truncate(time.Second)
	switch {
	case err != nil:
		queue.Entries = []store.Entry{holder}
	case len(queue.Entries) == 0, queue.Entries[0].Index != holder.Index:
		return holder, queue, ErrCancelled
	default:
		queue.Entries[0] = holder
	}
	return holder, queue, nil
}

// flush hands what has been written to the connection.
func (c *Call) flush() error {
	err := http.NewResponseController(c.w).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
