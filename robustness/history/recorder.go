package history

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Recorder takes down a history while it happens.
type Recorder struct {
	begun time.Time

	mu      sync.Mutex
	history History
	last    map[Name]int // the newest sight of each lock
	term    uint64       // the newest of etcd's terms
	termAt  time.Duration
}

// NewRecorder returns one whose clock begins now.
func NewRecorder(run Run) *Recorder {
	return &Recorder{begun: time.Now(), history: History{Run: run}, last: make(map[Name]int)}
}

// Now is the time since the beginning of the run. The clock is monotonic.
func (r *Recorder) Now() time.Duration { return time.Since(r.begun) }

// Op takes down a request that has ended.
func (r *Recorder) Op(op Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.Ops = append(r.history.Ops, op)
}

// Event takes down something that is over.
func (r *Recorder) Event(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.Events = append(r.history.Events, e)
}

// Look takes down all queues that stood in etcd at a moment within that span. Those of
// which there was a sight, and that are not among them, have gone.
func (r *Recorder) Look(at Span, queues map[Name][]Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	see := func(name Name, entries []Entry) {
		if i, ok := r.last[name]; ok && slices.Equal(r.history.Sights[i].Entries, entries) {
			r.history.Sights[i].Last = at
			return
		}
		r.last[name] = len(r.history.Sights)
		r.history.Sights = append(r.history.Sights, Sight{Name: name, First: at, Last: at, Entries: entries})
	}
	for name, entries := range queues {
		see(name, entries)
	}
	for name := range r.last {
		if _, ok := queues[name]; !ok {
			see(name, nil)
		}
	}
}

// Term takes down in which term etcd was at a moment within that span: a new one has a new
// leader.
func (r *Recorder) Term(at Span, term uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if term > r.term && r.term != 0 {
		r.history.Events = append(r.history.Events, Event{Kind: Election, Span: Span{r.termAt, at.To}})
	}
	if term >= r.term {
		r.term, r.termAt = term, at.From
	}
}

// WatchMachine takes down when this process was not run in time, until ctx ends: what
// is late then is the machine's fault.
func (r *Recorder) WatchMachine(ctx context.Context) {
	const tick, late = 10 * time.Millisecond, 50 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for before := r.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := r.Now()
		if now-before > late {
			r.Event(Event{Kind: Stall, Span: Span{before, now}})
		}
		before = now
	}
}

// History is what has been taken down so far.
func (r *Recorder) History() *History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &History{
		Run: r.history.Run, Ops: slices.Clone(r.history.Ops),
		Sights: slices.Clone(r.history.Sights), Events: slices.Clone(r.history.Events),
	}
}
