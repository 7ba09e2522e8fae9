package feed

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// ErrTooSlow is that a listener has not read for so long that what it has not read is not
// kept any more.
var ErrTooSlow = errors.New("listener is too slow")

// Subscription is one listener. Its methods are for one goroutine.
type Subscription struct {
	feed *Feed
	hub  *hub

	// Of one that reads records:
	place *place
	known uint64 // it knew everything up to this revision when it came to the hub
	told  uint64 // it has been told everything up to this revision; 0: nothing yet
}

// place is how far a listener has read a hub's records.
type place struct {
	next uint64 // the number of the first that it has not read; under hub.mu
}

// Follow listens to one queue, to ask for Holder and Queue.
func (f *Feed) Follow(ctx context.Context, name string) (*Subscription, error) {
	h, err := f.join(ctx, store.Scope{Space: f.space, Name: name}, 0, false)
	if err != nil {
		return nil, err
	}
	return &Subscription{feed: f, hub: h}, nil
}

// Subscribe listens to the records of one queue or, with prefix, of all whose names
// begin with name: to those after a revision or, if that is 0, from now on; then
// the first is how everything is. store.ErrCompacted: etcd does not know any more
// what came after it, or has never come to it.
func (f *Feed) Subscribe(ctx context.Context, name string, prefix bool, after uint64) (*Subscription, error) {
	scope := store.Scope{Space: f.space, Name: name, Prefix: prefix}
	for certain := false; ; {
		h, err := f.join(ctx, scope, after, certain)
		if err != nil {
			return nil, err
		}
		s := &Subscription{feed: f}
		switch {
		case !certain && after > max(h.now(), f.observer.Revision()):
			certain = true // has etcd come to it?
		case s.enter(h, after):
			return s, nil
		}
		f.giveBack(h)
	}
}

// join returns a hub that is ready.
func (f *Feed) join(ctx context.Context, scope store.Scope, after uint64, certain bool) (*hub, error) {
	h, err := f.take(scope, after, certain)
	if err != nil {
		return nil, err
	}
	select {
	case <-h.ready:
		err = h.failure()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		f.giveBack(h)
		return nil, err
	}
	return h, nil
}

// now is the revision that the hub has come to.
func (h *hub) now() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.revision
}

// failure is why the hub does not go on, or nil.
func (h *hub) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Close ends it.
func (s *Subscription) Close() {
	s.hub.leave(s.place)
	s.feed.giveBack(s.hub)
}

// enter makes it a reader of a hub's records after a revision, unless they have
// gone meanwhile.
func (s *Subscription) enter(h *hub, after uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.log == nil {
		h.log = &log{revision: h.revision}
	}
	if after != 0 && after < h.log.revision {
		return false
	}
	s.hub, s.known, s.told = h, after, after
	s.place = &place{h.log.after(after)}
	h.readers[s.place] = struct{}{}
	return true
}

func (h *hub) leave(p *place) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, p)
	h.move()
}

// move has those look again who wait for readers.
func (h *hub) move() {
	if h.past {
		close(h.moved)
		h.moved = make(chan struct{})
	}
}

// some is about how many bytes are read at once.
const some = 64 << 10

// Next returns the next records or, where there are none for now, what is closed
// when to ask again. Errors: ErrTooSlow, and those of package store.
func (s *Subscription) Next() (records []Record, changed <-chan struct{}, err error) {
	records, changed, err = s.read()
	if changed != nil && s.hub.past {
		// It has heard all that this hub knows.
		if o := s.feed.other(s.hub, s.told); o != nil {
			s.goOver(o)
			return s.read()
		}
	}
	return records, changed, err
}

func (s *Subscription) read() (records []Record, changed <-chan struct{}, err error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.move()
	switch {
	case s.told == 0:
		state := h.state()
		s.place.next, s.told = h.log.end(), state.ID
		return []Record{state}, nil, nil
	case s.place.next < h.log.first:
		return nil, nil, ErrTooSlow
	}
	for size := 0; s.place.next < h.log.end() && size < some; s.place.next++ {
		e := h.log.records[s.place.next-h.log.first]
		if e.revision < s.known || e.revision == s.known && !e.again {
			continue
		}
		records = append(records, e.Record)
		s.told = max(s.told, e.ID)
		size += len(e.Text)
	}
	if s.place.next == h.log.end() {
		s.told = max(s.told, h.revision)
	}
	if len(records) > 0 {
		return records, nil, nil
	}
	if h.err != nil {
		return nil, nil, h.err
	}
	return nil, h.changed, nil
}

// goOver goes over to a hub that knows the rest.
func (s *Subscription) goOver(o *hub) {
	old, place := s.hub, s.place
	if !s.enter(o, s.told) {
		s.feed.giveBack(o)
		return
	}
	old.leave(place)
	s.feed.giveBack(old)
}

// Told is the revision up to which everything has been told.
func (s *Subscription) Told() uint64 { return s.told }

// Holder returns who holds the one queue that the subscription follows, or the zero
// Entry, as of a revision, and what is closed when to ask again.
func (s *Subscription) Holder() (holder store.Entry, revision uint64, changed <-chan struct{}, err error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.queue().Holder(), h.revision, h.changed, h.err
}

// Queue returns the one queue that the subscription follows.
func (s *Subscription) Queue() store.Listing {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.queue()
	l.Entries = slices.Clone(l.Entries)
	return l
}

// queue is the one of the scope, to be looked at and not kept.
func (h *hub) queue() store.Listing {
	return store.Listing{Revision: h.revision, Entries: h.picture.view(time.Now(), h.scope.Name).Entries}
}
