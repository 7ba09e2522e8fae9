package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-etcd/caddy-etcd/robustness/history"
)

// Fault is something that happens to a system.
type Fault struct {
	Kind    string
	Gateway int           // from 1, if it happens to one only
	Gentle  bool          // requests must not fail by it
	Length  time.Duration // how long until it is healed

	begin func() error
	heal  func() error
}

// Begin has it happen. Though it fails, it may have to be healed.
func (f Fault) Begin() error { return f.begin() }

// Heal has it be over. What it broke may take longer to recover.
func (f Fault) Heal() error {
	if f.heal == nil {
		return nil
	}
	return f.heal()
}

// SlowDisk is a kind of fault that takes strace: see CanSlowDisks.
const SlowDisk = "slow disk"

const defragmentation = "defragmentation"

// Kinds are the kinds of faults, as Fault knows them.
var Kinds = []string{
	"kill leader", "kill member", "hang leader", "hang member", "part leader", "part member",
	SlowDisk, "slow network", "slow peers",
	"kill gateway", "hang gateway", "cut gateway off", history.Stop, "reload",
	"reset gateway's connections", "reset gateway's connections again and again", "lose etcd's answers",
	"compaction", "compaction behind a gateway's back", defragmentation,
}

// Suitable are those of the kinds that mean something to the system. Over the v2 API, what
// is written anew by a defragmentation has no locks in it.
func (s *System) Suitable(kinds []string) []string {
	return slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return s.API == "v2" && kind == defragmentation })
}

// Fault returns a fault of that kind. Whom it happens to, and for how long, is random,
// where the kind does not say it.
func (s *System) Fault(kind string, random *rand.Rand) (Fault, error) {
	f := Fault{Kind: kind, Length: time.Duration(1000+random.IntN(3000)) * time.Millisecond}
	m := random.IntN(len(s.Etcd.Members))
	number := random.IntN(len(s.Gateways)) + 1
	if (kind == "hang gateway" || kind == "cut gateway off") && random.IntN(4) == 0 {
		// Longer than etcd keeps a gateway's session.
		f.Length = time.Duration(13_000+random.IntN(5000)) * time.Millisecond
	}
	members, g := s.Etcd.Members, s.Gateways[number-1]
	does := func(do func()) func() error {
		return func() error { do(); return nil }
	}
	atMember := func(strike, heal func(m int)) {
		struck := false
		f.begin = func() (err error) {
			if strings.HasSuffix(kind, "leader") {
				if m, err = s.leader(); err != nil {
					return err
				}
			}
			strike(m)
			struck = true
			return nil
		}
		f.heal = does(func() {
			if struck {
				heal(m)
			}
		})
	}
	switch kind {
	case "kill leader", "kill member":
		atMember(func(m int) { members[m].Stop() }, func(m int) { members[m].Restart(s.t) })
	case "hang leader", "hang member":
		atMember(func(m int) { members[m].Hang(true) }, func(m int) { members[m].Hang(false) })
	case "part leader", "part member":
		atMember(s.Etcd.Part, func(int) { s.Etcd.Join() })
	case SlowDisk:
		var slow slowDisks
		of := random.IntN(4)
		f.begin = func() (err error) {
			slowed := members // most times, since the others do not wait for a follower's
			switch of {
			case 0:
				slowed = members[m : m+1]
			case 1:
				if m, err = s.leader(); err != nil {
					return err
				}
				slowed = members[m : m+1]
			}
			return slow.begin(slowed, 200*time.Millisecond)
		}
		f.heal = func() error { return slow.end() }
	case "slow peers":
		f.begin = does(func() { s.Etcd.Delay(100 * time.Millisecond) })
		f.heal = does(func() { s.Etcd.Delay(0) })
	case "slow network", "cut gateway off", "reset gateway's connections", "lose etcd's answers":
		f.Gateway = number
		f.begin, f.heal = does(func() { g.wire(kind, true) }), does(func() { g.wire(kind, false) })
	case "reset gateway's connections again and again":
		f.Gateway, f.Length = number, time.Second+f.Length/4
		moments := rand.New(rand.NewPCG(random.Uint64(), 0))
		var cuts sync.WaitGroup
		healed := make(chan struct{})
		f.begin = does(func() { cuts.Go(func() { g.cut(moments, healed) }) })
		f.heal = does(func() { close(healed); cuts.Wait() })
	case "kill gateway":
		f.Gateway = number
		f.begin, f.heal = does(g.Kill), g.Run
	case "hang gateway":
		f.Gateway = number
		f.begin, f.heal = does(func() { g.Hang(true) }), does(func() { g.Hang(false) })
	case history.Stop:
		f.Gateway, f.Length = number, 0
		f.begin, f.heal = g.Stop, g.Run
	case "reload":
		f.Gateway, f.Gentle, f.Length = number, true, 0
		f.begin = g.Reload
	case "compaction":
		f.Gentle, f.Length = true, 0
		f.begin = func() error { return s.Forget(context.Background(), m) }
	case "compaction behind a gateway's back":
		// It has no watch then that could hear of what is forgotten.
		f.Gateway = number
		f.begin = does(func() { g.wire("reset gateway's connections", true) })
		f.heal = func() error {
			err := s.Forget(context.Background(), m)
			g.wire("reset gateway's connections", false)
			return err
		}
	case defragmentation:
		f.Length = 0
		f.begin = func() error { return s.Defragment(context.Background(), m) }
	default:
		return f, fmt.Errorf("there is no fault %q", kind)
	}
	return f, nil
}

// leader is the member that leads, or will in a moment.
func (s *System) leader() (int, error) {
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) { // between two looks
		if m := s.Etcd.Leader(); m >= 0 {
			return m, nil
		}
		if time.Now().After(deadline) {
			return 0, errors.New("no member leads")
		}
	}
}

// wire does to a gateway's wires what the kind of fault says, or has it be over.
func (g *Gateway) wire(kind string, on bool) {
	for _, w := range g.wires {
		switch kind {
		case "cut gateway off":
			w.Hold(on)
		case "reset gateway's connections":
			w.Refuse(on)
		case "lose etcd's answers":
			w.Mute(on)
			if !on {
				w.Cut() // what has been lost would be missed in what follows
			}
		case "slow network":
			delay := 150 * time.Millisecond
			if !on {
				delay = 0
			}
			w.Delay(delay)
		}
	}
}

// cut breaks a gateway's connections to etcd at many moments, until it is healed.
func (g *Gateway) cut(moments *rand.Rand, healed <-chan struct{}) {
	for {
		select {
		case <-healed:
			return
		case <-time.After(time.Duration(5000+moments.IntN(45_000)) * time.Microsecond):
		}
		for _, w := range g.wires {
			w.Cut()
		}
	}
}
