package etcdv3

import (
	"strconv"
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

	mu     sync.Mutex
	queues map[string]*numbers // by the queue's prefix
}

type numbers struct {
	next int
	free []int
}

func newNames(gateway string) *names {
	return &names{prefix: anonymousPrefix + gateway + "-", queues: make(map[string]*numbers)}
}

// take returns a name that this gateway has not given to another entry of the
// queue, as far as it knows.
func (n *names) take(q queue) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.queues[q.prefix]
	if list == nil {
		list = &numbers{}
		n.queues[q.prefix] = list
	}
	number := list.next
	if last := len(list.free) - 1; last >= 0 {
		number, list.free = list.free[last], list.free[:last]
	} else {
		list.next++
	}
	return n.prefix + strconv.Itoa(number)
}

// give takes a name back whose entry is gone, or was never made. Names that are
// not this gateway's are passed over.
func (n *names) give(q queue, name string) {
	text, own := strings.CutPrefix(name, n.prefix)
	number, err := strconv.Atoi(text)
	if !own || err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.queues[q.prefix]
	if list == nil || number >= list.next {
		return
	}
	if list.free = append(list.free, number); len(list.free) == list.next {
		delete(n.queues, q.prefix)
	}
}

// forget begins with the queue's names anew.
func (n *names) forget(q queue) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.queues, q.prefix)
}
