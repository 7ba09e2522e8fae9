package lockmod

import "github.com/caddy-etcd/caddy-etcd/store"

// List answers with the keys that exist, a page of them, or with the events of all
// of them to a client that wants events.
func (c *Call) List() error {
	prefix, err := c.Text("prefix")
	if err != nil {
		return err
	}
	if wanted(c.r) == asEvents {
		return c.stream(prefix, true)
	}
	wait, err := c.Wait()
	if err != nil {
		return err
	}
	if wait {
		return malformed("A list can't be waited for; ask for text/event-stream")
	}
	limit, err := c.Limit()
	if err != nil {
		return err
	}
	after, err := c.Text("continue")
	if err != nil {
		return err
	}
	page, err := c.front.svc.Queues(c.r.Context(), prefix, after, limit)
	if err != nil {
		return err
	}
	l := newViewList(page.Queues)
	if n := len(page.Queues); page.More && n > 0 {
		l.Continue = page.Queues[n-1].Name
	}
	c.tellOf(store.Entry{})
	_ = c.json(l)
	return nil
}
