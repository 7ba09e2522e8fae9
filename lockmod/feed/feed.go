// Package feed tells what happens to queues to any number of listeners. Those who
// listen to one scope share one watch in etcd, what is told is encoded once for all
// of them, and nothing is kept for one that does not read.
package feed

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Feed is everything that is listened to on one gateway in one space.
type Feed struct {
	observer observer
	space    string
	encoder  Encoder
	logger   *zap.Logger

	mu     sync.Mutex
	hubs   map[store.Scope][]*hub // the one that began with the present stands first
	closed bool

	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup
}

// observer is what a feed needs of a store.
type observer interface {
	store.Observer
	Revision() uint64
}

// New returns a feed of the queues in space. The caller closes it before the store.
func New(o observer, space string, encoder Encoder, logger *zap.Logger) *Feed {
	ctx, stop := context.WithCancel(context.Background())
	return &Feed{
		observer: o,
		space:    space,
		encoder:  encoder,
		logger:   logger,
		hubs:     make(map[store.Scope][]*hub),
		ctx:      ctx,
		stop:     stop,
	}
}

// Close ends everything: listeners get store.ErrClosed. It waits for that until ctx
// ends.
func (f *Feed) Close(ctx context.Context) {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stop()
	done := make(chan struct{})
	go func() {
		f.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// lingering is how long a hub stays when nobody listens any more, for those who ask
// again and again.
const lingering = 5 * time.Second

// take returns a hub with a reference: one that suits, or a new one. A hub that
// suits has the present, if after is 0, or else what came after that revision;
// certain, if it has itself begun there.
func (f *Feed) take(scope store.Scope, after uint64, certain bool) (*hub, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, store.ErrClosed
	}
	for _, h := range f.hubs[scope] {
		if after == 0 && !h.past || after != 0 && h.knows(after, certain) {
			f.ref(h)
			return h, nil
		}
	}
	h := newHub(f, scope, after)
	h.refs = 1
	at := len(f.hubs[scope])
	if after == 0 {
		at = 0
	}
	f.hubs[scope] = slices.Insert(f.hubs[scope], at, h)
	f.work.Go(func() {
		defer h.stop()
		h.run(after)
	})
	return h, nil
}

// other returns another hub than h which knows what came after a revision, with a
// reference, or nil. It is called by those who have heard all that h knows.
func (f *Feed) other(h *hub, after uint64) *hub {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.hubs[h.scope] {
		if o == h {
			return nil // those before it are better, those behind are not
		}
		if o.knows(after, false) {
			f.ref(o)
			return o
		}
	}
	return nil
}

// knows says whether a hub has the records of all that came after a revision;
// certain, if it has begun there.
func (h *hub) knows(after uint64, certain bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err == nil && h.log != nil && (h.log.revision == after || h.log.revision < after && !certain)
}

func (f *Feed) ref(h *hub) {
	h.refs++
	if h.lingers != nil {
		h.lingers.Stop()
		h.lingers = nil
	}
}

// giveBack gives a reference back.
func (f *Feed) giveBack(h *hub) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.refs--; h.refs > 0 {
		return
	}
	if h.past {
		f.forget(h)
		h.stop()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(lingering, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if h.lingers == timer {
			f.forget(h)
			h.stop()
		}
	})
	h.lingers = timer
}

// drop takes a hub that can't go on out of the way of new listeners.
func (f *Feed) drop(h *hub) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(h)
}

func (f *Feed) forget(h *hub) {
	list := slices.DeleteFunc(f.hubs[h.scope], func(x *hub) bool { return x == h })
	if len(list) == 0 {
		delete(f.hubs, h.scope)
		return
	}
	f.hubs[h.scope] = list
}
