package etcdv2

import (
	"context"
	"slices"
	"strconv"
	"time"

	client "go.etcd.io/etcd/client/v2"
	"go.uber.org/zap"
)

// When a directory is deleted, etcd does not tell whether there was something in it.
// The store deletes only empty ones, which etcd checks, and notes it after that, in
// a key that is always the same: observers find the note in etcd's history, or wait
// a moment for it. What somebody deletes by hand has none. (To remember what is in
// each queue would not do for an observer that goes on from somewhere: what was there
// then, and has not changed until it went with its directory, nothing tells any more.)

// noteTime is how long the note is waited for. It is written at once.
const noteTime = 2 * time.Second

// noteEmpty says that the directory was empty that was deleted at an index.
func (s *Store) noteEmpty(ctx context.Context, at uint64) {
	// Also when the store is being closed.
	attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), retryPause*5)
	defer cancel()
	_, err := s.write(attempt, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Set(ctx, s.tidiedKey(), strconv.FormatUint(at, 10), nil)
	})
	if err != nil {
		s.logger.Info("noting that a directory was empty; observers have to begin anew", zap.Error(err))
	}
}

// wasEmpty says whether the directory that was deleted at an index was certainly
// empty.
func (s *Store) wasEmpty(ctx context.Context, at uint64) (bool, error) {
	note := strconv.FormatUint(at, 10)
	for end := time.Now().Add(noteTime); time.Now().Before(end); {
		event, index, err := s.await(ctx, s.lanes.observers, s.tidiedKey(), at, time.Until(end))
		if err != nil {
			return false, err
		}
		if event != nil && s.notes(event, note) {
			return true, nil
		}
		at = index
	}
	return false, nil
}

// noted says whether the note of a deletion is among events that are known.
func (s *Store) noted(events []*client.Response, deletion *client.Response) bool {
	note := strconv.FormatUint(deletion.Node.ModifiedIndex, 10)
	return slices.ContainsFunc(events, func(event *client.Response) bool { return s.notes(event, note) })
}

// notes says whether an event is the writing of a note.
func (s *Store) notes(event *client.Response, note string) bool {
	return event.Node.Key == s.tidiedKey() && event.Node.Value == note
}
