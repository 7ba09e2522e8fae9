package etcdv3

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Keys in etcd:
//
//	{prefix}/{space}/{escaped key}/{entry}   an entry of a queue
//	{prefix}/gateway/{id}                    a gateway's session
//	{prefix}/lease/{id in hex}               a lease that holders' entries hang on
//	{prefix}/cancelled/{index}               an entry that was cancelled while it waited
//
// An entry's name begins with "v-" if it has a value, whose hash follows, so
// that one transaction finds or makes it; with "a-" if it is anonymous (see
// names).
const (
	gatewaySpace    = "gateway"
	leaseSpace      = "lease"
	cancelledSpace  = "cancelled"
	valuedPrefix    = "v-"
	anonymousPrefix = "a-"
)

// queue is where one queue's entries are.
type queue struct {
	prefix string // ends in a slash
	end    string // the first key after all that begin with prefix
}

func (s *Store) queue(key store.Key) queue {
	prefix := s.prefix + "/" + key.Space + "/" + store.EscapeName(key.Name) + "/"
	return queue{prefix: prefix, end: clientv3.GetPrefixRangeEnd(prefix)}
}

func (q queue) entry(name string) string { return q.prefix + name }

func (q queue) name(entryKey string) string { return strings.TrimPrefix(entryKey, q.prefix) }

func (s *Store) gatewayKey(id string) string { return s.prefix + "/" + gatewaySpace + "/" + id }

// markerKey is named as etcdctl shows the lease.
func (s *Store) markerKey(id clientv3.LeaseID) string {
	return fmt.Sprintf("%s/%s/%016x", s.prefix, leaseSpace, int64(id))
}

func (s *Store) cancelledKey(index uint64) string {
	return s.prefix + "/" + cancelledSpace + "/" + strconv.FormatUint(index, 10)
}

func valuedName(value string) string {
	sum := sha256.Sum256([]byte(value))
	return valuedPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// targetName is the name of the entry that t means, if it can be told without
// asking etcd.
func targetName(t store.Target) (name string, ok bool) {
	switch {
	case t.Index == 0:
		return valuedName(t.Value), true
	case t.Hint != nil:
		return t.Hint.Name, true
	}
	return "", false
}
