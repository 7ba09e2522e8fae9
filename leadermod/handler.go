// Package leadermod is leader election: candidates queue, by name, for what only
// one of them can be at a time. It is the lock's queue under other words, in
// process, and in a space of its own: an election and a lock of one name have
// nothing to do with each other.
package leadermod

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// Prefix is what the paths of elections begin with.
const Prefix = "/mod/v2/leader/"

// Space is the space of a store that elections are kept in.
const Space = "leader"

// NewHandler returns the HTTP API of the elections of svc, which works on Space,
// for paths below Prefix.
func NewHandler(svc *lockmod.Service, limits lockmod.Limits, logger *zap.Logger) *lockmod.Front {
	return lockmod.NewFront(svc, Prefix, operations, limits, logger)
}

// operations are those on an election, with the causes that the old module gave.
var operations = lockmod.Operations{
	http.MethodPut:    {Cause: "Set", Wants: campaign},
	http.MethodDelete: {Cause: "Delete", Serve: resign},
	http.MethodGet:    {Cause: "Get", List: (*lockmod.Call).List, Serve: get},
}

// campaign waits until the name leads. For one that does, it renews.
func campaign(c *lockmod.Call) (lockmod.Request, error) {
	name, err := candidate(c)
	if err != nil {
		return lockmod.Request{}, err
	}
	ttl, err := c.TTL()
	if err != nil {
		return lockmod.Request{}, err
	}
	timeout, err := c.Timeout()
	if err != nil {
		return lockmod.Request{}, err
	}
	return lockmod.Request{Value: name, HasValue: true, TTL: ttl, Timeout: timeout}, nil
}

// resign ends what the name has, the lead or a place in the queue.
func resign(c *lockmod.Call) error {
	name, err := candidate(c)
	if err != nil {
		return err
	}
	return c.Release(store.Target{Value: name})
}

// candidate is the name that a request is made in.
func candidate(c *lockmod.Call) (string, error) {
	name, err := c.Text("name")
	if err == nil && name == "" {
		err = &lockmod.Error{Status: http.StatusBadRequest, Code: 206, Message: "Name is required in POST form"}
	}
	return name, err
}

// get shows the leader. With a name, or an index, it says whether that is the
// leader's.
func get(c *lockmod.Call) error {
	field, err := c.Field()
	if err != nil {
		return err
	}
	name, err := c.Text("name")
	if err != nil {
		return err
	}
	index, byIndex, err := c.Index()
	switch {
	case err != nil:
		return err
	case name == "" && !byIndex:
		return c.Show(field, nil)
	}
	return c.Show(field, func(leader store.Entry) bool {
		return (name == "" || leader.Value == name) && (!byIndex || leader.Index == index)
	})
}
