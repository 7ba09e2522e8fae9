package lockmod

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/lockmod/backoff"
	"github.com/caddy-etcd/caddy-etcd/lockmod/queue"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// line is what this gateway has to do with one lock: the places that its
// requests have in the queue, and, while some of them wait, a mirror of the
// queue. Everything in it is under mu; what takes time (etcd) is done without.
type line struct {
	s    *Service
	key  store.Key
	refs int // under Service.mu: requests, places, and the mirror

	mu     sync.Mutex
	places map[*place]struct{}
	named  map[string]*place // those that the mirror looks out for, by the entry's name
	valued map[string]*place // those with a value, until they are done
	closed bool

	joining int // places that are

	mirror *mirror // nil while nobody waits
}

// mirror follows the queue in etcd: one listing, then one watch.
type mirror struct {
	queue  *queue.Queue[store.Entry]
	stop   context.CancelFunc
	relist context.CancelFunc // breaks the watch, so that the queue is listed anew
	linger *time.Timer        // runs while nobody waits
}

// lingering is how long a mirror stays when nobody waits any more: where requests
// come and go, the next one finds it up to date.
const lingering = time.Second

func newLine(s *Service, key string) *line {
	return &line{
		s:      s,
		key:    s.key(key),
		places: make(map[*place]struct{}),
		named:  make(map[string]*place),
		valued: make(map[string]*place),
	}
}

// enter gives the request a place: the one with its value, or a new one. If that one
// can't be entered now, the request gets a place when that one is done.
func (l *line) enter(w *waiter) {
	r := w.request
	switch p := l.valued[r.Value]; {
	case l.closed:
		w.give(answer{err: ErrStopping})
	case !r.HasValue || p == nil:
		p = newPlace(l, r)
		w.place = p
		p.waiters = append(p.waiters, w)
		l.places[p] = struct{}{}
		if r.HasValue {
			l.valued[r.Value] = p
		}
		l.s.ref(l)
		l.joining++
		p.join()
	case p.admit(w):
		w.place = p
	default:
		p.after = append(p.after, w)
		w.behind = p
		if w.entered == nil {
			w.entered = make(chan struct{})
		}
		return
	}
	w.behind = nil
	if w.entered != nil {
		close(w.entered)
	}
}

// skip takes out a request that does not wait for a place any more; false if it has one,
// or its answer.
func (l *line) skip(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.behind == nil {
		return false
	}
	w.behind.after = slices.DeleteFunc(w.behind.after, func(x *waiter) bool { return x == w })
	return true
}

// leave takes a request that waits no longer out of its place. If it had been
// answered before that, that is the answer.
func (l *line) leave(w *waiter) (answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case a := <-w.answer:
		return a, true
	default:
	}
	w.place.remove(w)
	return answer{}, false
}

// act does what the queue asks for.
func (l *line) act(effects []queue.Effect[store.Entry]) {
	for _, effect := range effects {
		p := l.named[effect.Item.Name]
		if p == nil {
			continue
		}
		switch effect.Kind {
		case queue.Grant:
			ahead := store.Ahead{Name: effect.AheadName, Index: effect.AheadIndex, Waiting: effect.Behind}
			p.grant(p.entry, ahead) // it is what the mirror has, and knows of a lost grant
		case queue.Gone:
			p.gone()
		}
	}
}

// expect has the mirror look out for the place's entry.
func (l *line) expect(p *place) {
	l.named[p.entry.Name] = p
	m := l.mirror
	if m == nil {
		ctx, stop := context.WithCancel(l.s.ctx)
		m = &mirror{queue: queue.New[store.Entry](), stop: stop, relist: func() {}}
		l.mirror = m
		l.s.ref(l)
		go func() {
			defer l.s.unref(l)
			l.follow(ctx, m)
		}()
	}
	if m.linger != nil {
		m.linger.Stop()
		m.linger = nil
	}
	l.act(m.queue.Wait(p.entry.Name, p.entry.Index))
}

// forget is the opposite of expect.
func (l *line) forget(p *place) {
	if l.named[p.entry.Name] != p {
		return
	}
	delete(l.named, p.entry.Name)
	m := l.mirror
	if m == nil {
		return
	}
	m.queue.Forget(p.entry.Name)
	if len(l.named) == 0 && m.linger == nil {
		m.linger = time.AfterFunc(lingering, func() { l.unfollow(m) })
	}
}

// unfollow ends a mirror that nobody has needed for a while.
func (l *line) unfollow(m *mirror) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mirror == m && len(l.named) == 0 {
		m.stop()
		l.mirror = nil
	}
}

// follow keeps the mirror like the queue in etcd until ctx ends. Whatever breaks
// it, the queue is listed anew and compared, so no change is lost (I5).
func (l *line) follow(ctx context.Context, m *mirror) {
	for wait := time.Duration(0); backoff.Sleep(ctx, wait); {
		watch, relist := context.WithCancel(ctx)
		listing, err := l.s.store.List(ctx, l.key, 0)
		if err != nil {
			relist()
			wait = backoff.Next(wait)
			continue
		}
		wait = 0
		l.reflect(m, func() []queue.Effect[store.Entry] {
			m.relist = relist
			for _, e := range listing.Entries {
				l.refresh(e)
			}
			return m.queue.Reset(listing.Revision, items(listing.Entries))
		})
		err = l.s.store.Watch(watch, l.key, listing.Revision, func(revision uint64, events []store.Event) {
			l.reflect(m, func() []queue.Effect[store.Entry] {
				for _, e := range events {
					if !e.Deleted {
						l.refresh(e.Entry)
					}
				}
				return m.queue.Apply(revision, changes(events))
			})
		})
		relist()
		if err != nil {
			wait = backoff.Next(wait)
		}
	}
}

// refresh gives the entry's place what the mirror has, so that the place knows
// the newest state of it, and there is one copy.
func (l *line) refresh(e store.Entry) {
	if p := l.named[e.Name]; p != nil && p.entry.Index == e.Index {
		p.entry = e
	}
}

// reflect has the queue see something, unless another mirror has taken over.
func (l *line) reflect(m *mirror, see func() []queue.Effect[store.Entry]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mirror == m {
		l.act(see())
	}
}

// successor prepares a release: it adds what the mirror knows of the entry to t,
// and if it is the holder and a place of this gateway comes next, that one's
// grant goes into the same write. Then the caller owes a call of succeed.
func (l *line) successor(t store.Target) (store.Target, *store.Successor, *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mirror == nil || l.closed {
		return t, nil, nil
	}
	q := l.mirror.queue
	index := t.Index
	if index == 0 {
		head, ok := q.Head()
		if !ok || !head.Data.HasValue || head.Data.Value != t.Value {
			return t, nil, nil
		}
		index = head.Index
	}
	if holder, next, ok := q.Successor(index); ok {
		t.Hint = &holder.Data
		if p := l.named[next.Name]; p.begin() {
			return t, &store.Successor{Entry: next.Data, TTL: p.ttl()}, p
		}
		return t, nil, nil
	}
	if it, ok := q.Find(index); ok {
		t.Hint = &it.Data
	}
	return t, nil, nil
}

// succeed goes on with the place that a release was to make the holder; granted
// is nil if it did not.
func (l *line) succeed(p *place, granted *store.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if granted == nil {
		p.retry(0)
		return
	}
	p.entry = *granted
	go p.doGrant(*granted, store.Ahead{})
}

// close answers everybody who waits with ErrStopping.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if m := l.mirror; m != nil {
		m.stop()
		if m.linger != nil {
			m.linger.Stop()
		}
		l.mirror = nil
	}
	for p := range l.places {
		p.close()
	}
}

func items(entries []store.Entry) []queue.Item[store.Entry] {
	items := make([]queue.Item[store.Entry], len(entries))
	for i, e := range entries {
		items[i] = item(e)
	}
	return items
}

func item(e store.Entry) queue.Item[store.Entry] {
	return queue.Item[store.Entry]{Name: e.Name, Index: e.Index, Held: e.Held, Data: e}
}

func changes(events []store.Event) []queue.Change[store.Entry] {
	changes := make([]queue.Change[store.Entry], len(events))
	for i, e := range events {
		changes[i] = queue.Change[store.Entry]{Item: item(e.Entry), Deleted: e.Deleted}
	}
	return changes
}
