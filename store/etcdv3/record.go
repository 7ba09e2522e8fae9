package etcdv3

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// record is what an entry's key holds in etcd: this as JSON in one line, then
// the client's value, byte for byte. People can read it with etcdctl.
type record struct {
	State string `json:"state"`
	TTL   int64  `json:"ttl,omitempty"` // seconds, of a holder

	// Since when it is held, in seconds since 1970 by the clock of the gateway that
	// granted it. It is for people to read: nothing is decided by it.
	Since int64 `json:"since,omitempty"`

	// Waiting are the gateways that wait for the entry; Claims are those that
	// may have told a client that it is held. An entry whose last party leaves
	// is deleted, so the first of several leaving takes nothing away (I7).
	Waiting []string `json:"waiting,omitempty"`
	Claims  []string `json:"claims,omitempty"`

	// Made names the request that made the entry: by it, one whose answer was lost
	// finds out whether the entry is its own.
	Made string `json:"made"`

	// Shared: the entry waits on a lease of its own, which each gateway in
	// Waiting keeps alive, and not on the lease of one gateway's session.
	Shared bool `json:"shared,omitempty"`
}

const (
	stateWaiting = "waiting"
	stateHeld    = "held"
)

// waitingText is what the record of an entry that waits begins with. It is greater than any
// record of one that is held, and that is how etcd tells them apart.
const waitingText = `{"state":"` + stateWaiting + `"`

// mostTTL is the longest that a time.Duration can be, in seconds: more than etcd gives
// a lease.
const mostTTL = int64(math.MaxInt64 / time.Second)

func (r record) held() bool { return r.State == stateHeld }

// waitedBy returns r with gateway added to those that wait.
func (r record) waitedBy(gateway string) record {
	r.Waiting = with(r.Waiting, gateway)
	return r
}

// heldBy returns r as held, for ttl seconds, with gateway among the claims.
func (r record) heldBy(gateway string, ttl int64) record {
	if !r.held() {
		r.Since = time.Now().Unix()
	}
	r.State, r.TTL, r.Shared = stateHeld, ttl, false
	r.Waiting = without(r.Waiting, gateway)
	r.Claims = with(r.Claims, gateway)
	return r
}

// leftBy returns r without gateway.
func (r record) leftBy(gateway string) record {
	r.Waiting = without(r.Waiting, gateway)
	r.Claims = without(r.Claims, gateway)
	return r
}

func (r record) abandoned() bool { return len(r.Waiting) == 0 && len(r.Claims) == 0 }

func (r record) encode(value string) string {
	header, err := json.Marshal(r)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	var b strings.Builder
	b.Grow(len(header) + 1 + len(value))
	b.Write(header)
	b.WriteByte('\n')
	b.WriteString(value)
	return b.String()
}

// ref is what the store needs to write an entry conditionally.
type ref struct {
	rev   int64 // the entry's mod revision; 0 if it is not known to be there
	lease clientv3.LeaseID
	rec   record

	// granted: the store has just written this, as a hold.
	granted bool

	// Of an entry that may be there, since the answer to the write that was to
	// make it was lost: what that has made says so, may have one of two names, and
	// hangs on lease if it is held.
	made      string
	otherName string
}

// hangsOn is the lease that an entry hangs on, which has its marker if it ever has.
func (r *ref) hangsOn() lease { return lease{id: r.lease, ttl: r.rec.TTL, marked: true} }

// decode reads an entry. Something that is not a record, put there by hand, is
// shown as an entry that waits: it holds up the queue, as it must, since it
// can't be told from an entry of a later version; and it can be seen and
// deleted.
func (q queue) decode(kv *mvccpb.KeyValue) store.Entry {
	e := store.Entry{Name: q.name(string(kv.Key)), Index: uint64(kv.CreateRevision)}
	r := &ref{rev: kv.ModRevision, lease: clientv3.LeaseID(kv.Lease)}
	header, value, ok := bytes.Cut(kv.Value, []byte("\n"))
	if ok {
		ok = json.Unmarshal(header, &r.rec) == nil && r.rec.TTL >= 0 && r.rec.TTL <= mostTTL
	}
	if ok {
		e.Value, e.HasValue = string(value), strings.HasPrefix(e.Name, valuedPrefix)
	} else {
		r.rec = record{State: stateWaiting}
		e.Value, e.HasValue = string(kv.Value), true
	}
	e.Held, e.Ref = r.rec.held(), r
	if e.Held {
		e.TTL = time.Duration(r.rec.TTL) * time.Second
	}
	return e
}

// changed returns e as it is after a write of rec at revision rev.
func changed(e store.Entry, rec record, rev int64, lease clientv3.LeaseID) store.Entry {
	e.Ref = &ref{rev: rev, lease: lease, rec: rec}
	e.Held = rec.held()
	e.TTL = time.Duration(rec.TTL) * time.Second
	return e
}

// refOf is e's ref; an entry that did not come from this store has none.
func refOf(e store.Entry) *ref {
	if r, ok := e.Ref.(*ref); ok {
		return r
	}
	return &ref{}
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
