package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// queue is the JSON object of a lock.
type queue struct {
	Key   string
	Index uint64
	Value string
	TTL   int
	Queue []struct {
		Index uint64
		Value string
		State string
		TTL   *int
	}
}

// queue reads a lock with its queue.
func (g *gateway) queue(key string) (queue, error) { return g.queueAt("/mod/v2/lock/" + key) }

// queueAt reads a lock or an election.
func (g *gateway) queueAt(path string) (queue, error) {
	var q queue
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, g.url+path, nil)
	if err != nil {
		return q, err
	}
	req.Header.Set("Accept", "application/json")
	r := send(req)
	if r.err != nil || r.status != http.StatusOK {
		return q, fmt.Errorf("GET %s as JSON: %v", path, r)
	}
	return q, json.Unmarshal([]byte(r.body), &q)
}

// hasQueue says what is wrong if there are not n entries in the queue.
func (g *gateway) hasQueue(key string, n int) error {
	q, err := g.queue(key)
	if err == nil && len(q.Queue) != n {
		err = fmt.Errorf("%d entries in the queue of %s, want %d", len(q.Queue), key, n)
	}
	return err
}

// indices are those of the queue, in its order.
func (g *gateway) indices(key string) ([]string, error) {
	q, err := g.queue(key)
	indices := make([]string, len(q.Queue))
	for i, e := range q.Queue {
		indices[i] = fmt.Sprint(e.Index)
	}
	return indices, err
}
