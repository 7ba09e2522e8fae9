package lockmod

import (
	"sync"
	"time"
)

// gate bounds how much is under way to etcd at once, so that a burst of thousands
// of requests waits here, where it costs next to nothing, and not in etcd, where
// all of them would time out together.
type gate struct {
	mu       sync.Mutex
	busy     int // goroutines at work
	queue    []task
	lastDone time.Time // when etcd last answered one of them
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

// start does something when its turn has come, in the background.
func (g *gate) start(do func(late bool) (answered bool)) {
	t := task{do, time.Now()}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy == gateWidth {
		g.queue = append(g.queue, t)
		return
	}
	g.busy++
	go g.work(t)
}

// call is start, and waits until it has been done.
func (g *gate) call(do func(late bool) (answered bool)) {
	done := make(chan struct{})
	g.start(func(late bool) bool {
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
	if len(g.queue) == 0 {
		g.queue = nil
		g.busy--
		return t, false
	}
	t, g.queue[0] = g.queue[0], task{}
	g.queue = g.queue[1:]
	return t, true
}
