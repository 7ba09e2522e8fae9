// Package store says what the lock needs from etcd.
//
// A lock is a queue of entries in etcd. An entry is one key; its index is the
// revision (or index) at which etcd made that key, so the order is etcd's. The
// entry with the least index is the head; a head that is marked as held is the
// lock's holder. Nothing here is remembered by a gateway for safety: what makes an
// entry the holder, or takes that away, is one conditional write that etcd checks,
// so that any number of gateways may work on one lock at once.
//
// The comments in this file are the contract. The suite in store/storetest
// checks it against every driver.
package store

import (
	"context"
	"errors"
	"time"
)

// Errors that every driver returns. Drivers wrap them with what they were
// doing; compare with errors.Is.
var (
	// ErrTaken: the lock is not free, and the caller did not want to wait.
	ErrTaken = errors.New("lock is taken")

	// ErrNotFound: there is no such entry.
	ErrNotFound = errors.New("entry not found")

	// ErrNotHeld: the entry is there but it waits; it does not hold the lock.
	ErrNotHeld = errors.New("entry is not held")

	// ErrNotHead: another entry stands before this one in etcd, so whoever
	// asked for a grant has a wrong picture of the queue and must list it anew.
	ErrNotHead = errors.New("entry is not the head of its queue")

	// ErrUnavailable: etcd could not be reached, or refused, and it is certain
	// that nothing was written.
	ErrUnavailable = errors.New("etcd is unavailable")

	// ErrUnknown: etcd's answer was lost. The write may or may not have taken
	// effect, or may still take effect.
	ErrUnknown = errors.New("etcd's answer was lost")

	// ErrCompacted: the revision that a watch should start from is gone.
	ErrCompacted = errors.New("revision has been compacted")

	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("store is closed")
)

// Key names one queue. Spaces keep things of one name apart: a lock and an
// election, say. Name is any non-empty string; drivers escape it, so that no
// queue can see into another's.
type Key struct {
	Space string
	Name  string
}

// Entry is one place in a queue, as it was at one moment.
type Entry struct {
	// Name is the entry's name within its queue. It is unique while the entry
	// exists; a later one, with a greater Index, may have it again.
	Name string

	// Index is the fencing token: the revision at which the entry was made. For
	// one Key, a later entry has a greater one. It never changes.
	Index uint64

	// Value is what the client gave, byte for byte; HasValue tells an anonymous
	// entry from an empty value.
	Value    string
	HasValue bool

	// Held says that the entry has been granted the lock.
	Held bool

	// TTL is the time to live as last set, once Held; zero while it waits. Only
	// Acquire, Grant and Renew are sure to know it; from List and Watch it may be
	// what was left of it.
	TTL time.Duration

	// Left is how much of the TTL the store says is left, in whole seconds
	// rounded down. Only the methods that say so fill it in.
	Left time.Duration

	// Ref is the driver's own: what it needs to write this entry conditionally.
	// Callers hand entries back with it as they got it.
	Ref any
}

// Listing is a queue at one revision, in the order of the entries' indices.
type Listing struct {
	Revision uint64
	Entries  []Entry
}

// Holder returns the entry that holds the lock, or the zero Entry. The listing may be
// cut off behind its first entry.
func (l Listing) Holder() Entry {
	if len(l.Entries) > 0 && l.Entries[0].Held {
		return l.Entries[0]
	}
	return Entry{}
}

// Event is one change of one entry.
type Event struct {
	Revision uint64
	Deleted  bool  // the entry has gone; only Entry.Name and Entry.Index (where known) are set
	Entry    Entry // as it is after the change
}

// Acquire is a request for a lock.
type Acquire struct {
	// Value makes the entry a shared one: all requests for one Key with one
	// value, through all gateways, are one entry. Without HasValue the entry is
	// this request's alone.
	Value    string
	HasValue bool

	// TTL is what the holder gets, in whole seconds, at least one.
	TTL time.Duration

	// Wait says to queue where the lock is not free.
	Wait bool

	// Contended says that the caller knows the queue not to be empty, so that
	// the driver need not look first. It is a hint: order and exclusion do not
	// depend on it.
	Contended bool
}

// Acquired is the outcome of an Acquire that was not refused.
type Acquired struct {
	// Entry is the caller's place. Where it is Held, Left is filled in.
	Entry Entry

	// Renewed says that this gateway already was a party to the hold, so that
	// somebody has been told of it before: the caller must not Withdraw when it
	// can't deliver this answer.
	Renewed bool
}

// Target names an entry by index or, if Index is 0, by value.
type Target struct {
	Index uint64
	Value string

	// Hint is the entry with that Index if the caller has seen it, or nil. It
	// saves a look-up, and is checked.
	Hint *Entry
}

// Successor is the entry that a Release should grant the lock to in the same
// write.
type Successor struct {
	Entry Entry
	TTL   time.Duration
}

// Ahead is what the caller knows of the queue before an entry when it asks for
// a grant; the driver has etcd check it.
type Ahead struct {
	// Name and Index are those of the last entry that stood before this one and
	// has gone; zero where there was none that the caller knows of.
	Name  string
	Index uint64

	// Waiting is about how many entries stand behind. It lets a driver choose
	// the strictest check that is still cheap.
	Waiting int
}

// Store is one gateway's session with etcd. A party to an entry is a gateway
// that waits for it or that may have told a client that it is held; the store
// keeps in etcd who the parties are. All methods may be called from many
// goroutines at once, but the caller serializes Acquire, Grant and Withdraw for
// one value (Key and Value) of one gateway.
//
// Every method returns within a few seconds when etcd can't be reached: with
// ErrUnavailable where nothing was written, else with ErrUnknown. Where ctx ends
// first, the same two are returned.
type Store interface {
	Observer

	// Acquire takes the lock if nobody holds or waits for it. Otherwise:
	//
	//   - if an entry with the value holds the lock, its TTL is renewed to
	//     a.TTL, this gateway becomes a party, and the entry is returned Held;
	//   - if Wait is set, the entry with the value is joined, or a new entry is
	//     queued, and it is returned as not Held. It stays as long as one of its
	//     parties is alive, watches the queue and has not withdrawn;
	//   - else the error is ErrTaken.
	//
	// Left is at least TTL at some moment between the call and its return.
	//
	// With ErrUnknown, the Acquired's Entry has a Name if the caller owes a
	// Withdraw of it, as it is: until that has succeeded, something may be left in
	// etcd.
	Acquire(ctx context.Context, key Key, a Acquire) (Acquired, error)

	// Grant makes e, which this gateway is a party to, the holder, with at least
	// ttl left, and returns it as it is then, with Left. After success this
	// gateway may tell its clients that they hold the lock. It may be called
	// again after any error, and on an entry that has been granted already, by
	// this gateway or by another: then it makes this gateway a party to the
	// hold, and leaves or makes the TTL at least ttl. With an error it returns the
	// entry as last seen, or none.
	//
	// ErrNotFound: e, as of e.Index, is gone. ErrNotHead: etcd knows an entry
	// before it.
	Grant(ctx context.Context, key Key, e Entry, ahead Ahead, ttl time.Duration) (Entry, error)

	// Withdraw ends this gateway's part in e. An entry that has no party left
	// is deleted. It is not an error if e has gone.
	//
	// If e.Index is 0, the outcome of the Acquire that named e is unknown: then
	// Withdraw first makes sure that it can no longer take effect, or that what it
	// still may make goes by itself (6 s in v2, which can't refuse to make an
	// entry); a hold with the value that this gateway was a party to before that
	// Acquire stays. After any error, call Withdraw again until it succeeds.
	Withdraw(ctx context.Context, key Key, e Entry) error

	// Expired says whether the entry e, which this gateway waited for and which
	// has gone, went otherwise than by a Release while it waited: because its
	// session did, say, or because its TTL ran out before this gateway could tell
	// anybody of the grant. Then its clients are owed a new place. Of an entry that
	// was released when it held the lock, either may be said; and so it may to
	// somebody who asks later than a session's TTL.
	Expired(ctx context.Context, key Key, e Entry) (bool, error)

	// Release deletes an entry, whether it holds or waits, whoever its parties
	// are. If it is the holder and next is not nil, and etcd finds next.Entry
	// as the caller knows it, then next.Entry becomes the holder in the same
	// write and is returned, Held; the caller still has to call Grant on it,
	// which then makes sure of its TTL. Otherwise granted is nil.
	//
	// ErrNotFound: there is no such entry.
	Release(ctx context.Context, key Key, t Target, next *Successor) (granted *Entry, err error)

	// Renew makes the holder's TTL start anew, at ttl, and returns the entry,
	// with Left.
	//
	// ErrNotFound: there is no such entry. ErrNotHeld: it waits.
	Renew(ctx context.Context, key Key, t Target, ttl time.Duration) (Entry, error)

	// List reads a queue, linearizably: what any gateway was told before the
	// call began is in it. With a limit above 0, only so many entries from the
	// head on. Left is filled in for an entry that is Held.
	List(ctx context.Context, key Key, limit int) (Listing, error)

	// Watch calls apply with every change of the queue after the revision
	// after, in order, none missing: all changes of one revision in one call.
	// It returns when ctx ends (nil), without another call of apply, or when it cannot go
	// on (ErrCompacted, or any other error): then the caller lists anew. Calls of apply do
	// not overlap.
	Watch(ctx context.Context, key Key, after uint64, apply func(revision uint64, events []Event)) error

	// Revision is the newest revision (or index) of etcd that this store has
	// seen. It does no I/O.
	Revision() uint64

	// Close ends the session. Every entry that waits on it alone is gone from
	// etcd when Close returns, or will be when the session's lease runs out
	// (10 s) where etcd can't be reached before ctx ends.
	// Entries that hold the lock stay until their TTL. Later calls return
	// ErrClosed.
	Close(ctx context.Context) error
}
