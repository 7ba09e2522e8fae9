package etcdv3

import (
	"context"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// presence is an entry that was held when its observer began, and what was left
// then. What is told of the time before, is told with what is left now.
type presence struct {
	entry store.Entry
	look  look
}

// lookAround looks at everything that is held now. When it returns, each of the
// holds has had its first keepalive: who renews one from now on will have renewed
// it.
func (o *observer) lookAround(ctx context.Context, now []found) error {
	var held []found
	for _, f := range now {
		if f.entry.Held {
			held = append(held, f)
		}
	}
	if len(held) > 0 && !pause(ctx, listedSettling) {
		return ctx.Err()
	}
	looks := make([]look, len(held))
	err := each(ctx, len(held), func(ctx context.Context, i int) (err error) {
		looks[i], err = o.s.lookAt(ctx, refOf(held[i].entry).lease)
		return err
	})
	for i, f := range held {
		o.present[f.key()] = presence{f.entry, looks[i]}
	}
	return err
}

// leftNow is what is left of an entry that was there in the past: nothing if it has
// gone since.
func (o *observer) leftNow(key string, e store.Entry) time.Duration {
	if p, ok := o.present[key]; ok && p.entry.Index == e.Index {
		return expected(p.look).left(time.Now())
	}
	return 0
}

// expected is what to expect of an entry that was there in the past.
func (o *observer) expected(key string, e store.Entry) expectation {
	if p, ok := o.present[key]; ok && p.entry.Index == e.Index && refOf(p.entry).lease == refOf(e).lease {
		return expected(p.look)
	}
	return expectation{}
}

// add adds an entry that was there when the observer began.
func (o *observer) add(f found) {
	key := f.key()
	o.entries[key] = known{f.place, f.entry.Index}
	if f.entry.Held {
		o.holds[key] = &hold{place: f.place, key: key, entry: f.entry, expect: o.expected(key, f.entry)}
	}
}
