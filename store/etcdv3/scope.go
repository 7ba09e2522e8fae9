package etcdv3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// keyRange is where the queues of a scope are. Others may be there too.
type keyRange struct {
	scope     store.Scope
	root      string // what the keys of the scope's space begin with
	from, end string
}

func (s *Store) keyRange(scope store.Scope) keyRange {
	r := keyRange{scope: scope, root: s.prefix + "/" + scope.Space + "/"}
	if scope.Prefix {
		r.from = r.root + store.EscapePrefix(scope.Name)
	} else {
		r.from = r.root + store.EscapeName(scope.Name) + "/"
	}
	r.end = clientv3.GetPrefixRangeEnd(r.from)
	return r
}

// place is an entry's key, taken apart.
type place struct {
	queue string // its name
	q     queue  // only to read entries: it has no end
}

// place says where an entry is, and whether that is in the scope. A key that no
// gateway can have made is in none.
func (r keyRange) place(entryKey string) (p place, ok bool) {
	rest, ok := strings.CutPrefix(entryKey, r.root)
	if !ok {
		return p, false
	}
	escaped, _, ok := strings.Cut(rest, "/")
	if !ok {
		return p, false
	}
	p.q.prefix = entryKey[:len(r.root)+len(escaped)+1]
	p.queue, ok = r.name(escaped)
	return p, ok
}

// name is the name of the queue that is so called in etcd, if it is in the scope.
func (r keyRange) name(escaped string) (string, bool) {
	name, err := store.UnescapeName(escaped)
	ok := err == nil && name != "" && store.EscapeName(name) == escaped && r.scope.Has(name)
	return name, ok
}

// found is an entry as it was read, and where.
type found struct {
	place
	entry store.Entry
}

func (f found) key() string { return f.q.entry(f.entry.Name) }

// entries reads those in the range that are in the scope: as they were at the
// revision or, if that is 0, linearizably, as they are now. rpctypes.ErrCompacted:
// etcd has forgotten the revision.
func (s *Store) entries(ctx context.Context, r keyRange, revision int64) ([]found, int64, error) {
	for {
		all, at, err := s.entriesAt(ctx, r, revision)
		if revision == 0 && errors.Is(err, rpctypes.ErrCompacted) && ctx.Err() == nil {
			continue // it has been forgotten between two reads
		}
		return all, at, err
	}
}

func (s *Store) entriesAt(ctx context.Context, r keyRange, revision int64) ([]found, int64, error) {
	var all []found
	at, err := s.scan(ctx, r.from, r.end, revision, page, func(kvs []*mvccpb.KeyValue) bool {
		for _, kv := range kvs {
			if p, ok := r.place(string(kv.Key)); ok {
				all = append(all, found{p, p.q.decode(kv)})
			}
		}
		return true
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading queues: %w", err)
	}
	return all, at, nil
}
