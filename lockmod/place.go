package lockmod

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/lockmod/backoff"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// place is an entry in etcd that requests on this gateway wait for: one, or all
// those with one value. While it waits it costs no goroutine; what it does in
// etcd runs in one of its own, so that a request that goes away does not take
// the others' place with it. Everything is under line.mu.
type place struct {
	line     *line
	value    string
	hasValue bool
	wait     bool // some request in it may wait; else all take the lock at once or not at all

	state   state
	busy    bool // in granting: a call to etcd is under way, and goes on when it returns
	missing bool // in granting: the mirror says that the entry is gone
	late    bool // a request came in while a call to etcd was under way: its TTL may have begun before that
	sealed  bool // in granting: during this call no more requests may come in, so that those that have are answered
	renewed bool // the hold is an older one, that somebody has been told of
	lostIt  bool // in joining: it had an entry, and finds out why that is gone
	tries   time.Duration

	entry   store.Entry
	waiters []*waiter
	after   []*waiter // requests with this value that could not be admitted yet: they are the next, in this order

	// While delivering:
	pending int  // requests that have not said yet whether they told their clients
	told    bool // one of them has

	err  error         // why it never was in the queue
	done chan struct{} // closed at the end: nothing of it is left in etcd, or it was told
}

type state int

const (
	joining    state = iota // its entry is being made, or found
	waiting                 // its entry waits
	granting                // its entry is the head, or held
	delivering              // its requests have been answered, and tell their clients
	ending                  // nobody waits for it: it is being withdrawn
	ended
)

// waiter is a request in a place.
type waiter struct {
	line    *line
	request Request
	try     bool // does not wait
	answer  chan answer

	place   *place        // under line.mu
	behind  *place        // what has to be done before it gets a place, or nil; under line.mu
	entered chan struct{} // closed when it is behind none; nil if it never was
	timer   *time.Timer   // nil if it waits without end
	timeout <-chan time.Time
}

type answer struct {
	hold *Hold
	err  error
}

func (w *waiter) give(a answer) { w.answer <- a }

func newPlace(l *line, r Request) *place {
	return &place{
		line:     l,
		value:    r.Value,
		hasValue: r.HasValue,
		wait:     r.Timeout != 0,
		done:     make(chan struct{}),
	}
}

// admit lets one more request in, or refuses it at once, or returns false: it
// has to wait until the place is done.
func (p *place) admit(w *waiter) bool {
	switch {
	case p.state > granting, p.sealed, p.lostIt, len(p.waiters) == 0, p.state == joining && !p.wait && !w.try,
		w.try && p.state == granting && p.entry.Held: // it has what it asks for, as soon as somebody has been told
		return false
	case w.try && p.state != joining:
		w.give(answer{err: ErrNotAcquired})
	default:
		p.waiters = append(p.waiters, w)
		p.late = p.late || p.state == joining || p.busy
	}
	return true
}

// readmit is for those who could not be admitted: they get a place now, this one or another,
// or wait on.
func (p *place) readmit() {
	after := p.after
	p.after = nil
	for _, w := range after {
		p.line.enter(w)
	}
}

// remove takes a request out. When it was the last one, the place ends; where a
// call to etcd is under way, when that returns.
func (p *place) remove(w *waiter) {
	p.waiters = slices.DeleteFunc(p.waiters, func(x *waiter) bool { return x == w })
	if len(p.waiters) == 0 && (p.state == waiting || p.state == granting && !p.busy) {
		p.end()
	}
}

// failure is why the place never was in the queue, or nil.
func (p *place) failure() error {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return p.err
}

// stays says whether somebody still waits here.
func (p *place) stays() bool {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	return len(p.waiters) > 0
}

// ttl is the longest that a request in the place asked for.
func (p *place) ttl() time.Duration {
	var ttl time.Duration
	for _, w := range p.waiters {
		ttl = max(ttl, w.request.TTL)
	}
	return max(ttl, time.Second)
}

// ttlFromNow is the ttl for a call to etcd that begins now, and so is long enough for all
// requests that are here.
func (p *place) ttlFromNow() time.Duration {
	p.late = false
	return p.ttl()
}

// join makes the entry, or finds the one with the value.
func (p *place) join() {
	p.line.s.joins.start(p.line, func(late bool) bool {
		got, err := p.acquire(late)
		p.line.mu.Lock()
		defer p.line.mu.Unlock()
		p.joined(got, err)
		return answered(err)
	})
}

func (p *place) acquire(late bool) (store.Acquired, error) {
	if late {
		return store.Acquired{}, store.ErrUnavailable
	}
	l := p.line
	l.mu.Lock()
	a := store.Acquire{
		Value:    p.value,
		HasValue: p.hasValue,
		TTL:      p.ttlFromNow(),
		Wait:     p.wait,
		// Somebody of this gateway is before it, or will be.
		Contended: l.joining > 1 || len(l.named) > 0 || l.mirror != nil && l.mirror.queue.Len() > 0,
	}
	l.mu.Unlock()
	return l.s.store.Acquire(l.s.ctx, l.key, a)
}

// answered says whether etcd has answered a request that ended with err.
func answered(err error) bool {
	return !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrUnknown)
}

func (p *place) joined(got store.Acquired, err error) {
	p.line.joining--
	p.lostIt = false
	p.entry = got.Entry
	switch {
	case errors.Is(err, store.ErrTaken):
		p.fail(ErrNotAcquired)
		p.finish()
	case err != nil && got.Entry.Name != "":
		p.fail(err)
		p.end()
	case err != nil:
		p.err = err
		p.fail(err)
		p.finish()
	case got.Entry.Held:
		p.renewed = got.Renewed
		p.held(got.Entry)
	default:
		p.queued()
	}
}

// queued waits for the entry's turn.
func (p *place) queued() {
	p.failTries(ErrNotAcquired)
	if len(p.waiters) == 0 {
		p.end()
		return
	}
	p.state = waiting
	p.readmit()
	p.line.expect(p)
}

// grant has etcd make the entry the holder.
func (p *place) grant(e store.Entry, ahead store.Ahead) {
	if p.state == granting && p.busy {
		return
	}
	p.entry = e
	p.state, p.busy = granting, true
	go p.doGrant(e, ahead)
}

// begin is grant for a caller that does it itself.
func (p *place) begin() bool {
	if p.state != waiting {
		return false
	}
	p.state, p.busy = granting, true
	return true
}

func (p *place) doGrant(e store.Entry, ahead store.Ahead) {
	l := p.line
	l.mu.Lock()
	ttl := p.ttlFromNow()
	l.mu.Unlock()

	granted, err := l.s.store.Grant(l.s.ctx, l.key, e, ahead, ttl)

	l.mu.Lock()
	defer l.mu.Unlock()
	if granted.Name != "" && (err == nil || p.entry.Ref == e.Ref) {
		p.entry = granted // which the mirror has not seen a newer state of
	}
	switch {
	case err == nil && !p.missing:
		p.held(granted)
	case err == nil, errors.Is(err, store.ErrNotFound):
		p.lost()
	case errors.Is(err, store.ErrNotHead):
		l.s.logger.Warn("mirror differs from etcd: listing the queue anew", zap.Error(err))
		if l.mirror != nil {
			l.mirror.relist()
		}
		p.retry(backoff.Min)
	default:
		if p.entry.Held {
			err = fmt.Errorf("%w: it is held, but %v", store.ErrUnknown, err)
		}
		p.failTries(err)
		p.tries = backoff.Next(p.tries)
		p.retry(p.tries)
	}
}

// retry goes on with a grant that did not come about, after a while.
func (p *place) retry(after time.Duration) {
	p.busy, p.sealed = false, false
	switch {
	case len(p.waiters) == 0:
		p.end()
		return
	case p.missing:
		p.lost()
		return
	}
	p.readmit() // the next call is for them too
	if after == 0 {
		p.again()
		return
	}
	time.AfterFunc(after, func() {
		p.line.mu.Lock()
		defer p.line.mu.Unlock()
		p.again()
	})
}

func (p *place) again() {
	l := p.line
	switch {
	case p.state != granting || p.busy:
	case p.entry.Held:
		p.busy = true
		go p.doGrant(p.entry, store.Ahead{})
	case l.mirror != nil && l.named[p.entry.Name] == p:
		p.state = waiting
		l.act(l.mirror.queue.Retry(p.entry.Name))
	}
}

// gone is told by the mirror that the entry is no longer there.
func (p *place) gone() {
	switch {
	case p.state == granting && p.busy:
		p.missing = true // the call that is under way finds out too
	case p.state == waiting, p.state == granting:
		p.lost()
	}
}

// lost finds out why the entry is gone: either its requests have been cancelled, or they
// queue again.
func (p *place) lost() {
	p.line.forget(p)
	p.busy, p.missing, p.late, p.sealed, p.renewed, p.tries = false, false, false, false, false, 0
	p.failTries(ErrNotAcquired)
	if len(p.waiters) == 0 {
		p.finish()
		return
	}
	p.state, p.wait, p.lostIt = joining, true, true
	p.line.joining++
	go p.recover()
}

// recover goes on until etcd has said what has become of the place, however long
// etcd is away (I5).
func (p *place) recover() {
	l := p.line
	l.mu.Lock()
	e := p.entry
	l.mu.Unlock()
	for wait := time.Duration(0); backoff.Sleep(l.s.ctx, wait) && p.stays(); wait = backoff.Next(wait) {
		expired, err := l.s.store.Expired(l.s.ctx, l.key, e)
		if err != nil {
			continue
		}
		if !expired {
			break
		}
		var got store.Acquired
		l.s.joins.call(l, func(late bool) bool {
			got, err = p.acquire(late)
			return answered(err)
		})
		if !answered(err) {
			if got.Entry.Name != "" {
				p.withdraw(got.Entry)
			}
			continue
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		p.joined(got, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.joining--
	p.fail(ErrCancelled)
	p.finish()
}

// held answers the requests: they have the lock.
func (p *place) held(e store.Entry) {
	p.entry, p.busy = e, false
	if len(p.waiters) == 0 {
		p.settled()
		return
	}
	if p.late {
		// For the request that came in meanwhile, the TTL has to begin after it did
		// (I6). Others wait until these have been answered.
		p.state, p.busy, p.sealed = granting, true, true
		go p.doGrant(e, store.Ahead{})
		return
	}
	p.line.forget(p)
	p.state, p.pending, p.told = delivering, len(p.waiters), false
	for _, w := range p.waiters {
		w.give(answer{hold: &Hold{Entry: e, settle: p.settle}})
	}
	p.waiters = nil
}

func (p *place) settle(delivered bool) {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	p.told = p.told || delivered
	if p.pending--; p.pending == 0 {
		p.settled()
	}
}

// settled ends the place: a grant that nobody could be told of is taken back
// (I4).
func (p *place) settled() {
	p.line.forget(p)
	if !p.told {
		p.end()
	} else {
		p.finish()
	}
}

// end withdraws from the entry, in the background, until it is certain (I10). A
// hold that somebody was told of before is not this place's to give up (I1).
func (p *place) end() {
	p.line.forget(p)
	if p.renewed {
		p.finish()
		return
	}
	p.state = ending
	e := p.entry
	go func() {
		p.withdraw(e)
		p.line.mu.Lock()
		defer p.line.mu.Unlock()
		p.finish()
	}()
}

// withdraw gives up this gateway's part in e, however long it takes.
func (p *place) withdraw(e store.Entry) {
	l := p.line
	for wait := time.Duration(0); backoff.Sleep(l.s.ctx, wait); wait = backoff.Next(wait) {
		var err error
		l.s.withdrawals.call(l, func(bool) bool {
			err = l.s.store.Withdraw(l.s.ctx, l.key, e)
			return answered(err)
		})
		if err == nil || errors.Is(err, store.ErrClosed) {
			return
		}
	}
}

// fail answers all requests with an error.
func (p *place) fail(err error) {
	for _, w := range p.waiters {
		w.give(answer{err: err})
	}
	p.waiters = nil
}

// failTries answers the requests that do not wait, where the others have to.
func (p *place) failTries(err error) {
	p.waiters = slices.DeleteFunc(p.waiters, func(w *waiter) bool {
		if w.try {
			w.give(answer{err: err})
		}
		return w.try
	})
}

// finish is the end of the place.
func (p *place) finish() {
	l := p.line
	p.state = ended
	delete(l.places, p)
	if p.hasValue && l.valued[p.value] == p {
		delete(l.valued, p.value)
	}
	p.readmit()
	close(p.done)
	l.s.unref(l)
}

// close answers all requests: the gateway is stopping. An entry that waits goes
// with the store's session; what is under way in etcd ends the place when it
// returns.
func (p *place) close() {
	p.fail(ErrStopping)
	if p.state == waiting || p.state == granting && !p.busy {
		p.line.forget(p)
		p.finish()
	}
}
