package store

import (
	"context"
	"strings"
)

// Scope is a set of queues: the one of that Name, or with Prefix all whose names
// begin with it, which an empty one means all of.
type Scope struct {
	Space  string
	Name   string
	Prefix bool
}

// Has says whether the queue of that name is in the scope.
func (s Scope) Has(name string) bool {
	return name == s.Name || s.Prefix && strings.HasPrefix(name, s.Name)
}

// Queue is a queue with its name, in the order of the entries' indices.
type Queue struct {
	Name    string
	Entries []Entry
}

// Survey is a part of the queues of a scope, in the order of CompareNames.
type Survey struct {
	Revision uint64
	Queues   []Queue // those that have entries
	More     bool    // there are others behind
}

// Change is one change of one entry of a queue.
type Change struct {
	Queue string // its name

	// Deleted: the entry has gone; only Entry.Name and Entry.Index (where known) are
	// set. Of an entry that was held, and of no other, Expired tells that its TTL ran
	// out from that somebody deleted it.
	Deleted bool
	Expired bool

	// Renewed: the entry was held before, and its TTL has started anew, or is
	// another one.
	Renewed bool

	// Entry is as it is after the change; where it is Held, Left is what is left when
	// that is told, and zero of what has gone since.
	Entry Entry
}

// Observer is the part of a Store that looks at queues from outside. It makes
// nobody a party to an entry, and keeps none alive.
type Observer interface {
	// Queues reads queues of the scope, at most limit of them (at least one), from
	// the first whose name comes after the given one on; "" is before all. Each
	// queue is read linearizably, all of its entries at one revision, which is
	// the survey's Revision or a later one: Observe after that may tell again what the
	// survey shows. Left is filled in for entries that are Held.
	Queues(ctx context.Context, scope Scope, after string, limit int) (Survey, error)

	// Observe follows all queues of the scope. First it calls start with those that
	// have entries, in no certain order, as they are now, linearizably, or, if after
	// is not 0, as they were at that revision; there, Left is what is left now,
	// and zero of what has gone since. Then it calls apply with every change
	// after that revision, in order, none missing: all changes of one revision in one
	// call, deletions first. start may be nil where the caller knows what it
	// would be told.
	//
	// A renewal that etcd does not number has to be looked for. It is told within 2 s,
	// in a scope of very many holders later, with the revision of the last call again.
	// One that adds less than 3 s to what was left may not be told (etcd tells whole
	// seconds, so two looks are off by one each), and several may be
	// told as one: where that would take more than one look a second, simple wins. So
	// what has been told of what is left may have to be corrected: by a change of an
	// entry that was held before, with that revision again.
	// apply may also be called without changes: there were none up to that revision.
	//
	// It returns when ctx ends (nil), without another call, or when it cannot go on.
	// Then the caller may call it again, after the revision of the last call.
	// ErrCompacted: etcd does not know any more what happened since, or has never
	// come to that revision, and then neither is called. Calls of start and apply do
	// not overlap.
	Observe(ctx context.Context, scope Scope, after uint64, start func(revision uint64, queues []Queue), apply func(revision uint64, changes []Change)) error
}
