package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// everything is the scope that the tests' queues are in.
var everything = store.Scope{Space: "lock", Prefix: true}

// exactly is the scope of one queue.
func exactly(key store.Key) store.Scope { return store.Scope{Space: key.Space, Name: key.Name} }

// at is the same gateway, for a queue of another name.
func (g gateway) at(name string) gateway {
	f := *g.f
	f.key.Name = name
	return gateway{g.Store, &f}
}

// call is one call of an observer's apply.
type call struct {
	revision uint64
	changes  []store.Change
	at       time.Time
	after    picture // what the changes up to it lead to
}

// observer runs an Observe and keeps what it is told.
type observer struct {
	f     *fixture
	scope store.Scope
	stop  context.CancelFunc
	done  chan struct{} // closed when Observe has returned, with err
	err   error

	applying atomic.Int32
	noStart  bool // nobody asked for it
	lenient  bool // what is known may be newer than where the observer begins

	mu    sync.Mutex
	began bool // start has been called
	from  uint64
	first picture
	calls []call
	wrong error // the first breach of the contract by a call
}

// observe starts an Observe, which ends with the test.
func (f *fixture) observe(g gateway, scope store.Scope, after uint64) *observer {
	f.Helper()
	o := &observer{f: f, scope: scope}
	o.run(g, after, func(revision uint64, queues []store.Queue) { o.start(after, revision, queues) })
	return o
}

// observeFrom starts an Observe without asking what was there at the revision,
// which the test knows.
func (f *fixture) observeFrom(g gateway, scope store.Scope, after uint64, known picture) *observer {
	f.Helper()
	o := &observer{f: f, scope: scope, noStart: true, from: after, first: known}
	o.run(g, after, nil)
	return o
}

func (o *observer) run(g gateway, after uint64, start func(uint64, []store.Queue)) {
	o.f.Helper()
	var ctx context.Context
	ctx, o.stop = context.WithCancel(context.Background())
	o.done = make(chan struct{})
	looks := g.Store
	go func() {
		defer close(o.done)
		o.err = looks.Observe(ctx, o.scope, after, start, o.apply)
	}()
	o.f.Cleanup(func() {
		o.stop()
		_ = o.wait()
	})
}

func (o *observer) breach(format string, args ...any) {
	o.wrong = cmp.Or(o.wrong, fmt.Errorf(format, args...))
}

// enter is the beginning of each call; it returns the end.
func (o *observer) enter() func() {
	overlap := o.applying.Add(1) > 1
	o.mu.Lock()
	if overlap {
		o.breach("calls of start and apply overlap")
	}
	return func() {
		o.mu.Unlock()
		o.applying.Add(-1)
	}
}

func (o *observer) start(after, revision uint64, queues []store.Queue) {
	defer o.enter()()
	if o.began || len(o.calls) > 0 {
		o.breach("start is called again, or after apply")
	}
	if revision == 0 || after != 0 && revision != after {
		o.breach("observing after %d starts at %d", after, revision)
	}
	for i, q := range queues {
		if !o.scope.Has(q.Name) || len(q.Entries) == 0 || slices.ContainsFunc(queues[:i], func(x store.Queue) bool { return x.Name == q.Name }) {
			o.breach("start shows queue %.40q, which is empty, or not in the scope, or there twice", q.Name)
		}
		for j, e := range q.Entries {
			if e.Name == "" || e.Index == 0 || e.Index > revision || j > 0 && e.Index <= q.Entries[j-1].Index || !e.Held && (e.Left != 0 || e.TTL != 0) {
				o.breach("at %d start shows, out of order or as it can't be:\n%s", revision, describeAll(q.Entries))
			}
		}
	}
	o.began, o.from, o.first = true, revision, pictureOf(queues)
}

func (o *observer) apply(revision uint64, changes []store.Change) {
	defer o.enter()()
	if !o.began && !o.noStart {
		o.breach("apply is called before start")
	}
	last, before := o.from, o.first
	if n := len(o.calls); n > 0 {
		last, before = o.calls[n-1].revision, o.calls[n-1].after
	}
	unnumbered := !slices.ContainsFunc(changes, func(c store.Change) bool {
		old, there := before.find(c.Queue, c.Entry.Name)
		corrects := !c.Deleted && c.Entry.Held && (o.lenient || there && old.Held && old.Index == c.Entry.Index)
		return !c.Renewed && !corrects
	})
	if revision < last || revision == last && !unnumbered && revision != 0 {
		o.breach("after %d, revision %d: %+v", last, revision, changes)
	}
	for i, c := range changes {
		if c.Deleted && i > 0 && !changes[i-1].Deleted {
			o.breach("revision %d does not delete first: %+v", revision, changes)
		}
		if wrong := o.check(before, revision, c); wrong != "" && !o.lenient {
			o.breach("revision %d: %s: %+v, from\n%v", revision, wrong, c, before)
		}
	}
	o.calls = append(o.calls, call{revision, slices.Clone(changes), time.Now(), before.apply(changes...)})
}

// check says what is wrong with a change, from what was there before the call.
func (o *observer) check(before picture, revision uint64, c store.Change) string {
	old, there := before.find(c.Queue, c.Entry.Name)
	e := c.Entry
	switch {
	case !o.scope.Has(c.Queue):
		return "out of scope"
	case e.Name == "":
		return "no name"
	case c.Deleted && !there:
		return "was not there"
	case c.Deleted && e.Index != 0 && e.Index != old.Index:
		return "has another index"
	case c.Deleted && (e.HasValue || e.Value != "" || e.Held || e.TTL != 0 || e.Left != 0):
		return "is deleted, and yet something"
	case c.Deleted && c.Renewed, !c.Deleted && c.Expired:
		return "both there and gone"
	case c.Deleted:
		return ""
	case e.Index == 0:
		return "no index"
	case (!there || old.Index != e.Index) && e.Index != revision:
		return "was not made at this revision"
	case c.Renewed && !(there && old.Held && e.Held):
		return "is renewed, but was not held"
	case e.Left < 0, !e.Held && (e.Left != 0 || e.TTL != 0):
		return "can't have that left"
	case e.Left != e.Left.Truncate(time.Second):
		return "left is not in whole seconds"
	}
	return ""
}

// wait waits until Observe has returned.
func (o *observer) wait() error {
	select {
	case <-o.done:
	case <-time.After(patience):
		o.f.Errorf("Observe has not returned %v after it should have ended", patience)
		return nil
	}
	return o.err
}

// seen is what the observer has been told up to now: all calls of apply.
func (o *observer) seen() []call {
	o.f.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wrong != nil {
		o.f.Fatal(o.wrong)
	}
	return slices.Clone(o.calls)
}

// begin waits until start has been called, and returns what it was told.
func (o *observer) begin() (uint64, picture) {
	o.f.Helper()
	o.f.eventually(patience, "the observer was told how it begins", func() bool {
		o.seen()
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.began || o.noStart
	})
	return o.from, o.first
}

// now is what the observer has been told up to now leads to, and the revision of
// the last call.
func (o *observer) now() (uint64, picture) {
	o.f.Helper()
	o.begin()
	if calls := o.seen(); len(calls) > 0 {
		last := calls[len(calls)-1]
		return last.revision, last.after
	}
	return o.from, o.first
}

// until polls until what the observer has been told leads to that.
func (o *observer) until(want picture) {
	o.f.Helper()
	var now picture
	found := false
	defer func() {
		if !found {
			o.f.Logf("the changes lead to\n%vand not to\n%v", now, want)
		}
	}()
	o.f.eventually(patience, "the observer saw all changes", func() bool {
		_, now = o.now()
		found = o.f.same(now, want)
		return found
	})
}

// untilChange polls until the observer has been told of a change that fits, and
// returns the first.
func (o *observer) untilChange(within time.Duration, what string, fits func(store.Change) bool) (store.Change, call) {
	o.f.Helper()
	var found store.Change
	var in call
	o.f.eventually(within, "the observer saw "+what, func() bool {
		for _, in = range o.seen() {
			if i := slices.IndexFunc(in.changes, fits); i >= 0 {
				found = in.changes[i]
				return true
			}
		}
		return false
	})
	return found, in
}

// untilGone polls until the observer has seen e deleted.
func (o *observer) untilGone(within time.Duration, queue string, e store.Entry) (store.Change, call) {
	o.f.Helper()
	return o.untilChange(within, "that "+describe(e)+" is gone", func(c store.Change) bool {
		return c.Deleted && c.Queue == queue && c.Entry.Name == e.Name && (c.Entry.Index == e.Index || c.Entry.Index == 0)
	})
}
