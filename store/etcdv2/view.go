package etcdv2

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// view is a scope, as it is in etcd: one directory, of a queue or of all those of a
// space, since etcd's v2 API knows no ranges.
type view struct {
	scope store.Scope
	space string // the directory of all queues of the space
	dir   string // what is read and watched
}

func (s *Store) view(scope store.Scope) view {
	v := view{scope: scope, space: path.Join("/", s.prefix, scope.Space)}
	v.dir = v.space
	if !scope.Prefix {
		v.dir = path.Join(v.space, store.EscapeName(scope.Name))
	}
	return v
}

// queue is the name of the queue whose directory is called that, if it is one in the
// scope. What somebody has made by hand may not be called as the store calls it.
func (v view) queue(escaped string) (name string, ok bool) {
	name, err := store.UnescapeName(escaped)
	return name, err == nil && store.EscapeName(name) == escaped && v.scope.Has(name)
}

// entry reads a key, if it is an entry of a queue in the scope.
func (v view) entry(n *client.Node) (queue string, e store.Entry, ok bool) {
	if n == nil {
		return "", store.Entry{}, false
	}
	dir, _ := path.Split(n.Key)
	space, escaped := path.Split(strings.TrimSuffix(dir, "/"))
	if space != v.space+"/" {
		return "", store.Entry{}, false
	}
	if queue, ok = v.queue(escaped); !ok {
		return "", store.Entry{}, false
	}
	e, ok = decode(n)
	e.TTL = max(e.TTL, 0) // it may have run out, and etcd not have got round to it
	return queue, e, ok
}

// scene is what there is in a scope at an index: the keys of its entries.
type scene struct {
	index uint64
	keys  map[string]*client.Node
	read  time.Time
}

// look reads what there is now, in a lane.
func (s *Store) look(ctx context.Context, l lane, v view) (scene, error) {
	ctx, cancel, err := s.begin(ctx, l)
	if err != nil {
		return scene{}, err
	}
	defer cancel()
	resp, err := s.read(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Get(ctx, v.dir, &client.GetOptions{Recursive: true, Quorum: true})
	})
	now := scene{keys: make(map[string]*client.Node), read: time.Now()}
	switch {
	case err == nil:
		now.index = resp.Index
		v.collect(now.keys, resp.Node)
	case isNotFound(err):
		now.index, err = indexIn(err), nil
	}
	return now, err
}

func (v view) collect(keys map[string]*client.Node, n *client.Node) {
	if _, _, ok := v.entry(n); ok {
		keys[n.Key] = n
	}
	for _, child := range n.Nodes {
		v.collect(keys, child)
	}
}

// left is how much of a key's TTL is left, and zero if it has gone. etcd tells it
// rounded up.
func (s scene) left(key string) time.Duration {
	n := s.keys[key]
	if n == nil || n.Expiration == nil {
		return 0
	}
	left := time.Duration(n.TTL)*time.Second - time.Since(s.read) - time.Nanosecond
	return max(left.Truncate(time.Second), 0)
}

// queues are those that were there, in the order of their keys. What is left of
// their TTLs is what is left now.
func (v view) queues(then, now scene) []store.Queue {
	byDir := make(map[string]*store.Queue)
	for key, n := range then.keys {
		name, e, _ := v.entry(n)
		if e.Held {
			e.Left = now.left(key)
		}
		dir, _ := path.Split(key) // with a slash behind it
		q := byDir[dir]
		if q == nil {
			q = &store.Queue{Name: name}
			byDir[dir] = q
		}
		q.Entries = append(q.Entries, e)
	}
	queues := make([]store.Queue, 0, len(byDir))
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		q := byDir[dir]
		sortEntries(q.Entries)
		queues = append(queues, *q)
	}
	return queues
}

// change is what an event means, if it is of an entry. Of what was written before now,
// what is left is what is left now.
func (v view) change(event *client.Response, now scene) (store.Change, bool) {
	queue, was, before := v.entry(event.PrevNode)
	if !gone(event) {
		if queue, e, ok := v.entry(event.Node); ok {
			e.Left = e.TTL
			if e.Held && event.Node.ModifiedIndex <= now.index {
				e.Left = now.left(event.Node.Key)
			}
			return store.Change{Queue: queue, Renewed: before && was.Held && e.Held, Entry: e}, true
		}
	}
	return store.Change{
		Queue:   queue,
		Deleted: true,
		Expired: event.Action == expire && was.Held,
		Entry:   store.Entry{Name: was.Name, Index: was.Index},
	}, before
}

// has says whether entries of the scope may be in a directory, or below it.
func (v view) has(dir string) bool {
	if dir == v.dir || strings.HasPrefix(v.dir, dir+"/") {
		return true
	}
	space, escaped := path.Split(dir)
	_, ok := v.queue(escaped)
	return ok && space == v.space+"/"
}
