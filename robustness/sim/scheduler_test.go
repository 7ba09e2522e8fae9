package sim

import (
	"cmp"
	"context"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

// scheduler holds everything up that goes between the parts of the system, and lets one
// thing of it go on at a time.
type scheduler struct {
	begun time.Time
	steps int
	trace io.Writer // what happens, for people; or nil
	sum   hash.Hash64

	mu      sync.Mutex
	arrived []*message // since the last step
	pending []*message // in an order that does not depend on Go's scheduler
}

// kind is what is held up.
type kind int

const (
	call   kind = iota // to the store, which it has not reached
	answer             // of the store, which has done what it was asked
	news               // a watch's, of one revision
	told               // a client is to be told that it has the lock
	settle             // the service is to be told that the client was
)

func (k kind) String() string { return [...]string{"call", "answer", "news", "told", "settle"}[k] }

// message is something that is held up.
type message struct {
	kind    kind
	gateway int
	client  int // whose doing it is; 0: the service's own
	what    string
	reads   bool // it changes nothing

	since time.Duration
	turn  chan verdict
	gone  bool // nobody waits for it any more
}

// verdict is what becomes of a message.
type verdict struct {
	fault memstore.Fault // of a call
	lost  bool           // the news, and the watch with them; or the client, before it was told
}

func newScheduler(trace io.Writer) *scheduler {
	return &scheduler{begun: time.Now(), trace: trace, sum: fnv.New64a()}
}

func (s *scheduler) now() time.Duration { return time.Since(s.begun) }

// wait holds a message up until its turn comes; false if one of the contexts ends first.
func (s *scheduler) wait(ctx, life context.Context, m *message) (verdict, bool) {
	m.turn = make(chan verdict)
	s.mu.Lock()
	m.since = s.now()
	s.arrived = append(s.arrived, m)
	s.mu.Unlock()
	select {
	case v := <-m.turn:
		return v, true
	case <-ctx.Done():
	case <-life.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.gone = true
	return verdict{}, false
}

// rest lets everything run that can, until all of it waits: for its turn, or for time to
// pass. What has arrived at one moment has no order of its own, and is given one.
func (s *scheduler) rest() {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.arrived, func(a, b *message) int {
		return cmp.Or(
			cmp.Compare(a.since, b.since), cmp.Compare(a.kind, b.kind), cmp.Compare(a.gateway, b.gateway),
			cmp.Compare(a.client, b.client), cmp.Compare(a.what, b.what),
		)
	})
	s.pending = slices.DeleteFunc(append(s.pending, s.arrived...), func(m *message) bool { return m.gone })
	s.arrived = nil
}

// pass has the i-th of the pending messages go on.
func (s *scheduler) pass(i int, v verdict) {
	m := s.pending[i]
	s.pending = slices.Delete(s.pending, i, i+1)
	s.note("%v at %d, client %d: %s %+v", m.kind, m.gateway, m.client, m.what, v)
	m.turn <- v
	s.rest()
}

// moment is how much time each step takes: no two of them are at the same time.
const moment = time.Microsecond

// note begins a step.
func (s *scheduler) note(format string, args ...any) {
	s.steps++
	time.Sleep(moment)
	text := fmt.Sprintf("%6d %v ", s.steps, s.now()) + fmt.Sprintf(format, args...) + "\n"
	_, _ = io.WriteString(s.sum, text)
	if s.trace != nil {
		_, _ = io.WriteString(s.trace, text)
	}
}

// advance lets time pass. Timers go off in their order, each when everything is at rest.
func (s *scheduler) advance(d time.Duration) {
	s.note("%v pass", d)
	time.Sleep(d)
	s.rest()
}
