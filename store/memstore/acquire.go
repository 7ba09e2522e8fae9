package memstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// valuedName is the name of the entry with a value: always the same, so that
// there can be only one.
func valuedName(value string) string {
	sum := sha256.Sum256([]byte(value))
	return "v" + hex.EncodeToString(sum[:])
}

// anonymousName is a name that nobody else has.
func anonymousName() string { return "a" + rand.Text() }

// Acquire implements store.Store.
func (s *Store) Acquire(ctx context.Context, key store.Key, a store.Acquire) (store.Acquired, error) {
	name := anonymousName()
	if a.HasValue {
		name = valuedName(a.Value)
	}
	var got store.Acquired
	err := s.write(ctx, write{
		op: OpAcquire, key: key, name: name,
		do: func(q *queue) (err error) {
			got, err = s.acquire(q, name, a)
			return err
		},
	})
	switch {
	case outcomeUnknown(err):
		owed := store.Entry{Name: name, Value: a.Value, HasValue: a.HasValue}
		return store.Acquired{Entry: owed}, fmt.Errorf("acquiring: %w", err)
	case err != nil:
		return store.Acquired{}, fmt.Errorf("acquiring: %w", err)
	}
	return got, nil
}

func (s *Store) acquire(q *queue, name string, a store.Acquire) (store.Acquired, error) {
	if e := q.byName[name]; e != nil {
		return s.join(q, e, a)
	}
	free := len(q.entries) == 0
	if !free && !a.Wait {
		return store.Acquired{}, store.ErrTaken
	}

	t := s.cluster.begin()
	e := &entry{
		name: name, index: t.revision, value: a.Value, hasValue: a.HasValue,
		waiting: make(gateways), claims: make(gateways), lost: make(gateways),
	}
	q.add(e)
	if free && !(a.Wait && a.Contended) {
		t.hold(q, e, a.TTL)
		e.claims[s] = struct{}{}
	} else {
		e.waiting[s] = struct{}{}
	}
	t.put(q, e)
	t.commit()
	return store.Acquired{Entry: e.snapshotLeft(e.ttl)}, nil
}

// join makes this gateway a party to the entry that has the request's value.
func (s *Store) join(q *queue, e *entry, a store.Acquire) (store.Acquired, error) {
	t := s.cluster.begin()
	switch {
	case e.held:
		told := e.claims.has(s)
		changed := !told || e.ttl != a.TTL
		s.claim(e)
		t.hold(q, e, a.TTL)
		if changed {
			t.put(q, e)
		}
		t.commit()
		return store.Acquired{Entry: e.snapshotLeft(a.TTL), Renewed: told}, nil
	case !a.Wait:
		return store.Acquired{}, store.ErrTaken
	case !e.waiting.has(s):
		e.waiting[s] = struct{}{}
		delete(e.lost, s)
		t.put(q, e)
		t.commit()
	}
	return store.Acquired{Entry: e.snapshot()}, nil
}

// claim notes that this gateway may tell a client that e is held.
func (s *Store) claim(e *entry) {
	delete(e.waiting, s)
	delete(e.lost, s)
	e.claims[s] = struct{}{}
}
