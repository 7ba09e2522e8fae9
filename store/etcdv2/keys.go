package etcdv2

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// Keys in etcd:
//
//	{prefix}/{space}/{escaped key}/{index}           an entry of a queue
//	{prefix}/parties/{space}/{escaped key}/{index}   who waits for it, or holds it
//	{prefix}/gateway/{id}                            a gateway's session
//	{prefix}/observed                                written to tell where etcd's history ends
//	{prefix}/tidied                                  when an empty directory was deleted last
//
// An index has 20 digits, as etcd pads the names of keys that it makes in order.
// An entry's name is never used again: what is deleted by its name stays deleted.
const (
	partiesSpace = "parties"
	gatewaySpace = "gateway"
	observedName = "observed"
	tidiedName   = "tidied"
	digits       = 20
)

// queue is where one queue's keys are: a directory of entries and one of parties,
// under those of the prefix.
type queue struct {
	entries string
	parties string
}

func (s *Store) queue(key store.Key) queue {
	below := "/" + key.Space + "/" + store.EscapeName(key.Name)
	return queue{entries: s.prefix + below, parties: s.prefix + "/" + partiesSpace + below}
}

func entryName(index uint64) string { return fmt.Sprintf("%0*d", digits, index) }

func (q queue) entry(index uint64) string   { return q.entries + "/" + entryName(index) }
func (q queue) partyOf(index uint64) string { return q.parties + "/" + entryName(index) }

// indexOf is the index in a key's last segment, if that is the name of an entry.
func indexOf(key string) (uint64, bool) {
	name := path.Base(key)
	if len(name) != digits {
		return 0, false
	}
	index, err := strconv.ParseUint(name, 10, 64)
	return index, err == nil && index > 0
}

func (s *Store) gateways() string { return s.prefix + "/" + gatewaySpace }

func (s *Store) gatewayKey(id string) string { return s.gateways() + "/" + id }

func (s *Store) observedKey() string { return s.prefix + "/" + observedName }

func (s *Store) tidiedKey() string { return s.prefix + "/" + tidiedName }

// An entry's key has the value that the client gave, so that it can be read with
// any tool, and a dash where it gave none. The few values that would be taken for
// something else are marked with a NUL before them.
const (
	noValue = "-"
	marked  = "\x00"
)

func storedValue(value string, hasValue bool) string {
	switch {
	case !hasValue:
		return noValue
	case value == "", value == noValue, strings.HasPrefix(value, marked):
		return marked + value
	}
	return value
}

func givenValue(stored string) (value string, hasValue bool) {
	if stored == noValue {
		return "", false
	}
	return strings.TrimPrefix(stored, marked), true
}
