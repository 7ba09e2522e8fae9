package etcdv3

import (
	"fmt"
	"strings"
	"sync"
)

// Until etcd compacts its history, it looks at every key that was ever there when
// it is asked whether a range is empty. So entries without a value use few names,
// over and over: who finds the queue empty always uses the same, and those that
// wait use numbers of their gateway's, which they return. An entry is told from
// an earlier one of its name by its create revision.
const anonymousHold = anonymousPrefix + "0"

// names hands out names for waiting entries without a value.
type names struct {
	prefix string // of this gateway's

	mu          sync.Mutex
	queues      map[string]*numbers // by the queue's prefix
	generations int
}

// numbers are those of one queue. They belong to a generation, so that a queue
// whose numbers have been forgotten does not use those that are still there.
type numbers struct {
	generation int
	next       int
	free       map[int]struct{}
}

func newNames(gateway string) *names {
	return &names{prefix: anonymousPrefix + gateway + "-", queues: make(map[string]*numbers)}
}

// take returns a name that this gateway has given to no other entry of the queue.
func (n *names) take(q queue) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.queues[q.prefix]
	if list == nil {
		n.generations++
		list = &numbers{generation: n.generations, free: make(map[int]struct{})}
		n.queues[q.prefix] = list
	}
	for number := range list.free {
		delete(list.free, number)
		return n.name(list, number)
	}
	list.next++
	return n.name(list, list.next-1)
}

func (n *names) name(list *numbers, number int) string {
	return fmt.Sprintf("%s%d-%d", n.prefix, list.generation, number)
}

// give takes a name back whose entry is gone, or was never made. It may be given
// more than once; names that are not this gateway's are passed over.
func (n *names) give(q queue, name string) {
	text, own := strings.CutPrefix(name, n.prefix)
	if !own {
		return
	}
	var generation, number int
	if _, err := fmt.Sscanf(text, "%d-%d", &generation, &number); err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.queues[q.prefix]
	if list == nil || list.generation != generation {
		return
	}
	if list.free[number] = struct{}{}; len(list.free) == list.next {
		delete(n.queues, q.prefix)
	}
}

// forget begins with the queue's names anew: nobody sees any more when they
// become free.
func (n *names) forget(q queue) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.queues, q.prefix)
}
