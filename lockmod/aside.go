package lockmod

import "time"

// aside runs what a request does before it waits for a lock on another
// goroutine. A goroutine's stack grows with what it calls, and as long as the
// request waits it does not get smaller again: with all that on its own stack,
// each of ten thousand waiting requests would keep 8 KB more. The goroutines are
// used again, so that their stacks are few.
type aside struct{ tasks chan func() }

// asideIdle is how long a goroutine waits for the next task.
const asideIdle = 100 * time.Millisecond

// run runs f aside, and returns, or panics, as f does.
func (a aside) run(f func()) {
	done := make(chan any, 1)
	task := func() {
		defer func() { done <- recover() }()
		f()
	}
	select {
	case a.tasks <- task:
	default:
		go a.work(task)
	}
	if failure := <-done; failure != nil {
		panic(failure)
	}
}

func (a aside) work(task func()) {
	idle := time.NewTimer(asideIdle)
	defer idle.Stop()
	for {
		task()
		idle.Reset(asideIdle)
		select {
		case task = <-a.tasks:
		case <-idle.C:
			return
		}
	}
}
