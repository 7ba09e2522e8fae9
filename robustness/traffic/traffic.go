// Package traffic is many clients that use locks and elections in all the ways in which
// people do: patiently and not, politely and not, by index and by value, each through
// whichever gateway.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/client"
	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// Config is what the traffic is like.
type Config struct {
	Gateways  []string // their URLs
	Clients   int
	Locks     int // how many locks there are, beside those that all traffic has
	Seed      uint64
	Pause     time.Duration   // between two things that a client does, twice that at most
	Transport *http.Transport // what clients' transports are made from
}

// Traffic is under way.
type Traffic struct {
	config   Config
	recorder *history.Recorder
	names    []history.Name
	canaries []*canary
	guarded  []*resource // by a lock's indices
	trusting []*resource // by a lock alone

	clients  sync.WaitGroup
	stopping chan struct{}
	watch    sync.WaitGroup  // the canaries', who stay until all clients have ended
	over     chan struct{}   // closed when they have
	ctx      context.Context // of everything that is asked
	giveUp   context.CancelCauseFunc
}

// Start begins with the traffic. The caller has to call Stop.
func Start(config Config, recorder *history.Recorder) *Traffic {
	t := &Traffic{config: config, recorder: recorder, stopping: make(chan struct{}), over: make(chan struct{})}
	for range 1 + config.Locks/50 {
		t.guarded, t.trusting = append(t.guarded, newResource()), append(t.trusting, newResource())
	}
	t.ctx, t.giveUp = context.WithCancelCause(context.Background())
	for i := range config.Locks {
		t.names = append(t.names, name(i))
	}
	for g := range config.Gateways {
		c := &canary{actor: t.actor(-1-g, rand.NewPCG(config.Seed, uint64(1_000_000+g))), gateway: g + 1}
		t.canaries = append(t.canaries, c)
		t.watch.Go(c.run)
	}
	for i := range config.Clients {
		a := t.actor(i, rand.NewPCG(config.Seed, uint64(i)))
		t.clients.Go(a.run)
	}
	return t
}

// name is the name of a lock, or of an election. Some of them contain others, and what
// has a meaning in etcd or in an URL.
func name(i int) history.Name {
	n := history.Name{Space: history.Lock, Key: fmt.Sprintf("lock%d", i)}
	switch i % 8 {
	case 1:
		n.Key = fmt.Sprintf("lock%d/below", i-1)
	case 3:
		n.Space = history.Leader
	case 5:
		n.Key = fmt.Sprintf("_a %%2F ü?%d", i)
	case 6:
		n = history.Name{Space: history.Leader, Key: fmt.Sprintf("lock%d", i-2)} // which is a lock's name, too
	}
	return n
}

// Stop has the clients end what they are at, and no more. Those that still wait after
// patience are sent away: something has gone wrong.
func (t *Traffic) Stop(patience time.Duration) {
	close(t.stopping)
	timer := time.AfterFunc(patience, func() { t.giveUp(errors.New(history.GivenUp)) })
	t.clients.Wait()
	close(t.over)
	t.watch.Wait()
	timer.Stop()
	t.giveUp(nil)
	for i := range t.guarded {
		t.guarded[i].report(t.recorder, "guarded by its lock's indices")
		t.trusting[i].report(t.recorder, "whose clients trust in the lock")
	}
}

// Abort sends all clients away that have not ended.
func (t *Traffic) Abort() { t.giveUp(errors.New(history.GivenUp)) }

// Writes is how often the sets were written to, and how often a writer was refused, which
// came late by its index.
func (t *Traffic) Writes() (written, refused int) {
	for i := range t.guarded {
		late, refusals := t.guarded[i].counts()
		trusted, _ := t.trusting[i].counts()
		written, refused = written+late+trusted, refused+refusals
	}
	return written, refused
}

func (t *Traffic) stopped() bool {
	select {
	case <-t.stopping:
		return true
	default:
		return false
	}
}

// actor is one client, with a will of its own.
type actor struct {
	*client.Client
	*rand.Rand
	t    *Traffic
	id   int
	made int // how many values it has made
}

func (t *Traffic) actor(id int, source rand.Source) *actor {
	var options []client.Option
	if id%4 == 1 {
		options = append(options, client.Resets())
	}
	return &actor{
		Client: client.New(id, t.config.Gateways, t.recorder, t.config.Transport, options...),
		Rand:   rand.New(source), t: t, id: id,
	}
}

// run does one thing after the other.
func (a *actor) run() {
	defer a.Close()
	deeds := []struct {
		weight int
		do     func()
	}{
		{40, a.cycle}, {12, a.impatient}, {8, a.vanish}, {6, a.snatch}, {8, a.share}, {4, a.abandon}, {6, a.cancel}, {10, a.look},
		{1, a.keep}, {6, a.guarded}, {2, a.trusting},
	}
	sum := 0
	for _, d := range deeds {
		sum += d.weight
	}
	a.sleep(a.upTo(2 * a.t.config.Pause)) // they do not all come at once
	for !a.t.stopped() {
		at := a.IntN(sum)
		for _, d := range deeds {
			if at -= d.weight; at < 0 {
				d.do()
				break
			}
		}
		a.sleep(a.upTo(2 * a.t.config.Pause))
	}
}

// upTo is a random time.
func (a *actor) upTo(d time.Duration) time.Duration { return time.Duration(a.Int64N(int64(d) + 1)) }

// sleep is a client's pause; it ends early when the traffic stops.
func (a *actor) sleep(d time.Duration) { pause(d, a.t.stopping) }

// pause takes that long, or until then.
func pause(d time.Duration, until <-chan struct{}) (whole bool) {
	select {
	case <-until:
		return false
	case <-time.After(d):
		return true
	}
}

// request is one for that lock, through some gateway.
func (a *actor) request(kind history.Kind, n history.Name) history.Op {
	return history.Op{Kind: kind, Space: n.Space, Key: n.Key, Gateway: 1 + a.IntN(len(a.t.config.Gateways))}
}

func (a *actor) anyName() history.Name { return a.t.names[a.IntN(len(a.t.names))] }

// acquire asks for some lock, for that many seconds. Two of three requests have a value.
func (a *actor) acquire(ttl, timeout int) history.Op {
	op := a.request(history.Acquire, a.anyName())
	op.TTL, op.Timeout = ttl, timeout
	if op.Space == history.Leader || a.IntN(3) > 0 {
		a.name(&op)
	}
	return op
}

// name gives a request a value that no other has.
func (a *actor) name(op *history.Op) {
	a.made++
	op.Value, op.HasValue = fmt.Sprintf("client %d, value %d", a.id, a.made), true
}

// do is asking for something that takes no time.
func (a *actor) do(op history.Op) history.Op {
	ctx, cancel := context.WithTimeout(a.t.ctx, 10*time.Second)
	defer cancel()
	return a.Do(ctx, op)
}

// of is a request about a hold, by index or by value.
func (a *actor) of(kind history.Kind, held history.Op) history.Op {
	op := a.request(kind, held.Lock())
	switch {
	case held.HasValue && (held.Space == history.Leader || a.IntN(2) == 0) && !(kind == history.Holds && held.Space == history.Lock):
		op.Value, op.HasValue = held.Value, true
	case held.Space == history.Leader && kind != history.Holds:
		op.Value, op.HasValue = held.Value, true
	default:
		op.Index = held.Got
	}
	return op
}

// release releases a hold, and tries again as long as it does not know that this has
// been done, or that there is nothing left to release.
func (a *actor) release(held history.Op) {
	op := a.of(history.Release, held)
	for end := held.Return + time.Duration(held.TTL+3)*time.Second; ; {
		done := a.do(op)
		if done.OK() || done.Status == http.StatusNotFound || done.Return > end {
			return
		}
		time.Sleep(a.upTo(200 * time.Millisecond)) // also when the traffic is to stop
		op.Gateway = 1 + a.IntN(len(a.t.config.Gateways))
	}
}
