package robustness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/client"
	"github.com/caddy-etcd/caddy-etcd/robustness/cluster"
	"github.com/caddy-etcd/caddy-etcd/robustness/history"
	"github.com/caddy-etcd/caddy-etcd/robustness/traffic"
)

// run is one examination of one system.
type run struct {
	t        testing.TB
	system   *cluster.System
	traffic  *traffic.Traffic
	recorder *history.Recorder
	random   *rand.Rand
	figures  figures
}

// settings are what a run is like.
type settings struct {
	api     string
	caddy   string
	seed    uint64
	length  time.Duration // of the time in which there are faults
	every   time.Duration // from one fault to the next, unless the system takes longer to recover
	clients int
	locks   int
	pause   time.Duration
	look    time.Duration // between two looks at what stands in etcd
	faults  []string      // the kinds
	command string        // runs it again
}

// examine runs a system under traffic and faults, and returns what was seen.
func examine(t testing.TB, s settings) (*history.History, figures) {
	t.Helper()
	r := &run{t: t, random: rand.New(rand.NewPCG(s.seed, 0))}
	r.system = cluster.Start(t, s.api, s.caddy)
	r.recorder = history.NewRecorder(history.Run{
		Seed: s.seed, API: s.api, Etcd: string(cluster.Version(s.api)), Command: s.command, Length: s.length,
	})
	r.figures.memoryBefore = r.memory()
	background, end := context.WithCancel(t.Context())
	defer end()
	go r.recorder.WatchMachine(background)
	looked := make(chan struct{})
	go func() { defer close(looked); r.observe(background, s.look) }()
	r.traffic = traffic.Start(traffic.Config{
		Gateways: r.system.URLs(), Clients: s.clients, Locks: s.locks, Seed: s.seed, Pause: s.pause, Transport: client.Transport(),
	}, r.recorder)
	defer r.traffic.Abort()

	r.recovered("start", 0)
	r.trouble(s)
	progress("no more faults; the clients end")
	r.traffic.Stop(2 * time.Minute)
	if r.figures.written, r.figures.refused = r.traffic.Writes(); r.figures.refused == 0 && r.figures.written > 500 {
		r.wrong("the run", "after %d writes, no writer has come too late: what fences them off has not been tried", r.figures.written)
	}
	end()
	<-looked
	r.empty(t.Context())
	r.nothingLeft()
	return r.recorder.History(), r.figures
}

// trouble has one fault after the other happen, until the time is over. Each kind has its
// turn; one of four comes together with one of another process.
func (r *run) trouble(s settings) {
	var deck []string
	draw := func() (cluster.Fault, error) {
		if len(deck) == 0 {
			deck = r.system.Suitable(s.faults)
			r.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		kind := deck[0]
		deck = deck[1:]
		return r.system.Fault(kind, r.random)
	}
	if len(r.system.Suitable(s.faults)) == 0 {
		r.t.Fatalf("over %s, there is no fault of these kinds: %q", s.api, s.faults)
	}
	// Between two faults, there is time for what is to happen within a second.
	const calm = 2 * time.Second
	for next := r.recorder.Now(); r.recorder.Now() < s.length; next += s.every {
		time.Sleep(max(next-r.recorder.Now(), calm+time.Duration(r.random.Int64N(int64(time.Second)))))
		next = r.recorder.Now()
		fault, err := draw()
		if err != nil {
			r.wrong("the run", "%v", err)
			continue
		}
		faults := []cluster.Fault{fault}
		if r.random.IntN(4) == 0 {
			switch other, err := draw(); {
			case err == nil && (other.Gateway == 0) != (fault.Gateway == 0):
				faults = append(faults, other)
			default: // later
				deck = append(deck, other.Kind)
			}
		}
		r.happen(faults...)
	}
}

// happen has faults happen, the next one before the last one ends, and waits until the
// system has recovered.
func (r *run) happen(faults ...cluster.Fault) {
	events := make([]history.Event, len(faults))
	for i, f := range faults {
		progress("%v: %s", r.recorder.Now().Round(time.Second), f.Kind)
		events[i] = history.Event{Kind: f.Kind, Gateway: f.Gateway, Gentle: f.Gentle, Span: history.Span{From: r.recorder.Now()}}
		if err := f.Begin(); err != nil {
			r.wrong(breaks(f.Kind), "%s: %v", f.Kind, err)
		}
		if f.Kind == history.Stop {
			events[i].Healed = r.recorder.Now()
		}
		time.Sleep(f.Length)
	}
	for i, f := range faults {
		if err := f.Heal(); err != nil {
			r.wrong(breaks(f.Kind), "%s: its end: %v", f.Kind, err)
		}
		if events[i].Healed == 0 {
			events[i].Healed = r.recorder.Now()
		}
	}
	r.recovered(faults[0].Kind, r.recorder.Now())
	for i := range events {
		events[i].To = r.recorder.Now()
		r.recorder.Event(events[i])
	}
	progress("\tfor %v; well %v after it", (events[0].Healed - events[0].From).Round(time.Millisecond), (events[0].To - events[0].Healed).Round(time.Millisecond))
	r.figures.faults += len(faults)
}

// breaks is the invariant that is broken if a kind of fault can't happen.
func breaks(kind string) string {
	switch kind {
	case history.Stop:
		return "I9"
	case "reload":
		return "I8"
	}
	return "the run"
}

// recovered waits until the system is well again after something that was healed then.
func (r *run) recovered(from string, healed time.Duration) {
	const limit = 30 * time.Second
	for begun := r.recorder.Now(); !r.traffic.Well(healed); {
		if now := r.recorder.Now(); now-begun > limit {
			r.wrong("I5", "the system has not recovered from %q within %v", from, limit)
			return
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// wrong takes down what the run itself finds.
func (r *run) wrong(invariant, format string, args ...any) {
	now := r.recorder.Now()
	r.recorder.Event(history.Event{
		Kind: history.Wrong, Invariant: invariant, Note: fmt.Sprintf(format, args...), Span: history.Span{From: now, To: now},
	})
}

// observe looks at what stands in etcd, again and again, by whichever member answers.
func (r *run) observe(ctx context.Context, every time.Duration) {
	for member := 0; ctx.Err() == nil; member++ {
		if r.look(ctx, member%len(r.system.Etcd.Members)) == nil {
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	}
}

func (r *run) look(ctx context.Context, member int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	at := history.Span{From: r.recorder.Now()}
	queues, err := r.system.Queues(ctx, member)
	if err != nil {
		return err
	}
	at.To = r.recorder.Now()
	r.recorder.Look(at, queues)
	if term, err := r.system.Term(ctx, member); err == nil {
		r.recorder.Term(history.Span{From: at.From, To: r.recorder.Now()}, term)
	}
	return nil
}

// empty waits until nothing is queued any more; a hold that was abandoned takes a while.
// What is there after that is in the last sight of its lock.
func (r *run) empty(ctx context.Context) {
	end := time.Now().Add(30 * time.Second)
	for ; ; time.Sleep(50 * time.Millisecond) {
		queues, err := r.system.Queues(ctx, 0)
		if err == nil && len(queues) == 0 || time.Now().After(end) {
			break
		}
	}
	for err := r.look(ctx, 0); err != nil; err = r.look(ctx, 0) {
		if time.Now().After(end) {
			r.wrong("the run", "etcd can't be asked at the end: %v", err)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// nothingLeft stops the gateways, and looks at what they leave.
func (r *run) nothingLeft() {
	r.figures.memoryAfter = r.memory()
	for i, g := range r.system.Gateways {
		before := r.recorder.Now()
		if err := g.Stop(); err != nil {
			r.wrong("I9", "gateway %d: %v", i+1, err)
		}
		r.recorder.Event(history.Event{
			Kind: history.Stop, Gateway: i + 1, Span: history.Span{From: before, To: r.recorder.Now()}, Healed: r.recorder.Now(),
		})
	}
	// A lease that nobody could give back ends by itself, after the longest TTL at most.
	var left []string
	for end := time.Now().Add(45 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if left, err = r.system.Left(context.Background()); err == nil && len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			r.wrong("I10", "when the gateways have stopped, %d keys and leases are left in etcd (%v): %.20q", len(left), err, left)
			break
		}
	}
	for _, report := range r.system.Reports() {
		r.wrong("log", "%s", report)
	}
}

func (r *run) memory() (sum cluster.Memory) {
	for i, g := range r.system.Gateways {
		m, err := g.Memory()
		if err != nil {
			r.wrong("the run", "the memory of gateway %d: %v", i+1, err)
		}
		sum.InUse += m.InUse
		sum.Resident += m.Resident
	}
	return sum
}

func progress(format string, args ...any) {
	if testing.Verbose() {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}
