package traffic

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// resource is what locks are for: a set that is read, added to, and written back whole, so
// that whoever does that beside another one loses what the other has added.
type resource struct {
	mu      sync.Mutex
	set     map[string]bool
	newest  uint64          // the greatest index that anybody has shown
	told    map[string]bool // what somebody was told is in it
	refused int
}

func newResource() *resource {
	return &resource{set: make(map[string]bool), told: make(map[string]bool)}
}

// read returns the set, unless somebody with a greater index has been there. Without an
// index, everybody is let in.
func (r *resource) read(index uint64) (set map[string]bool, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.admit(index) {
		return nil, false
	}
	return maps.Clone(r.set), true
}

// write puts a set in the place of what is there.
func (r *resource) write(index uint64, set map[string]bool, added string) (ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.admit(index) {
		return false
	}
	r.set = set
	r.told[added] = true
	return true
}

func (r *resource) admit(index uint64) bool {
	if index != 0 && index < r.newest {
		r.refused++
		return false
	}
	r.newest = max(r.newest, index)
	return true
}

func (r *resource) counts() (written, refused int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.told), r.refused
}

// report takes down what has been lost.
func (r *resource) report(recorder *history.Recorder, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := recorder.Now()
	for added := range r.told {
		if !r.set[added] {
			recorder.Event(history.Event{
				Kind: history.Wrong, Invariant: "I1", Span: history.Span{From: now, To: now},
				Note: fmt.Sprintf("%q has been written to the set %s, and is lost", added, what),
			})
		}
	}
	if len(r.told) == 0 {
		recorder.Event(history.Event{
			Kind: history.Wrong, Invariant: "the run", Span: history.Span{From: now, To: now},
			Note: "nothing has been written to the set " + what,
		})
	}
}

// guarded adds to the resource that refuses whoever comes late. The clocks of some clients
// are wrong. One that is slow takes its lock to last longer than it does; one that is fast
// takes it to be over, and goes without having used or released it.
func (a *actor) guarded() {
	i := a.IntN(len(a.t.guarded))
	set := a.t.guarded[i]
	op := a.request(history.Acquire, history.Name{Space: history.Lock, Key: fmt.Sprintf("guarded %d", i)})
	op.TTL, op.Timeout = 1, history.Forever
	held := a.Do(a.t.ctx, op)
	if !held.OK() {
		return
	}
	elements, ok := set.read(held.Got)
	if !ok {
		return
	}
	dawdle := a.upTo(20 * time.Millisecond)
	switch off := a.IntN(8) == 0; {
	case off && a.id%3 == 0:
		dawdle = time.Duration(held.TTL)*time.Second + a.upTo(3*time.Second)
	case off && a.id%3 == 1:
		return
	}
	a.sleep(dawdle)
	added := fmt.Sprint(held.Got)
	elements[added] = true
	set.write(held.Got, elements, added)
	a.release(held)
}

// trusting adds to a resource that takes everything. Its client's clock is right, and it
// keeps far away from the end of its lock.
func (a *actor) trusting() {
	i := a.IntN(len(a.t.trusting))
	set := a.t.trusting[i]
	op := a.request(history.Acquire, history.Name{Space: history.Lock, Key: fmt.Sprintf("trusting %d", i)})
	op.TTL, op.Timeout = 20, history.Forever
	a.name(&op)
	held := a.Do(a.t.ctx, op)
	if !held.OK() {
		return
	}
	elements, _ := set.read(0)
	a.sleep(a.upTo(20 * time.Millisecond))
	elements[op.Value] = true
	set.write(0, elements, op.Value)
	a.release(held)
}
