package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod/backoff"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// hub follows a scope, for all who listen to it. One that began with the present is
// everybody's. One that began with a revision in the past is for those who want to
// hear what came after it; when they have, they go over to another that knows the
// rest.
type hub struct {
	feed    *Feed
	scope   store.Scope
	past    bool
	ctx     context.Context
	stop    context.CancelFunc
	ready   chan struct{} // closed when the picture is there, or err
	refs    int           // under Feed.mu
	lingers *time.Timer   // under Feed.mu: runs while nobody listens

	mu       sync.Mutex
	begun    bool // the picture is there
	picture  picture
	revision uint64
	present  uint64 // up to there, what comes in is the past
	log      *log   // nil until somebody wants records
	err      error
	changed  chan struct{} // closed, and replaced, at every change
	readers  map[*place]struct{}
	moved    chan struct{} // closed, and replaced, when one of them has read
	snapshot *snapshot
}

// snapshot is what the encoder made of the picture, for some moments.
type snapshot struct {
	Record
	at time.Time
}

func newHub(f *Feed, scope store.Scope, after uint64) *hub {
	h := &hub{
		feed:    f,
		scope:   scope,
		past:    after != 0,
		ready:   make(chan struct{}),
		changed: make(chan struct{}),
		readers: make(map[*place]struct{}),
		moved:   make(chan struct{}),
	}
	h.ctx, h.stop = context.WithCancel(f.ctx)
	if h.past {
		h.log = &log{revision: after}
	}
	return h
}

// run follows the scope until its end. Whatever breaks that, it goes on from where
// it was; where etcd does not know any more what came then, it ends, and so do those
// who listen.
func (h *hub) run(after uint64) {
	start := h.start
	for wait := time.Duration(0); backoff.Sleep(h.ctx, wait); wait = backoff.Next(wait) {
		began := time.Now()
		err := h.feed.observer.Observe(h.ctx, h.scope, after, start, h.apply)
		if h.ctx.Err() != nil {
			break
		}
		h.mu.Lock()
		begun, now := h.begun, h.revision
		h.mu.Unlock()
		if !begun || errors.Is(err, store.ErrCompacted) || errors.Is(err, store.ErrClosed) {
			h.fail(err)
			return
		}
		h.feed.logger.Debug("listening again", zap.Error(err))
		start, after = nil, now
		if time.Since(began) > 2*backoff.Max {
			wait = 0
		}
	}
	h.fail(store.ErrClosed)
}

// fail ends the hub.
func (h *hub) fail(err error) {
	h.feed.drop(h)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return
	}
	h.err = err
	if !h.begun {
		close(h.ready)
	}
	h.tell()
}

// tell has those look again who wait for a change.
func (h *hub) tell() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// start is told how everything was in the beginning.
func (h *hub) start(revision uint64, queues []store.Queue) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.picture.reset(time.Now(), queues)
	h.revision, h.present, h.begun = revision, h.feed.observer.Revision(), true
	close(h.ready)
}

// apply is told what has changed at a revision.
func (h *hub) apply(revision uint64, changes []store.Change) {
	h.awaitReaders()
	h.mu.Lock()
	defer h.mu.Unlock()
	news := h.news(revision, changes)
	h.revision, h.snapshot = revision, nil
	if h.log != nil {
		if len(changes) > atOnce {
			news = []entry{{Record: h.state(), revision: revision}}
		}
		h.log.append(news)
	}
	h.tell()
}

// atOnce is how many changes of one revision are told one by one. With more, as when a
// gateway goes for which thousands wait, it is told how everything is then: each of
// so many records would have most of the others in it.
const atOnce = 256

// news are the records of a revision.
func (h *hub) news(revision uint64, changes []store.Change) []entry {
	now, again := time.Now(), revision == h.revision
	var news []entry
	for _, c := range changes {
		kind, e, ok := h.picture.apply(now, c)
		if !ok || h.log == nil || len(changes) > atOnce {
			continue
		}
		text := h.feed.encoder.Event(Event{Kind: kind, Entry: e, Queue: h.picture.view(now, c.Queue)})
		record := Record{ID: revision - 1, Text: text}
		if again {
			record.ID = revision // which has been told
		}
		news = append(news, entry{record, revision, again})
	}
	if n := len(news); n > 0 {
		news[n-1].ID = revision
	}
	return news
}

// awaitReaders holds back a past that comes in faster than it is read. It gives up
// on readers that do not read at all. What comes in after the past is not held back.
func (h *hub) awaitReaders() {
	if !h.past {
		return
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		h.mu.Lock()
		wait, moved := h.revision < h.present && h.log.filling() && h.behind(), h.moved
		h.mu.Unlock()
		if !wait {
			return
		}
		select {
		case <-moved:
		case <-limit.C:
			return
		case <-h.ctx.Done():
			return
		}
	}
}

// patience is how long a reader may keep the others' past from coming in.
const patience = 10 * time.Second

// behind says that some reader would lose something soon.
func (h *hub) behind() bool {
	for p := range h.readers {
		if p.next >= h.log.first && p.next < h.log.first+uint64(len(h.log.records)/2) {
			return true
		}
	}
	return false
}

// state returns how everything is now, encoded.
func (h *hub) state() Record {
	now := time.Now()
	if h.snapshot == nil || now.Sub(h.snapshot.at) > 100*time.Millisecond {
		text := h.feed.encoder.State(h.scope, h.queues(now))
		h.snapshot = &snapshot{Record{ID: h.revision, Text: text}, now}
	}
	return h.snapshot.Record
}

// queues are the one of the scope, if that is one, or all.
func (h *hub) queues(now time.Time) []store.Queue {
	if h.scope.Prefix {
		return h.picture.all(now)
	}
	return []store.Queue{h.picture.view(now, h.scope.Name)}
}
