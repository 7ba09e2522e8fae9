package etcdv2

import (
	"context"
	"fmt"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// etcd's v2 API hashes the password of every request anew, with bcrypt, which takes
// tens of milliseconds of its processor; and it goes on with that when whoever
// asked has given up. A few dozen requests at once would each take longer than a
// call may, be given up, and be made again, for ever. So with a password few calls
// are made at once. Those that are made for somebody who waits anyway have a lane
// of their own, in which the others don't get stuck behind them; and so have watches,
// and observers. A poll is in it until etcd has seen to the password, and not until
// there is an event.

// laneWidth is how many calls of a kind are made at once.
const laneWidth = 4

// lane is a way for one kind of calls.
type lane struct {
	turns   chan struct{} // nil: it is as wide as can be
	patient bool
}

type lanes struct {
	patient lane // for Acquire and Withdraw
	prompt  lane // for everything else
	polls   lane // for Watch

	observers lane // for Observe: however many there are, no lock waits for them
}

func newLanes(password bool) lanes {
	if !password {
		return lanes{}
	}
	wide := func(patient bool) lane { return lane{make(chan struct{}, laneWidth), patient} }
	return lanes{patient: wide(true), prompt: wide(false), polls: wide(true), observers: wide(true)}
}

// enter waits for a turn, until ctx or the store's own ends; in the prompt lane,
// for no longer than a call may take.
func (l lane) enter(ctx, ended context.Context) error {
	if l.turns == nil {
		return nil
	}
	if !l.patient {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	select {
	case l.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for a turn: %w", store.ErrUnavailable, ctx.Err())
	case <-ended.Done():
		return store.ErrClosed
	}
}

func (l lane) leave() {
	if l.turns != nil {
		<-l.turns
	}
}
