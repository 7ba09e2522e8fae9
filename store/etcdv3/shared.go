package etcdv3

import (
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// shared are the shared entries that this gateway waits for, by their key in
// etcd, with the leases that it keeps alive for them. An entry becomes shared
// when a second gateway joins it; the first one learns of that from its watch.
type shared struct {
	mu     sync.Mutex
	leases map[string]clientv3.LeaseID
}

type sharedEntry struct {
	key   string
	lease clientv3.LeaseID
}

func (s *shared) keep(key string, lease clientv3.LeaseID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases[key] = lease
}

// forget stops keeping the entry's lease alive, if it still is lease; 0 means
// whatever lease it is.
func (s *shared) forget(key string, lease clientv3.LeaseID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lease == 0 || s.leases[key] == lease {
		delete(s.leases, key)
	}
}

func (s *shared) all() []sharedEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]sharedEntry, 0, len(s.leases))
	for key, lease := range s.leases {
		list = append(list, sharedEntry{key, lease})
	}
	return list
}
