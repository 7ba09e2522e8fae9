package etcdv2

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// The state of an entry is in what etcd notes of its key:
//
//   - new: never changed since it was made. It has a TTL of newTTL, in which its
//     maker has to make it one of the others, so that a request whose answer was
//     lost leaves nothing behind (I10).
//   - waiting: without a TTL. It stays for as long as one of the gateways that
//     wait for it has a session.
//   - held: changed, and with a TTL, which is the holder's.
//
// So an entry is granted by one compare-and-swap, and nobody can see one half of
// that.

// newTTL is longer than a call, so that an entry does not go under its maker.
const newTTL = callTimeout + time.Second

// ref is what the store needs to write an entry conditionally.
type ref struct {
	modified uint64 // the key's modified index
	fresh    bool   // it is new
	ttl      int64  // what is left, in seconds rounded up; 0 if it has no TTL

	own     bool // this gateway has made the entry, or been granted it
	unknown bool // a write that was to make this gateway a party may yet take effect
}

// decode reads an entry; false if the key is not one.
func decode(n *client.Node) (store.Entry, bool) {
	index, ok := indexOf(n.Key)
	if !ok || n.Dir {
		return store.Entry{}, false
	}
	fresh := n.ModifiedIndex == n.CreatedIndex && n.Expiration != nil
	e := store.Entry{Name: entryName(index), Index: index, Held: !fresh && n.Expiration != nil}
	e.Value, e.HasValue = givenValue(n.Value)
	e.Ref = &ref{modified: n.ModifiedIndex, fresh: fresh, ttl: n.TTL}
	if e.Held {
		e.TTL = time.Duration(n.TTL) * time.Second
	}
	return e, true
}

// refOf is e's ref; an entry that did not come from this store has none.
func refOf(e store.Entry) *ref {
	if r, ok := e.Ref.(*ref); ok {
		return r
	}
	return &ref{}
}

// withRef returns e with its ref changed.
func withRef(e store.Entry, change func(*ref)) store.Entry {
	r := *refOf(e)
	change(&r)
	e.Ref = &r
	return e
}

// listing is a queue as it was at one index.
type listing struct {
	index   uint64
	entries []store.Entry
}

// freshness says what a read has to show: what a member knows that has seen
// everything up to an index, or (quorum) what the cluster knows now.
type freshness uint64

const (
	quorum  = freshness(1<<64 - 1)
	anytime = freshness(0)
)

// get reads a key or a directory.
func (s *Store) get(ctx context.Context, key string, how freshness) (*client.Response, error) {
	ask := func(quorum bool) (*client.Response, error) {
		return s.read(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
			return keys.Get(ctx, key, &client.GetOptions{Quorum: quorum})
		})
	}
	if how == quorum {
		return ask(true)
	}
	resp, err := ask(false)
	if (err == nil && resp.Index < uint64(how)) || (isNotFound(err) && indexIn(err) < uint64(how)) {
		return ask(true) // the member lags behind
	}
	return resp, err
}

func indexIn(err error) uint64 {
	var e client.Error
	errors.As(err, &e)
	return e.Index
}

// list reads a queue.
func (s *Store) list(ctx context.Context, q queue, how freshness) (listing, error) {
	resp, err := s.get(ctx, q.entries, how)
	if isNotFound(err) {
		return listing{index: indexIn(err)}, nil
	}
	if err != nil {
		return listing{}, err
	}
	l := listing{index: resp.Index, entries: make([]store.Entry, 0, len(resp.Node.Nodes))}
	for _, n := range resp.Node.Nodes {
		if e, ok := decode(n); ok {
			l.entries = append(l.entries, e)
		}
	}
	sortEntries(l.entries)
	return l, nil
}

func sortEntries(entries []store.Entry) {
	slices.SortFunc(entries, func(a, b store.Entry) int { return cmp.Compare(a.Index, b.Index) })
}

// find returns an entry, and whether it is the first.
func (l listing) find(index uint64) (e store.Entry, first, ok bool) {
	i, ok := slices.BinarySearchFunc(l.entries, index, func(e store.Entry, index uint64) int { return cmp.Compare(e.Index, index) })
	if !ok {
		return store.Entry{}, false, false
	}
	return l.entries[i], i == 0, true
}

// valued returns the first entry with a value, and whether it is the first of
// all. If two gateways have made one each, the second takes its own back.
func (l listing) valued(value string) (e store.Entry, first, ok bool) {
	for i, e := range l.entries {
		if e.HasValue && e.Value == value {
			return e, i == 0, true
		}
	}
	return store.Entry{}, false, false
}

// one reads an entry.
func (s *Store) one(ctx context.Context, q queue, index uint64, how freshness) (store.Entry, error) {
	resp, err := s.get(ctx, q.entry(index), how)
	if isNotFound(err) {
		return store.Entry{}, store.ErrNotFound
	}
	if err != nil {
		return store.Entry{}, err
	}
	e, ok := decode(resp.Node)
	if !ok {
		return store.Entry{}, store.ErrNotFound
	}
	return e, nil
}

// swap makes e held, for ttl seconds, or with 0 waiting. errAgain: it is no longer
// what its ref says.
func (s *Store) swap(ctx context.Context, q queue, e store.Entry, ttl int64) (store.Entry, error) {
	resp, err := s.write(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Set(ctx, q.entry(e.Index), storedValue(e.Value, e.HasValue), &client.SetOptions{
			PrevIndex: refOf(e).modified,
			TTL:       time.Duration(ttl) * time.Second,
		})
	})
	if conditional(err) {
		return e, errAgain
	}
	if err != nil {
		return e, err
	}
	e = withRef(e, func(r *ref) { r.modified, r.fresh, r.ttl = resp.Node.ModifiedIndex, false, ttl })
	e.Held, e.TTL = ttl > 0, time.Duration(ttl)*time.Second
	e.Left = e.TTL
	return e, nil
}

// remove deletes e if it still is what its ref says. errAgain: it is not, or it
// has gone.
func (s *Store) remove(ctx context.Context, q queue, e store.Entry) error {
	_, err := s.write(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Delete(ctx, q.entry(e.Index), &client.DeleteOptions{PrevIndex: refOf(e).modified})
	})
	if conditional(err) {
		return errAgain
	}
	return err
}
