package etcdv2

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	client "go.etcd.io/etcd/client/v2"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// record is who the parties of an entry are, as JSON in a key of its own. Entries
// that have been held since they were made, and have no value, have none: nobody
// but their makers ever has to do with them.
//
// A party is written there before it changes the entry, and an entry is deleted
// for want of parties only if it has not changed since before its record was
// read. So nobody who has become a party loses the entry to somebody who did not
// know (I7).
type record struct {
	// Waiting are the gateways that wait for the entry. It lives by their
	// sessions.
	Waiting []string `json:"waiting,omitempty"`

	// Claims are the gateways that may have told a client that it is held.
	Claims []string `json:"claims,omitempty"`

	// Cancelled is that somebody asked for the entry, which waited, to be deleted. Without
	// that, an entry that is gone has expired.
	Cancelled bool `json:"cancelled,omitempty"`
}

// somebody is among the claims of a held entry whose record is gone: it can't be
// told who has told a client of it, so it has to stay.
const somebody = "?"

// recordTTL is how long a record stays that nobody refreshes: long after its
// entry has gone. It goes by itself, since to delete it would cost a commit.
const recordTTL = 3 * time.Minute

func (r record) waitedBy(gateway string) record {
	return record{with(r.Waiting, gateway), without(r.Claims, gateway), r.Cancelled}
}

func (r record) heldBy(gateway string) record {
	return record{without(r.Waiting, gateway), with(r.Claims, gateway), r.Cancelled}
}

func (r record) leftBy(gateway string) record {
	return record{without(r.Waiting, gateway), without(r.Claims, gateway), r.Cancelled}
}

func (r record) cancelled() record {
	r.Cancelled = true
	return r
}

func (r record) has(gateway string) bool {
	return slices.Contains(r.Waiting, gateway) || slices.Contains(r.Claims, gateway)
}

func (r record) equal(other record) bool {
	return slices.Equal(r.Waiting, other.Waiting) && slices.Equal(r.Claims, other.Claims) && r.Cancelled == other.Cancelled
}

// version is the modified index of a record's key; 0 if there is none.
type version uint64

// parties reads the record of e.
func (s *Store) parties(ctx context.Context, q queue, e store.Entry, how freshness) (record, version, error) {
	resp, err := s.get(ctx, q.partyOf(e.Index), how)
	if isNotFound(err) {
		if e.Held {
			return record{Claims: []string{somebody}}, 0, nil
		}
		return record{}, 0, nil
	}
	if err != nil {
		return record{}, 0, err
	}
	return decodeRecord(resp.Node), version(resp.Node.ModifiedIndex), nil
}

func decodeRecord(n *client.Node) record {
	var r record
	if json.Unmarshal([]byte(n.Value), &r) != nil {
		return record{} // it was put there by hand, and names nobody, also where a part of it could
	}
	return r
}

// record writes the record of an entry if it is of that version. errAgain: it is
// not.
func (s *Store) record(ctx context.Context, q queue, index uint64, r record, v version, ttl time.Duration) error {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // a struct of strings
	}
	opts := &client.SetOptions{PrevIndex: uint64(v), TTL: max(recordTTL, ttl+time.Minute), NoValueOnSuccess: true}
	if v == 0 {
		opts.PrevExist = client.PrevNoExist
	}
	_, err = s.write(ctx, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Set(ctx, q.partyOf(index), string(text), opts)
	})
	if conditional(err) {
		return errAgain
	}
	return err
}

// enter changes the record of e, for a hold of ttl, and returns what it was
// before.
func (s *Store) enter(ctx context.Context, q queue, e store.Entry, ttl time.Duration, change func(record) record) (before record, err error) {
	s.used.withParties(q)
	if refOf(e).own && refOf(e).fresh {
		// Most likely nobody else knows of it yet.
		if err := s.record(ctx, q, e.Index, change(record{}), 0, ttl); !errors.Is(err, errAgain) {
			return record{}, err
		}
	}
	for {
		before, v, err := s.parties(ctx, q, e, quorum)
		if err != nil {
			return record{}, err
		}
		after := change(before)
		if after.equal(before) && v != 0 {
			return before, nil
		}
		if err := s.record(ctx, q, e.Index, after, v, ttl); !errors.Is(err, errAgain) {
			return before, err
		}
	}
}

func with(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(slices.Clone(list), s)
}

func without(list []string, s string) []string {
	if !slices.Contains(list, s) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(x string) bool { return x == s })
}
