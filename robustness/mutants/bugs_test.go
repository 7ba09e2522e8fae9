package mutants

// bug is a bug of the old modules, or one of its faces, as a change of this project's code.
type bug struct {
	name  string
	edits []edit
	tls   bool     // the gateways are asked over HTTPS
	by    []string // the checks that have to find it: an invariant, or the model
}

// edit is a change of one file: one place in it becomes another.
type edit struct{ file, old, new string }

const (
	queueFile   = "lockmod/queue/queue.go"
	acquireFile = "store/memstore/acquire.go"
	grantFile   = "store/memstore/grant.go"
	byModel     = "model"
)

// grantsAnybody is the store without its check that who gets the lock is the head.
var grantsAnybody = edit{grantFile, `	case !e.held && q.entries[0] != e:
		return store.Entry{}, store.ErrNotHead
`, ""}

// grantsNothing is the store without its check that there is an entry.
var grantsNothing = edit{grantFile, `	case e == nil:
		return store.Entry{}, store.ErrNotFound
`, `	case e == nil:
		of.Held, of.TTL, of.Left = true, ttl, ttl
		return of, nil
`}

// bugs are the nine kinds that the old modules had, by their numbers, and one more.
var bugs = []bug{
	{
		name: "1: any event on the entry ahead grants the lock",
		edits: []edit{
			{queueFile, `	for _, c := range changes {
		effects = q.check(effects, c.Item.Name)
	}
`, `	for _, c := range changes {
		effects = q.check(effects, c.Item.Name)
		if el := q.byName[c.Item.Name]; el != nil && el.Next() != nil {
			next := item[T](el.Next())
			if w := q.waits[next.Name]; w != nil && !w.asked {
				w.asked = true
				effects = append(effects, Effect[T]{Kind: Grant, Item: *next})
			}
		}
	}
`},
			grantsAnybody,
		},
		by: []string{"I1", byModel},
	},
	{
		name: "2: an entry that is gone is granted",
		edits: []edit{
			{queueFile, `	return append(effects, Effect[T]{Kind: Gone, Item: last})
`, `	return append(effects, Effect[T]{Kind: Grant, Item: last})
`},
			grantsNothing,
		},
		by: []string{"I2", byModel},
	},
	{
		name: "3: entries run out while they wait",
		edits: []edit{{acquireFile, `		e.waiting[s] = struct{}{}
	}
	t.put(q, e)
`, `		e.waiting[s] = struct{}{}
		time.AfterFunc(a.TTL, func() {
			s.cluster.mu.Lock()
			defer s.cluster.mu.Unlock()
			if q.has(e) && !e.held {
				t := s.cluster.begin()
				t.delete(q, e, abandoned)
				t.commit()
			}
		})
	}
	t.put(q, e)
`}, {acquireFile, `	"fmt"
`, `	"fmt"
	"time"
`}},
		by: []string{"410"},
	},
	{
		name: "4: a request whose time is over gets the index of its deleted entry",
		edits: []edit{{"lockmod/service.go", `	return nil, s.timedOut(ctx, w.place)
`, `	if err := s.timedOut(ctx, w.place); !errors.Is(err, ErrNotAcquired) {
		return nil, err
	}
	return &Hold{Entry: w.place.entry, settle: func(bool) {}}, nil
`}},
		by: []string{"I1", byModel},
	},
	{
		name: "4: a request that was cancelled gets the index of its deleted entry",
		edits: []edit{{"lockmod/place.go", `	p.fail(ErrCancelled)
	p.finish()
`, `	for _, w := range p.waiters {
		w.give(answer{hold: &Hold{Entry: p.entry, settle: func(bool) {}}})
	}
	p.waiters = nil
	p.finish()
`}},
		by: []string{"I2", byModel},
	},
	{
		name: "5: timeout=0 waits",
		edits: []edit{
			{"lockmod/service.go", `try: r.Timeout == 0,`, `try: false,`},
			{"lockmod/place.go", `		wait:     r.Timeout != 0,
`, `		wait:     true,
`},
		},
		by: []string{"timeout"},
	},
	{
		name: "5: two requests with one value make two entries",
		edits: []edit{{acquireFile, `	if a.HasValue {
		name = valuedName(a.Value)
	}
`, `	if _, there := s.cluster.find(key, valuedName(a.Value)); a.HasValue && !there {
		name = valuedName(a.Value)
	}
`}, {acquireFile, `// join makes`, `func (c *Cluster) find(key store.Key, name string) (*entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.queue(key).byName[name]
	return e, ok
}

// join makes`}},
		by: []string{"I7"},
	},
	{
		name: "6: DELETE by value is ignored",
		edits: []edit{{"lockmod/handler.go", `	return c.Release(t)
`, `	if t.Index == 0 {
		return nil
	}
	return c.Release(t)
`}},
		by: []string{"I4"},
	},
	{
		name:  "6: what is unknown is a 500",
		edits: []edit{{"lockmod/errors.go", `	{store.ErrNotFound, Error{http.StatusNotFound, 100,`, `	{store.ErrNotFound, Error{http.StatusInternalServerError, 300,`}},
		by:    []string{"I8"},
	},
	{
		name: "6: keys are not escaped, and a/b sees into a/b/c",
		edits: []edit{{"store/memstore/memstore.go", `	q := c.queues[key]
`, `	key.Name, _, _ = strings.Cut(key.Name, "/")
	q := c.queues[key]
`}, {"store/memstore/memstore.go", `import (
`, `import (
	"strings"
`}},
		by: []string{"I4"},
	},
	{
		name: "7: a watch that falls behind fails its waiters",
		edits: []edit{{"lockmod/line.go", `		relist()
		if err != nil {
			wait = backoff.Next(wait)
		}
`, `		relist()
		if errors.Is(err, store.ErrCompacted) {
			l.mu.Lock()
			for p := range l.places {
				p.fail(err)
			}
			l.mu.Unlock()
		}
`}, {"lockmod/line.go", `	"context"
`, `	"context"
	"errors"
`}},
		by: []string{"I8"},
	},
	{
		name: "7: who waits uses a whole CPU",
		edits: []edit{{"lockmod/line.go", `		wait = 0
		l.reflect(m,`, `		for end := time.Now().Add(time.Second); time.Now().Before(end) && ctx.Err() == nil; {
			_, _ = l.s.store.List(ctx, l.key, 0)
		}
		relist()
		watch, relist = context.WithTimeout(ctx, time.Nanosecond)
		wait = 0
		l.reflect(m,`}},
		by: []string{"CPU"},
	},
	{
		name: "8: elections ask the lock over HTTP, with TLS or not",
		edits: []edit{{"lockmod/front.go", `	method := r.Method
	if method == http.MethodHead {
`, `	if strings.Contains(r.URL.Path, "/leader/") {
		resp, err := http.Get("http://" + r.Host + Prefix + "x")
		if err != nil || resp.StatusCode != http.StatusOK {
			f.fail(w, r, unexpected, "Set")
			return nil
		}
		_ = resp.Body.Close()
	}
	method := r.Method
	if method == http.MethodHead {
`}},
		tls: true,
		by:  []string{"I8"},
	},
	{
		name: "9: a lock without a value has no - once it is granted",
		edits: []edit{{"lockmod/view.go", `	if !e.HasValue {
		return "-"
`, `	if !e.HasValue {
		if e.Held {
			return ""
		}
		return "-"
`}},
		by: []string{byModel},
	},
	{
		name: "renewals do nothing",
		edits: []edit{{"store/memstore/release.go", `	t.hold(q, e, ttl)
	if changed {
`, `	if changed {
`}, {"store/memstore/acquire.go", `		s.claim(e)
		t.hold(q, e, a.TTL)
		if`, `		s.claim(e)
		if`}},
		by: []string{"I1", byModel},
	},
}
