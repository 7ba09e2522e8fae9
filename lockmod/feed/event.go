package feed

import "github.com/caddy-etcd/caddy-etcd/store"

// Kind is what an event tells of an entry.
type Kind string

// The kinds of events.
const (
	Acquired Kind = "acquired" // it holds, from now on
	Released Kind = "released" // it held, and somebody has deleted it
	Expired  Kind = "expired"  // it held, and its TTL has run out
	Queued   Kind = "queued"   // it has come, and waits
	Left     Kind = "left"     // it has gone, and never held
	Renewed  Kind = "renewed"  // it holds, and its TTL has started anew
)

// Event is one change of a queue.
type Event struct {
	Kind  Kind
	Entry store.Entry // what it is about, as last seen

	// Queue is as it is after the change, what is Left of the held included. It is the
	// feed's own: it must not be kept or changed.
	Queue store.Queue
}

// Record is an event as listeners get it.
type Record struct {
	// ID is the revision up to which everything has been told when this has been.
	// Of several events of one revision, that is the last one's, and those before
	// have the revision before: who goes on from an ID misses nothing.
	ID   uint64
	Text []byte // what the Encoder made of it; it must not be changed
}

// Encoder turns what a feed tells into what listeners read, once for all of them.
type Encoder interface {
	// Event encodes an event.
	Event(Event) []byte

	// State encodes how all queues of a scope are that have entries, in the order of
	// their names.
	State(scope store.Scope, queues []store.Queue) []byte
}
