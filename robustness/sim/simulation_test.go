package sim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/robustness/history"
	"github.com/caddy-etcd/caddy-etcd/store"
	"github.com/caddy-etcd/caddy-etcd/store/memstore"
)

const (
	gateways = 3
	clients  = 9
	locks    = 2
)

// simulation is a run.
type simulation struct {
	s        *scheduler
	random   *rand.Rand
	recorder *history.Recorder
	cluster  *memstore.Cluster
	truth    *memstore.Store // looks at what is in the store, through no link
	seen     uint64          // the revision of the last look

	gateways []*gateway
	clients  []*client
	weights  []int // of the deeds
	faulty   int   // of a hundred calls, so many meet a fault
}

// gateway is a process: a service and its store, until it ends.
type gateway struct {
	number  int // from 1
	service *lockmod.Service
	store   *memstore.Store
	life    context.Context
	end     context.CancelFunc
	down    bool
	stopped chan struct{} // closed when it has stopped, if it was told to; else nil
}

func newSimulation(seed uint64, trace io.Writer) *simulation {
	sim := &simulation{
		s:        newScheduler(trace),
		random:   rand.New(rand.NewPCG(seed, 0)),
		recorder: history.NewRecorder(history.Run{Seed: seed, API: "simulated"}),
		cluster:  memstore.NewCluster(),
	}
	sim.truth = sim.cluster.Open()
	for i := range gateways {
		sim.gateways = append(sim.gateways, sim.start(i+1))
	}
	for i := range clients {
		sim.clients = append(sim.clients, &client{simulation: sim, id: i + 1})
	}
	// Each run has its own character: what is rare in one is frequent in another.
	for _, d := range deeds {
		sim.weights = append(sim.weights, d.weight*[]int{0, 1, 1, 3, 10}[sim.random.IntN(5)])
	}
	sim.faulty = []int{0, 2, 10, 30}[sim.random.IntN(4)]
	sim.s.rest()
	return sim
}

// start starts a gateway's process.
func (sim *simulation) start(number int) *gateway {
	g := &gateway{number: number, store: sim.cluster.Open()}
	g.life, g.end = context.WithCancel(context.Background())
	g.service = lockmod.New(&link{Store: g.store, s: sim.s, gateway: number, life: g.life}, "lock", zap.NewNop())
	return g
}

// deeds are what may happen, beside that messages go on and time passes. Each says
// whether there was anything to do.
var deeds = []struct {
	weight int
	do     func(*simulation) bool
}{
	{20, (*simulation).acquires},
	{12, (*simulation).releases},
	{4, (*simulation).renews},
	{2, (*simulation).forgets},
	{3, (*simulation).looks},
	{4, (*simulation).leaves},
	{2, (*simulation).cancels},
	{1, (*simulation).breaks},
	{1, (*simulation).compacts},
	{1, (*simulation).expires},
	{1, (*simulation).cuts},
	{1, (*simulation).delivers},
	{1, (*simulation).kills},
	{1, (*simulation).stops},
}

// step lets one thing happen.
func (sim *simulation) step() {
	sim.reap()
	switch n := sim.random.IntN(10); {
	case n < 5 && sim.passes():
	case n < 6:
		sim.timePasses()
	default:
		sim.deed()
	}
	sim.look()
}

// passes has some message go on, in no order.
func (sim *simulation) passes() bool {
	if len(sim.s.pending) == 0 {
		return false
	}
	i := sim.random.IntN(len(sim.s.pending))
	sim.s.pass(i, sim.verdict(sim.s.pending[i]))
	return true
}

func (sim *simulation) verdict(m *message) verdict {
	if sim.random.IntN(100) >= sim.faulty {
		return verdict{}
	}
	switch m.kind {
	case call:
		if m.reads {
			return verdict{fault: memstore.Refused}
		}
		return verdict{fault: memstore.Fault(1 + sim.random.IntN(int(memstore.Delayed)))}
	case news, told:
		return verdict{lost: true}
	}
	return verdict{}
}

// overdue is how long a call to a store may take.
const overdue = 4 * time.Second

// timePasses lets time pass, but for what a store must not take longer for.
func (sim *simulation) timePasses() {
	d := time.Duration(1+sim.random.IntN(300)) * time.Millisecond
	if sim.random.IntN(4) == 0 {
		d = time.Duration(1+sim.random.IntN(3)) * time.Second
	}
	for {
		i := slices.IndexFunc(sim.s.pending, func(m *message) bool { return m.kind <= answer && sim.s.now()+d-m.since > overdue })
		if i < 0 {
			break
		}
		sim.s.pass(i, sim.verdict(sim.s.pending[i]))
	}
	sim.s.advance(d)
}

func (sim *simulation) deed() {
	sum := 0
	for _, w := range sim.weights {
		sum += w
	}
	if sum > 0 {
		at := sim.random.IntN(sum)
		for i, w := range sim.weights {
			if at -= w; at < 0 {
				if deeds[i].do(sim) {
					return
				}
				break
			}
		}
	}
	if !sim.acquires() && !sim.passes() {
		sim.timePasses()
	}
}

// all are the clients of which that is true.
func (sim *simulation) all(is func(*client) bool) (of []*client) {
	sim.s.mu.Lock()
	defer sim.s.mu.Unlock()
	for _, c := range sim.clients {
		if is(c) {
			of = append(of, c)
		}
	}
	return of
}

// some is one of them, or nil.
func (sim *simulation) some(is func(*client) bool) *client {
	of := sim.all(is)
	if len(of) == 0 {
		return nil
	}
	return of[sim.random.IntN(len(of))]
}

func idle(c *client) bool { return c.op == nil && c.held == nil }

func holds(c *client) bool { return c.op == nil && c.held != nil }

func waits(c *client) bool { return c.op != nil && c.op.Kind == history.Acquire }

func (sim *simulation) anyGateway() *gateway { return sim.gateways[sim.random.IntN(gateways)] }

func (sim *simulation) anyKey() string { return fmt.Sprintf("k%d", sim.random.IntN(locks)) }

// Values are few, so that requests share them.
func (sim *simulation) anyValue() string { return fmt.Sprintf("v%d", sim.random.IntN(clients/2)) }

func (sim *simulation) acquires() bool {
	c := sim.some(idle)
	if c == nil {
		return false
	}
	op := history.Op{Kind: history.Acquire, Key: sim.anyKey(), TTL: 1 + sim.random.IntN(5), Timeout: history.Forever}
	if sim.random.IntN(3) > 0 {
		op.Value, op.HasValue = sim.anyValue(), true
	}
	if sim.random.IntN(3) == 0 {
		op.Timeout = sim.random.IntN(3)
	}
	c.ask(sim.anyGateway(), op)
	return true
}

// named is a request about what a client was told, by its index or its value.
func (sim *simulation) named(kind history.Kind, held *history.Op) history.Op {
	op := history.Op{Kind: kind, Key: held.Key, Index: held.Got}
	if held.HasValue && sim.random.IntN(2) == 0 {
		op.Index, op.Value, op.HasValue = 0, held.Value, true
	}
	return op
}

func (sim *simulation) releases() bool {
	c := sim.some(holds)
	if c == nil {
		return false
	}
	c.ask(sim.anyGateway(), sim.named(history.Release, c.held))
	return true
}

func (sim *simulation) renews() bool {
	c := sim.some(holds)
	if c == nil {
		return false
	}
	op := sim.named(history.Renew, c.held)
	op.TTL = 1 + sim.random.IntN(5)
	c.ask(sim.anyGateway(), op)
	return true
}

// forgets has a client forget what it has.
func (sim *simulation) forgets() bool {
	c := sim.some(holds)
	if c == nil {
		return false
	}
	sim.s.note("client %d forgets", c.id)
	c.forget()
	return true
}

func (sim *simulation) looks() bool {
	c := sim.some(idle)
	if c == nil {
		return false
	}
	c.ask(sim.anyGateway(), history.Op{Kind: history.Get, Key: sim.anyKey()})
	return true
}

func (sim *simulation) leaves() bool {
	c := sim.some(func(c *client) bool { return c.op != nil })
	if c == nil {
		return false
	}
	c.leave()
	return true
}

// cancels has somebody delete what may be waiting, or held.
func (sim *simulation) cancels() bool {
	c := sim.some(idle)
	if c == nil {
		return false
	}
	c.ask(sim.anyGateway(), history.Op{Kind: history.Release, Key: sim.anyKey(), Value: sim.anyValue(), HasValue: true})
	return true
}

func (sim *simulation) breaks() bool {
	sim.s.note("all watches break")
	sim.cluster.BreakWatches()
	sim.s.rest()
	return true
}

func (sim *simulation) compacts() bool {
	sim.s.note("the store forgets its history")
	sim.cluster.Compact()
	sim.s.rest()
	return true
}

func (sim *simulation) expires() bool {
	g := sim.anyGateway()
	sim.s.note("the session of %d expires", g.number)
	g.store.Expire()
	sim.s.rest()
	return true
}

// cuts cuts a gateway off from the store, or ends that.
func (sim *simulation) cuts() bool {
	g := sim.anyGateway()
	g.down = !g.down
	sim.s.note("%d is cut off: %v", g.number, g.down)
	g.store.SetDown(g.down)
	sim.s.rest()
	return true
}

// delivers has writes arrive whose senders have given up on them.
func (sim *simulation) delivers() bool {
	for _, g := range sim.gateways {
		sim.s.note("%d: late writes arrive: %d", g.number, g.store.Deliver())
	}
	sim.s.rest()
	return true
}

// kills ends a gateway's process, as kill -9 does, and starts another one.
func (sim *simulation) kills() bool {
	g := sim.anyGateway()
	sim.s.note("%d is killed", g.number)
	g.store.Kill()
	sim.cutOff(g)
	sim.replace(g)
	return true
}

// cutOff has those lose their connections who have asked a gateway.
func (sim *simulation) cutOff(g *gateway) {
	for _, c := range sim.all(func(c *client) bool { return c.at == g }) {
		c.cut("the connection broke")
	}
}

// replace has another process take the place of a gateway.
func (sim *simulation) replace(g *gateway) {
	g.end()
	over, end := context.WithCancel(context.Background())
	end()
	g.service.Close(over)
	sim.gateways[g.number-1] = sim.start(g.number)
	sim.s.rest()
}

// stops has a gateway's process end by itself, as caddy stop does. Who waits there is told
// at once (I9).
func (sim *simulation) stops() bool {
	g := sim.anyGateway()
	if g.stopped != nil {
		return false
	}
	sim.s.note("%d stops", g.number)
	g.stopped = make(chan struct{})
	go func() {
		defer close(g.stopped)
		limit, cancel := context.WithTimeout(context.Background(), overdue)
		defer cancel()
		g.service.Close(limit)
		_ = g.store.Close(limit) // where the store is away, the session ends by itself
	}()
	sim.s.rest()
	for _, c := range sim.all(func(c *client) bool { return c.at == g && waits(c) && !c.called }) {
		sim.wrong("I9", "client %d still waits at gateway %d, which has been stopped", c.id, g.number)
	}
	return true
}

// reap replaces gateways that have stopped.
func (sim *simulation) reap() {
	for _, g := range slices.Clone(sim.gateways) {
		if g.stopped == nil {
			continue
		}
		select {
		case <-g.stopped:
			sim.s.note("%d has stopped", g.number)
			sim.cutOff(g)
			sim.replace(g)
		default:
		}
	}
}

func (sim *simulation) wrong(invariant, format string, args ...any) {
	now := sim.s.now()
	sim.recorder.Event(history.Event{
		Kind: history.Wrong, Invariant: invariant, Note: fmt.Sprintf(format, args...), Span: history.Span{From: now, To: now},
	})
}

// look takes down what is in the store, if that has changed.
func (sim *simulation) look() {
	queues := make(map[history.Name][]history.Entry)
	ctx := context.Background()
	for i := range locks {
		name := fmt.Sprintf("k%d", i)
		listing, err := sim.truth.List(ctx, store.Key{Space: "lock", Name: name}, 0)
		if err != nil {
			panic(err) // it is in memory
		}
		if i == 0 {
			if listing.Revision == sim.seen {
				return
			}
			sim.seen = listing.Revision
		}
		for _, e := range listing.Entries {
			n := history.Name{Space: history.Lock, Key: name}
			queues[n] = append(queues[n], history.Entry{Index: e.Index, Value: e.Value, HasValue: e.HasValue, Held: e.Held})
		}
	}
	now := sim.s.now()
	sim.recorder.Look(history.Span{From: now, To: now}, queues)
}

// finish has all faults end, and all clients end what they are at; then it stops the
// gateways, after which nothing may be left.
func (sim *simulation) finish() {
	sim.s.note("calm")
	for _, g := range sim.gateways {
		g.down = false
		g.store.SetDown(false)
		g.store.Deliver()
	}
	sim.s.rest()
	// The sessions of the dead end by themselves, and so do holds that were forgotten.
	for end := sim.s.now() + 15*time.Second; sim.s.now() < end; {
		sim.calmly()
	}
	sim.recorder.Event(history.Event{Kind: "faults", Span: history.Span{To: sim.s.now()}, Healed: sim.s.now()})
	// From here on, everything is in time.
	for range 3 * clients {
		sim.acquires()
	}
	const patience = 2 * time.Minute
	for end := sim.s.now() + patience; sim.busy() && sim.s.now() < end; {
		sim.calmly()
	}
	for _, c := range sim.clients {
		c.cut(history.GivenUp)
	}
	for end := sim.s.now() + 10*time.Second; sim.s.now() < end; {
		sim.calmly()
	}
	sim.seen = 0
	sim.look()
	for _, g := range sim.gateways {
		if n := g.service.Waiting(); n > 0 {
			sim.wrong("I10", "gateway %d still counts %d that wait", g.number, n)
		}
		sim.s.note("%d ends", g.number)
		g.service.Close(context.Background())
		_ = g.store.Close(context.Background())
		g.end()
		sim.s.rest()
	}
	_ = sim.truth.Close(context.Background())
	sim.s.rest()
}

// busy says whether some client is not done.
func (sim *simulation) busy() bool {
	return len(sim.all(idle)) < clients
}

// calmly lets the next thing happen, in order, and nothing go wrong.
func (sim *simulation) calmly() {
	sim.reap()
	c := sim.some(holds)
	switch {
	case len(sim.s.pending) > 0:
		sim.s.pass(0, verdict{})
	case c != nil:
		c.ask(sim.anyGateway(), sim.named(history.Release, c.held))
	default:
		sim.s.advance(10 * time.Millisecond)
	}
	sim.look()
}
