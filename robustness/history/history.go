// Package history is what was seen of a run: the clients' requests and the answers,
// the faults, and what stood in etcd, all on one monotonic clock. It shares no code
// with what it is about, and knows only the HTTP contract.
package history

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Kind is what a request asks for.
type Kind string

// The kinds of requests. A candidate's and a leader's are those of the lock, in the
// space "leader", where the value is the name.
const (
	Acquire Kind = "acquire" // waits for its turn, as long as Timeout says
	Renew   Kind = "renew"
	Release Kind = "release"
	Get     Kind = "get"   // who holds it
	Holds   Kind = "holds" // whether Index, or in an election Value, holds it
)

// The spaces.
const (
	Lock   = "lock"
	Leader = "leader"
)

// Forever is the Timeout of a request that waits without end.
const Forever = -1

// Op is one request of one client. All times are since the beginning of the run.
type Op struct {
	Client  int    `json:"client"`
	Gateway int    `json:"gateway"` // from 1
	Kind    Kind   `json:"kind"`
	Space   string `json:"space"`
	Key     string `json:"key"`

	// What was asked for. A request for a lock without a value is anonymous.
	Value    string `json:"value,omitempty"`
	HasValue bool   `json:"has_value,omitempty"`
	Index    uint64 `json:"index,omitempty"`
	TTL      int    `json:"ttl,omitempty"`     // seconds
	Timeout  int    `json:"timeout,omitempty"` // seconds, or Forever

	Call   time.Duration `json:"call"`
	Return time.Duration `json:"return"`

	// What was answered. Without a status there was no answer: the connection broke,
	// or the client went, which Left says.
	Status int    `json:"status,omitempty"`
	Code   int    `json:"code,omitempty"` // errorCode
	Got    uint64 `json:"got,omitempty"`  // the index of an acquired lock, or of the holder
	Shown  string `json:"shown,omitempty"`
	Left   bool   `json:"left,omitempty"`
	Error  string `json:"error,omitempty"`
}

// OK says that the request was carried out.
func (o Op) OK() bool { return o.Status == 200 }

// Unknown says that nobody knows whether the request was, or will be, carried out. The
// contract's 503, "nothing was written", is no such answer, unless the gateway was stopping:
// what it had begun may have been done, and a value's hold renewed. Caddy's own 502 is.
func (o Op) Unknown() bool {
	switch o.Status {
	case 0, 502, 504:
		return true
	case 503:
		return strings.Contains(o.Error, "gateway is stopping")
	}
	return false
}

// Lock is what an operation, or a queue, is about.
func (o Op) Lock() Name { return Name{o.Space, o.Key} }

// Name names a lock or an election.
type Name struct {
	Space string `json:"space"`
	Key   string `json:"key"`
}

func (n Name) String() string { return n.Space + " " + n.Key }

// Compare orders names.
func (n Name) Compare(m Name) int {
	return cmp.Or(cmp.Compare(n.Space, m.Space), cmp.Compare(n.Key, m.Key))
}

// Sight is a queue as it stood in etcd, at one moment between the two times of First
// and at one between those of Last. (Looks that saw the same are one Sight.)
type Sight struct {
	Name
	First   Span    `json:"first"`
	Last    Span    `json:"last"`
	Entries []Entry `json:"entries"` // in the order of their indices; none, if there is no queue
}

// Entry is one entry of a queue.
type Entry struct {
	Index    uint64 `json:"index"`
	Value    string `json:"value,omitempty"`
	HasValue bool   `json:"has_value,omitempty"`
	Held     bool   `json:"held,omitempty"` // it has been granted
}

// Span is the time between two moments.
type Span struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// Overlaps says whether two spans have a moment in common.
func (s Span) Overlaps(t Span) bool { return s.From <= t.To && t.From <= s.To }

// Event is something that was done to the system, or that happened to the machine.
type Event struct {
	Span
	Kind    string `json:"kind"`              // such as "kill leader"
	Gateway int    `json:"gateway,omitempty"` // from 1, as in operations, if it happened to one only
	Note    string `json:"note,omitempty"`

	// Healed is when a fault ended; its span ends when all that it broke was well again.
	Healed time.Duration `json:"healed,omitempty"`

	// Gentle says that requests may not be affected: by a reload, say.
	Gentle bool `json:"gentle,omitempty"`

	// Invariant is the one that was broken, if the kind is Wrong.
	Invariant string `json:"invariant,omitempty"`
}

// Kinds of events that are no faults.
const (
	Stall = "stall" // the recorder itself was not run
	Wrong = "wrong" // the run itself has found that something is not as it should be

	// Election is that etcd has a new leader, from which on leases may begin anew.
	Election = "election"
)

// Unwell is that locks could not be had quickly at some gateway, for whatever reason: it may
// be the machine's, so what depends on time is not asked meanwhile.
const Unwell = "unwell"

// Stop is caddy stop, a fault for those that have waited there: its span begins with the
// signal, and it is healed when the process has ended.
const Stop = "caddy stop"

// Fault says whether requests may have failed because of it.
func (e Event) Fault() bool {
	return e.Kind != Stall && e.Kind != Wrong && e.Kind != Election && !e.Gentle
}

// GivenUp is the error of a request that was still waiting when the run was over.
const GivenUp = "given up at the end of the run"

// History is a run.
type History struct {
	Run    Run     `json:"run"`
	Ops    []Op    `json:"-"`
	Sights []Sight `json:"-"`
	Events []Event `json:"-"`
}

// Run says what was run, and is what it takes to run it again.
type Run struct {
	Seed    uint64        `json:"seed"`
	API     string        `json:"api"` // v2 or v3
	Etcd    string        `json:"etcd"`
	Command string        `json:"command"` // runs it again
	Length  time.Duration `json:"length"`
}

// ByLock is the history's operations, by what they are about, in the order of their calls.
func (h *History) ByLock() map[Name][]Op {
	locks := make(map[Name][]Op)
	for _, op := range h.Ops {
		locks[op.Lock()] = append(locks[op.Lock()], op)
	}
	for _, ops := range locks {
		slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	}
	return locks
}
