package etcdv3

import (
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// shared are the entries with a value that this gateway waits for, by their key in
// etcd. An entry becomes shared when a second gateway joins it: from then on both
// keep its lease alive. The first one learns of that from what it lists and
// watches, which may be late, so what it no longer waits for must not be added.
type shared struct {
	mu     sync.Mutex
	leases map[string]clientv3.LeaseID // 0: not shared, as far as known
}

type sharedEntry struct {
	key   string
	lease clientv3.LeaseID
}

// wait says that this gateway waits for the entry, or is about to.
func (s *shared) wait(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.leases[key]; !ok {
		s.leases[key] = 0
	}
}

// keep says which lease the entry hangs on, 0 if none of its own. It does nothing
// unless this gateway waits for the entry.
func (s *shared) keep(key string, lease clientv3.LeaseID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.leases[key]; ok {
		s.leases[key] = lease
	}
}

// leave says that this gateway does not wait for the entry.
func (s *shared) leave(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leases, key)
}

// gone says that there is no such lease.
func (s *shared) gone(key string, lease clientv3.LeaseID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leases[key] == lease && lease != 0 {
		s.leases[key] = 0
	}
}

// all are those that are shared.
func (s *shared) all() []sharedEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []sharedEntry
	for key, lease := range s.leases {
		if lease != 0 {
			list = append(list, sharedEntry{key, lease})
		}
	}
	return list
}
