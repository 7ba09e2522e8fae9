package lockmod

import (
	"sync"
	"time"
)

// gate bounds how much is under way to etcd at once, so that a burst of thousands
// of requests waits here, where it costs next to nothing, and not in etcd, where
// all of them would time out together. The locks that have something to do take
// turns, so that a burst for one of them does not hold up the others.
type gate struct {
	mu       sync.Mutex
	busy     int              // goroutines at work
	queues   map[*line][]task // what has not begun, of each lock that has something
	turns    []*line          // those locks, the next one first
	lastDone time.Time        // when etcd last answered one of them
}

// task is something to do in etcd. late says that it has waited for its turn for
// longer than lateAfter, in which etcd has answered nobody; it returns whether
// etcd has answered.
type task struct {
	do    func(late bool) (answered bool)
	since time.Time
}

const (
	gateWidth = 256                     // about what etcd puts into one commit under load
	lateAfter = 3900 * time.Millisecond // a little less than the store takes to give up
)

// start does something for a lock when its turn has come, in the background.
func (g *gate) start(l *line, do func(late bool) (answered bool)) {
	t := task{do, time.Now()}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy == gateWidth {
		if g.queues == nil {
			g.queues = make(map[*line][]task)
		}
		if len(g.queues[l]) == 0 {
			g.turns = append(g.turns, l)
		}
		g.queues[l] = append(g.queues[l], t)
		return
	}
	g.busy++
	go g.work(t)
}

// call is start, and waits until it has been done.
func (g *gate) call(l *line, do func(late bool) (answered bool)) {
	done := make(chan struct{})
	g.start(l, func(late bool) bool {
		defer close(done)
		return do(late)
	})
	<-done
}

func (g *gate) work(t task) {
	for more := true; more; {
		t, more = g.next(t.do(g.late(t)))
	}
}

func (g *gate) late(t task) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(t.since) >= lateAfter && time.Since(g.lastDone) >= lateAfter
}

// next is the task to go on with, if there is one.
func (g *gate) next(answered bool) (t task, more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if answered {
		g.lastDone = time.Now()
	}
	if len(g.turns) == 0 {
		g.queues, g.turns = nil, nil // what has grown
		g.busy--
		return t, false
	}
	l := g.turns[0]
	g.turns = g.turns[1:]
	queue := g.queues[l]
	t, queue[0] = queue[0], task{}
	if len(queue) == 1 {
		delete(g.queues, l)
	} else {
		g.queues[l] = queue[1:]
		g.turns = append(g.turns, l)
	}
	return t, true
}
