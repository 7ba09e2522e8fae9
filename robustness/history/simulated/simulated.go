// Package simulated makes histories up, of locks that do all that they should: what judges
// histories must find nothing in them. They are as odd as a right history can be: answers
// are late, lost, or come after the client has gone, requests take effect after their
// clients have given up, expiries are late, gateways die and leave their waiters' entries,
// and the recorder stalls. It shares no code with the project, nor with the judges.
//
// The whole world is one goroutine and one virtual clock, so that a seed is a history.
package simulated

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// Config is what a history is like.
type Config struct {
	Seed    uint64
	Locks   int // every third of them is an election
	Clients int
	Length  time.Duration // how long clients begin with things
	Pause   time.Duration // between two things that a client does, twice that at most
	Hold    time.Duration // how long most holds are, at most
	Faults  bool          // whether gateways die, and requests and answers are lost or late
	Brisk   bool          // messages are fast, and most clients release what they have, so that there are many holds
	Polite  bool          // no client goes before it has been answered, and the recorder is always run
}

// mostLocks is how many locks a varied history has at most.
const mostLocks = 3

// Varied is a config that differs from seed to seed in all that matters.
func Varied(seed uint64) Config {
	return Config{
		Seed: seed, Locks: 1 + int(seed%mostLocks), Clients: 4 + int(seed%9), Length: 20 * time.Second, Pause: 300 * time.Millisecond, Hold: 300 * time.Millisecond,
		Faults: seed%3 != 0, Polite: seed%5 == 0, Brisk: seed%2 == 0,
	}
}

// Run makes a history up.
func Run(c Config) *history.History {
	w := &world{
		Config: c, Rand: rand.New(rand.NewPCG(c.Seed, 0)),
		queues: make(map[history.Name]*queue), recorder: history.NewRecorder(history.Run{Seed: c.Seed, Length: c.Length}),
	}
	w.plan()
	for client := range c.Clients {
		w.after(w.upTo(2*c.Pause), func() { w.client(client) })
	}
	w.after(0, w.look)
	for len(w.agenda) > 0 {
		next := heap.Pop(&w.agenda).(deed)
		w.now = next.at
		if next.do(); !next.idle {
			w.last = w.now
		}
	}
	return w.recorder.History()
}

// world is everything.
type world struct {
	Config
	*rand.Rand
	now, last time.Duration
	agenda    agenda
	seq       int
	queues    map[history.Name]*queue
	recorder  *history.Recorder
	index     uint64
	values    int
	requests  []*request // that are under way
	troubles  []history.Span
	stalls    []history.Span
}

// gateways is how many there are.
const gateways = 3

// plan settles when something will be the matter.
func (w *world) plan() {
	for at := w.upTo(5 * time.Second); !w.Polite && at < w.Length; {
		s := history.Span{From: at, To: at + w.upTo(1500*time.Millisecond)}
		w.stalls = append(w.stalls, s)
		w.recorder.Event(history.Event{Kind: history.Stall, Span: s})
		at = s.To + w.upTo(20*time.Second)
	}
	for at := w.upTo(10 * time.Second); w.Faults && at < w.Length; {
		s := history.Span{From: at, To: at + time.Second + w.upTo(4*time.Second)}
		w.troubles = append(w.troubles, s)
		w.recorder.Event(history.Event{Kind: "trouble", Span: s, Healed: s.To})
		if gateway := 1 + w.IntN(gateways); w.IntN(2) == 0 {
			at := s.From + w.upTo((s.To-s.From)/2)
			w.recorder.Event(history.Event{Kind: "kill", Gateway: gateway, Span: history.Span{From: at, To: s.To}, Healed: s.To})
			w.after(at, func() { w.kill(gateway) })
		}
		at = s.To + 5*time.Second + w.upTo(20*time.Second)
	}
}

// trouble is the one that is on, if one is.
func (w *world) trouble() (history.Span, bool) {
	for _, s := range w.troubles {
		if s.From <= w.now && w.now < s.To {
			return s, true
		}
	}
	return history.Span{}, false
}

// delay is how long a message takes.
func (w *world) delay() time.Duration {
	if s, on := w.trouble(); on && !(w.Brisk && w.IntN(4) > 0) {
		return w.upTo(min(3*time.Second, s.To-w.now))
	}
	slowness := 1 + w.IntN(10)
	if w.Brisk {
		slowness = 1 + w.IntN(50)
	}
	if slowness == 1 {
		return w.upTo(150 * time.Millisecond)
	}
	return w.upTo(5 * time.Millisecond)
}

// seen is when the recorder takes down what happens now.
func (w *world) seen() time.Duration {
	for _, s := range w.stalls {
		if s.From <= w.now && w.now < s.To {
			return s.To
		}
	}
	return w.now
}

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.Int64N(int64(d) + 1)) }

// look takes down what stands in etcd, until nothing more happens.
func (w *world) look() {
	at := w.now
	queues := make(map[history.Name][]history.Entry)
	for name, q := range w.queues {
		for _, e := range q.entries {
			queues[name] = append(queues[name], e.Entry)
		}
	}
	w.now += time.Millisecond
	w.recorder.Look(history.Span{From: at, To: w.seen()}, queues)
	w.now = at
	if len(w.agenda) > 0 || len(queues) > 0 {
		w.idle(w.seen()-at+50*time.Millisecond+w.upTo(100*time.Millisecond), w.look)
	}
}

// deed is what will happen.
type deed struct {
	at   time.Duration
	seq  int
	do   func()
	idle bool
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.agenda, deed{w.now + d, w.seq, do, false})
}

func (w *world) idle(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.agenda, deed{w.now + d, w.seq, do, true})
}

type agenda []deed

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push implements heap.Interface.
func (a *agenda) Push(d any) { *a = append(*a, d.(deed)) }

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
