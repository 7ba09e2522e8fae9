package etcdv3

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// askEvery is how often etcd is asked how far its watches are. By itself it tells a
// watch with no events only every ten minutes, and in that time it may have been
// compacted: who then goes on from there would have to begin anew, and has missed
// nothing.
const askEvery = 10 * time.Second

// askProgress has etcd tell all observers how far they are, as long as there are some.
// (Before 3.4.25 and 3.5.8 it could be wrong by what it was about to tell.)
func (s *Store) askProgress(ctx context.Context) {
	for pause(ctx, askEvery) {
		if s.observers.Load() == 0 {
			continue
		}
		// The context is what the watches' stream is known by.
		ask, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), callTimeout)
		if err := s.client.RequestProgress(ask); err != nil {
			s.logger.Debug("asking how far etcd is", zap.Error(err))
		}
		cancel()
	}
}

// silence is after how long an observer whose watch tells nothing, not even progress,
// asks why.
const silence = askEvery * 3 / 2

// reaches is an error if etcd has not come to a revision that it has told of: its data
// are older ones, from a backup, and a watch would wait until it comes there again.
func (s *Store) reaches(ctx context.Context, told uint64) error {
	resp, err := s.get(ctx, s.self, clientv3.WithKeysOnly())
	if err == nil && uint64(resp.Header.Revision) < told {
		err = fmt.Errorf("%w: etcd's data are not those of before", store.ErrCompacted)
	}
	return err
}
