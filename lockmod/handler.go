package lockmod

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Prefix is what the paths of locks begin with.
const Prefix = "/mod/v2/lock/"

// NewHandler returns the HTTP API of the locks of svc, for paths below Prefix.
func NewHandler(svc *Service, limits Limits, logger *zap.Logger) *Front {
	return NewFront(svc, Prefix, operations, limits, logger)
}

// operations are those on a lock, with the causes that the old modules gave.
var operations = Operations{
	http.MethodPost:   {Cause: "Acquire", Wants: acquire},
	http.MethodPut:    {Cause: "Renew", Serve: renew},
	http.MethodDelete: {Cause: "Release", Serve: release},
	http.MethodGet:    {Cause: "Get", List: (*Call).List, Serve: get},
}

func acquire(c *Call) (Request, error) {
	ttl, err := c.TTL()
	if err != nil {
		return Request{}, err
	}
	timeout, err := c.Timeout()
	if err != nil {
		return Request{}, err
	}
	value, err := c.Text("value")
	if err != nil {
		return Request{}, err
	}
	return Request{Value: value, HasValue: value != "", TTL: ttl, Timeout: timeout}, nil
}

func renew(c *Call) error {
	ttl, err := c.TTL()
	if err != nil {
		return err
	}
	t, err := target(c)
	if err != nil {
		return err
	}
	return c.Renew(t, ttl)
}

func release(c *Call) error {
	t, err := target(c)
	if err != nil {
		return err
	}
	return c.Release(t)
}

// target is the entry that a request means, by its index or its value.
func target(c *Call) (store.Target, error) {
	byIndex, byValue := c.Get("index") != "", c.Get("value") != ""
	switch {
	case byIndex && byValue:
		return store.Target{}, bothNamed()
	case !byIndex && !byValue:
		return store.Target{}, nothingNamed()
	}
	index, _, err := c.Index()
	if err != nil {
		return store.Target{}, err
	}
	value, err := c.Text("value")
	switch {
	case err != nil:
		return store.Target{}, err
	case byIndex && index == 0:
		return store.Target{}, store.ErrNotFound // to the store it would mean: by value
	}
	return store.Target{Index: index, Value: value}, nil
}

func get(c *Call) error {
	field, err := c.Field()
	if err != nil {
		return err
	}
	index, asked, err := c.Index()
	switch {
	case err != nil:
		return err
	case !asked:
		return c.Show(field, nil)
	}
	return c.Show(field, func(holder store.Entry) bool { return holder.Index == index })
}
