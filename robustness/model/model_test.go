package model

import (
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/caddy-etcd/caddy-etcd/robustness/history/sketch"
)

// judgements are histories as small as they can be, and whether they are right.
var judgements = []struct {
	name    string
	history string
	right   bool
}{
	{"one after the other", `
		acquire 0 10ms ttl=5 got=1
		release 1s 1.1s index=1
		acquire 500ms 1.05s ttl=5 got=2
	`, true},
	{"two at once", `
		acquire 0 10ms ttl=5 got=1
		acquire 0 1s ttl=5 got=2
	`, false},
	{"the next one when the TTL ends, to the moment", `
		acquire 0 10ms ttl=1 got=1
		acquire 0 1s ttl=5 got=2
	`, true},
	{"the next one just before the TTL ends", `
		acquire 0 10ms ttl=1 got=1
		acquire 0 999ms ttl=5 got=2
	`, false},
	{"the TTL is that of a renewal", `
		acquire 0 10ms ttl=1 got=1
		renew 900ms 910ms ttl=1 index=1
		acquire 0 1.8s ttl=5 got=2
	`, false},
	{"the TTL is that of a renewal, and over", `
		acquire 0 10ms ttl=1 got=1
		renew 900ms 910ms ttl=1 index=1
		acquire 0 1.9s ttl=5 got=2
	`, true},
	{"asking again renews", `
		acquire 0 10ms ttl=1 value=a got=1
		acquire 900ms 910ms ttl=1 value=a got=1
		acquire 0 1.8s ttl=5 got=2
	`, false},
	{"a release of unknown outcome", `
		acquire 0 10ms ttl=60 got=1
		release 1s 2s index=1 lost
		acquire 0 1.5s ttl=5 got=2
	`, true},
	{"nobody can have been released before that was asked for", `
		acquire 0 10ms ttl=60 got=1
		release 1s 2s index=1 lost
		acquire 0 900ms ttl=5 got=2
	`, false},
	{"a release of unknown outcome that takes effect late, on the next hold of that value", `
		release 0 1s value=a lost
		acquire 2s 2.1s ttl=60 value=a got=1
		acquire 0 3s ttl=5 got=2
	`, true},
	{"a renewal of unknown outcome that shortens the TTL", `
		acquire 0 10ms ttl=60 got=1
		renew 1s 2s ttl=1 index=1 lost
		acquire 0 2s ttl=5 got=2
	`, true},
	{"a renewal of unknown outcome that does not shorten it enough", `
		acquire 0 10ms ttl=60 got=1
		renew 1s 2s ttl=1 index=1 lost
		acquire 0 1.9s ttl=5 got=2
	`, false},
	{"asking again, of unknown outcome, may shorten the TTL", `
		acquire 0 10ms ttl=60 value=a got=1
		acquire 1s 2s ttl=1 value=a left
		acquire 0 2s ttl=5 got=2
	`, true},
	{"a 503 says that nothing was done", `
		acquire 0 10ms ttl=60 got=1
		release 1s 2s index=1 status=503
		acquire 0 3s ttl=5 got=2
	`, false},

	{"a smaller index after a greater one", `
		acquire 0 10ms ttl=1 got=2
		release 20ms 30ms index=2
		acquire 40ms 50ms ttl=1 got=1
	`, false},
	{"a smaller index, asked for before a greater one was told", `
		acquire 0 10s ttl=1 got=1
		acquire 0 2s ttl=5 got=2
	`, true},
	{"a smaller index, asked for before a greater one was told, too late for its TTL", `
		acquire 0 10s ttl=1 got=1
		acquire 0 900ms ttl=5 got=2
	`, false},
	{"an index is given again after its release", `
		acquire 0 10ms ttl=5 value=a got=1
		release 20ms 30ms index=1
		acquire 40ms 50ms ttl=5 value=a got=1
	`, false},
	{"one index for two requests with one value", `
		acquire 0 1s ttl=5 value=a got=1
		acquire 500ms 1s ttl=5 value=a got=1
	`, true},
	{"one index for two values", `
		acquire 0 1s ttl=5 value=a got=1
		acquire 500ms 1s ttl=5 value=b got=1
	`, false},

	{"a lock that is not known to be free is refused", `
		acquire 0 10ms ttl=5 got=1
		acquire 1s 1.1s ttl=5 timeout=0 status=423
	`, true},
	{"gone, says a release", `
		acquire 0 10ms ttl=5 got=1
		release 1s 1.1s index=1 status=404
	`, false},
	{"gone, says a release after the TTL", `
		acquire 0 10ms ttl=1 got=1
		release 1s 1.1s index=1 status=404
	`, true},
	{"gone, says a release after one of unknown outcome", `
		acquire 0 10ms ttl=5 got=1
		release 500ms 600ms index=1 lost
		release 1s 1.1s index=1 status=404
	`, true},
	{"gone, says a release by value", `
		acquire 0 10ms ttl=5 value=a got=1
		release 1s 1.1s value=a status=404
	`, false},
	{"gone, says a release by another value", `
		acquire 0 10ms ttl=5 value=a got=1
		release 1s 1.1s value=b status=404
	`, true},
	{"gone, says a renewal", `
		acquire 0 10ms ttl=5 got=1
		renew 1s 1.1s ttl=5 index=1 status=404
	`, false},
	{"only queued, says a renewal of the holder", `
		acquire 0 10ms ttl=5 value=a got=1
		renew 1s 1.1s ttl=5 value=a status=409
	`, false},
	{"only queued, says a renewal before the grant", `
		acquire 0 2s ttl=5 value=a got=1
		renew 1s 1.1s ttl=5 value=a status=409
	`, true},
	{"renewed after its release", `
		acquire 0 10ms ttl=5 got=1
		release 20ms 30ms index=1
		renew 1s 1.1s ttl=5 index=1
	`, false},
	{"released twice: the second may have waited, for all that is known", `
		acquire 0 10ms ttl=5 value=a got=1
		release 20ms 30ms value=a
		release 40ms 50ms value=a
	`, true},
	{"released by value while it waits, or when it holds the lock", `
		release 0 2s value=a
		acquire 0 1s ttl=60 value=a got=1
		acquire 0 1.5s ttl=60 value=b got=2
	`, true},

	{"who holds it", `
		get 0 10ms
		acquire 1s 1.1s ttl=5 got=1
		get 1.2s 1.3s got=1 shown=-
		release 1.4s 1.5s index=1
		get 1.6s 1.7s
	`, true},
	{"nobody is said to hold it", `
		acquire 0 10ms ttl=5 got=1
		get 1.2s 1.3s
	`, false},
	{"nobody is said to hold it, after its TTL", `
		acquire 0 10ms ttl=1 got=1
		get 1s 1s
	`, true},
	{"another is said to hold it", `
		acquire 0 10ms ttl=5 got=2
		get 1.2s 1.3s got=1 shown=-
	`, false},
	{"one is said to hold it after its release", `
		acquire 0 10ms ttl=5 got=1
		release 20ms 30ms index=1
		get 1.2s 1.3s got=1 shown=-
	`, false},
	{"no - is shown", `
		acquire 0 10ms ttl=5 got=1
		get 1.2s 1.3s got=1
	`, false},
	{"another value is shown", `
		acquire 0 10ms ttl=5 value=a got=1
		get 1.2s 1.3s got=1 shown=b
	`, false},
	{"somebody is seen whom nobody knows", `
		acquire 0 10ms ttl=1 got=1
		acquire 0 2s ttl=5 value=x left
		get 1.2s 1.3s got=3 shown=x
		acquire 0 3s ttl=5 value=b got=4
	`, true},
	{"somebody is seen whom nobody knows, before the holder's time is over", `
		acquire 0 10ms ttl=5 got=1
		get 1.2s 1.3s got=3 shown=x
	`, false},
	{"somebody is seen whom nobody knows, and then with another value", `
		get 1.2s 1.3s got=3 shown=x
		get 1.4s 1.5s got=3 shown=y
	`, false},
	{"somebody is seen whom nobody knows, then nobody, then again", `
		get 1.2s 1.3s got=3 shown=x
		get 1.4s 1.5s
		get 1.6s 1.7s got=3 shown=x
	`, false},
	{"somebody is seen before the answer", `
		acquire 0 2s ttl=5 value=x got=3
		get 1.2s 1.3s got=3 shown=x
	`, true},
	{"somebody is seen, with another value, before the answer", `
		acquire 0 2s ttl=5 value=x got=3
		get 1.2s 1.3s got=3 shown=y
	`, false},
	{"an old holder is seen after a new one", `
		get 1.2s 1.3s got=3 shown=x
		get 1.4s 1.5s got=2 shown=y
	`, false},
	{"one who is not known renews, and it may be taken from it when its client turns out to have gone", `
		acquire 0 2s ttl=9 value=x left
		renew 1.8s 1.9s ttl=9 value=x
		get 2.1s 2.2s
	`, true},
	{"a renewal by value may be that of an entry that nobody was told of", `
		acquire 0 10ms ttl=1 value=a got=1
		acquire 2s 2.1s ttl=2 value=a left
		renew 2.5s 2.6s ttl=3 value=a
		get 2.7s 2.8s got=2 shown=a
	`, true},
	{"a renewal by value is the second hold's", `
		acquire 0 10ms ttl=1 value=a got=1
		acquire 2s 2.1s ttl=1 value=a got=2
		renew 2.5s 2.6s ttl=3 value=a
		get 3s 4s
	`, false},

	{"it is the holder", `
		acquire 0 10ms ttl=5 got=1
		holds 1s 1.1s index=1
		holds 1s 1.1s index=2 status=412
		release 2s 2.1s index=1
		holds 3s 3.1s index=1 status=412
	`, true},
	{"the holder is said not to be it", `
		acquire 0 10ms ttl=5 got=1
		holds 1s 1.1s index=1 status=412
	`, false},
	{"who was the holder is said to be it", `
		acquire 0 10ms ttl=5 got=1
		release 20ms 30ms index=1
		holds 1s 1.1s index=1
	`, false},
	{"somebody is the holder whom nobody knows", `
		acquire 0 10ms ttl=5 got=1
		release 20ms 30ms index=1
		holds 1s 1.1s index=2
		get 1.2s 1.3s got=2 shown=x
	`, true},

	{"an election", `
		acquire 0 10ms ttl=5 value=a got=1 space=leader
		holds 1s 1.1s value=a space=leader
		holds 1s 1.1s value=b space=leader status=412
		acquire 1s 1.1s ttl=5 value=a got=1 space=leader
		get 1.2s 1.3s got=1 shown=a space=leader
		release 2s 2.1s value=a space=leader
		acquire 0 2.05s ttl=5 value=b got=2 space=leader
	`, true},
	{"two leaders", `
		acquire 0 10ms ttl=5 value=a got=1 space=leader
		acquire 0 10ms ttl=5 value=b got=2 space=leader
	`, false},
	{"who leads is said not to", `
		acquire 0 10ms ttl=5 value=a got=1 space=leader
		holds 1s 1.1s value=a status=412 space=leader
	`, false},
	{"who does not lead is said to", `
		acquire 0 10ms ttl=5 value=a got=1 space=leader
		holds 1s 1.1s value=b space=leader
	`, false},
	{"a lock and an election of one name", `
		acquire 0 10ms ttl=5 value=a got=1
		acquire 0 10ms ttl=5 value=a got=2 space=leader
	`, true},
}

// Each history is judged as it should be.
func TestJudgement(t *testing.T) {
	for _, c := range judgements {
		t.Run(c.name, func(t *testing.T) {
			findings := Check(sketch.History(c.history), time.Minute)
			if right := len(findings) == 0; right != c.right {
				t.Errorf("right: %t, and not %t: %v", right, c.right, findings)
			}
		})
	}
}

// This search comes to the same as porcupine's.
func TestPorcupineAgrees(t *testing.T) {
	for _, c := range judgements {
		for _, ops := range sketch.History(c.history).ByLock() {
			agree(t, c.name, inputs(ops))
		}
	}
}

func agree(t *testing.T, name string, ops []input) {
	t.Helper()
	operations := make([]porcupine.Operation, len(ops))
	for i, in := range ops {
		operations[i] = operation(in)
	}
	theirs := porcupine.CheckOperationsTimeout(lock(), operations, time.Second)
	ours := porcupine.Illegal
	if newSearch(ops, time.Minute).explain(0, state{}) {
		ours = porcupine.Ok
	}
	if theirs != porcupine.Unknown && ours != theirs {
		t.Errorf("%s: %s, and porcupine says %s", name, ours, theirs)
	}
}

// A finding says where it is, and draws a picture of it.
func TestFinding(t *testing.T) {
	findings := Check(sketch.History(`
		acquire 0 10ms ttl=5 value=a got=1
		renew 100ms 110ms ttl=5 value=a client=1
		acquire 0 1s ttl=5 got=2 client=8
		acquire 9s 10s ttl=5 got=3 client=9
	`), time.Minute)
	if len(findings) != 1 || findings[0].Stuck.Client != 8 || !strings.Contains(findings[0].String(), "client 8") {
		t.Fatal(findings)
	}
	var page strings.Builder
	if err := findings[0].Picture(&page); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "acquire for 5 s: 200 2") {
		t.Error("the request is not in the picture")
	}
}

// What can't be judged in time is not passed.
func TestPatience(t *testing.T) {
	h := sketch.History(`
		acquire 0 10ms ttl=500 got=1
		get 1s 100s` + strings.Repeat(`
		release 0 100s value=a`, 2000) + `
		acquire 100s 1000s ttl=1 value=a got=2
	`)
	if findings := Check(h, time.Millisecond); len(findings) != 1 || !findings[0].Unsure {
		t.Error(findings)
	}
}
