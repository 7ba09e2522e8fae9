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

// lookAround looks at everything that is held now.
func (o *observer) lookAround(ctx context.Context, now []found) error {
	var held []found
	for _, f := range now {
		if f.entry.Held {
			held = append(held, f)
		}
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

// ends is when an entry that was there in the past ends at the latest, if that is
// known.
func (o *observer) ends(key string, e store.Entry) time.Time {
	if p, ok := o.present[key]; ok && p.entry.Index == e.Index {
		return expected(p.look).most
	}
	return time.Time{}
}

// unknown is what to expect of a hold that was there before: nothing, until it has
// been looked at after it has had its first keepalive.
func (o *observer) unknown() expectation { return expectation{since: o.began.Add(listedSettling)} }

// add adds an entry that was there when the observer began.
func (o *observer) add(f found) {
	key := f.key()
	o.indices[key] = f.entry.Index
	if f.entry.Held {
		o.holds[key] = &hold{queue: f.queue, key: key, entry: f.entry, expect: o.unknown()}
	}
}
