package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/robustness/history/sketch"
)

// Each of these histories is judged as it should be: those that are right, and only look
// suspicious, are passed, and in those that are wrong the invariant is named that they break.
func TestJudgement(t *testing.T) {
	for _, c := range []struct {
		name    string
		history string
		by      string // the invariants, with spaces between them
	}{
		// I1
		{"one holder after the other", `
			acquire 0 10ms ttl=5 got=1
			release 1s 1.1s index=1
			acquire 500ms 1.05s ttl=5 got=2 client=2
		`, ""},
		{"two holders at once", `
			acquire 0 10ms ttl=5 got=1
			acquire 0 1s ttl=5 got=2 client=2
		`, "I1"},
		{"the next one gets it when the TTL ends, to the moment", `
			acquire 0 10ms ttl=1 got=1
			acquire 0 1s ttl=5 got=2 client=2
		`, ""},
		{"the next one gets it just before the TTL ends", `
			acquire 0 10ms ttl=1 got=1
			acquire 0 999ms ttl=5 got=2 client=2
		`, "I1"},
		{"the TTL begins with the grant, and not with the request: the one before was told later", `
			acquire 0 1s ttl=5 got=1
			release 2s 2.1s index=1
			acquire 100ms 2.05s ttl=5 got=2 client=2
			acquire 200ms 4s ttl=5 got=3 client=3
		`, "I1"},
		{"a renewal is a hold for its TTL", `
			acquire 0 10ms ttl=1 got=1
			renew 900ms 910ms ttl=1 index=1
			acquire 0 1.8s ttl=5 got=2 client=2
		`, "I1"},
		{"a release that nobody knows the outcome of", `
			acquire 0 10ms ttl=60 got=1
			release 1s 2s index=1 lost
			acquire 0 1.5s ttl=5 got=2 client=2
		`, "I8"},
		{"a release by value, whose outcome nobody knows, takes effect on the value's next hold", `
			trouble 0 10s
			release 0 1s value=a lost
			acquire 2s 2.1s ttl=60 value=a got=1
			acquire 0 3s ttl=5 got=2 client=2
		`, ""},
		{"a renewal of unknown outcome that shortens the TTL", `
			trouble 0 10s
			acquire 0 10ms ttl=60 got=1
			renew 1s 2s ttl=1 index=1 lost
			acquire 0 3s ttl=5 got=2 client=2
		`, ""},
		{"a renewal of unknown outcome that does not shorten it", `
			trouble 0 10s
			acquire 0 10ms ttl=60 got=1
			renew 1s 2s ttl=60 index=1 lost
			acquire 0 3s ttl=5 got=2 client=2
		`, "I1"},
		{"two holders at once under a fault", `
			trouble 0 10s
			acquire 0 10ms ttl=5 got=1
			acquire 0 1s ttl=5 got=2 client=2
		`, "I1"},
		{"two holders at once during a stall", `
			stall 0 10s
			acquire 0 10ms ttl=5 got=1
			acquire 0 1s ttl=5 got=2 client=2
		`, "I1"},
		{"a renewal by value is the second hold's of that value", `
			acquire 0 10ms ttl=1 value=a got=1
			acquire 2s 2.1s ttl=1 value=a got=2
			renew 2.5s 2.6s ttl=3 value=a
			acquire 2.7s 2.7s ttl=1 timeout=0 status=423 client=2
		`, ""},
		{"a renewal by value may be that of an entry that nobody was told of", `
			acquire 0 10ms ttl=1 value=a got=1
			acquire 2s 2.1s ttl=2 value=a left
			renew 2.5s 2.6s ttl=3 value=a
			sight 3s 3.01s 2:a*
			sight 5s 5.01s
		`, ""},
		{"etcd does not have the holder's entry", `
			acquire 0 10ms ttl=5 got=1
			sight 500ms 510ms 1:-*
			sight 1s 1.01s
		`, "I1"},
		{"the entry is gone when the TTL ends, to the moment", `
			acquire 0 10ms ttl=1 got=1
			sight 1s 1s
		`, ""},
		{"the entry is gone while its release is under way", `
			acquire 0 10ms ttl=5 got=1
			release 900ms 1.2s index=1
			sight 890ms 910ms
			sight 1s 1.01s
		`, ""},
		{"elections and locks of one name have nothing to do with each other", `
			acquire 0 10ms ttl=5 value=a got=1
			acquire 0 10ms ttl=5 value=a got=2 space=leader
		`, ""},
		{"two leaders", `
			acquire 0 10ms ttl=5 value=a got=1 space=leader
			acquire 0 10ms ttl=5 value=b got=2 space=leader client=2
		`, "I1"},

		// I2
		{"one who asked before is told a smaller index", `
			acquire 0 3.1s ttl=1 got=1
			release 3.2s 3.3s index=1
			acquire 10ms 3.4s ttl=5 got=2 client=2
		`, ""},
		{"a smaller index after a greater one", `
			acquire 0 10ms ttl=1 got=2
			release 20ms 30ms index=2
			acquire 40ms 50ms ttl=1 got=1 client=2
		`, "I2"},
		{"a smaller index after a greater one, under a fault", `
			trouble 0 1s
			acquire 0 10ms ttl=1 got=2
			release 20ms 30ms index=2
			acquire 40ms 50ms ttl=1 got=1 client=2
		`, "I2"},
		{"a smaller index than that of one who came later and has gone", `
			acquire 0 1s ttl=5 got=1
			acquire 10ms 20ms ttl=5 got=2 client=2
			release 30ms 40ms index=2 client=2
		`, "I2"},
		{"an answer that is late: its hold may have been over", `
			trouble 0 10s
			acquire 0 5s ttl=1 got=1
			acquire 10ms 2s ttl=5 got=2 client=2
			release 3s 3.1s index=2 client=2
		`, ""},
		{"two requests with one value get one index", `
			acquire 0 1s ttl=5 value=a got=1
			acquire 500ms 1s ttl=5 value=a got=1 client=2
		`, ""},
		{"two requests with two values get one index", `
			acquire 0 1s ttl=5 value=a got=1
			acquire 500ms 1s ttl=5 value=b got=1 client=2
		`, "I2"},
		{"two requests without a value get one index", `
			acquire 0 1s ttl=5 got=1
			acquire 500ms 1s ttl=5 got=1 client=2
		`, "I2"},
		{"an index is given again while its release is under way", `
			acquire 0 10ms ttl=5 value=a got=1
			release 20ms 100ms index=1
			acquire 30ms 40ms ttl=5 value=a got=1
		`, ""},
		{"an index is given again after its release", `
			acquire 0 10ms ttl=5 value=a got=1
			release 20ms 30ms index=1
			acquire 40ms 50ms ttl=5 value=a got=1
		`, "I2"},

		// I3
		{"who waits stands behind the holder", `
			acquire 0 10ms ttl=5 value=a got=1
			acquire 100ms 2.2s ttl=5 value=b got=2 client=2
			sight 1s 1.01s 1:a* 2:b
			release 2s 2.1s value=a
			release 2.3s 2.4s value=b client=2
			sight 3s 3.01s
		`, ""},
		{"the holder stands behind one who waits", `
			acquire 0 10ms ttl=5 value=b got=2
			acquire 0 2s ttl=5 timeout=2 value=a status=423 client=2
			sight 1s 1.01s 1:a 2:b*
			release 1.9s 2s value=b
			sight 3s 3.01s
		`, "I3"},
		{"one is granted behind another, and nobody has been told yet", `
			acquire 0 2s ttl=5 timeout=2 value=b status=423
			acquire 0 2s ttl=5 timeout=2 value=a status=423 client=2
			sight 1s 1.01s 1:a 2:b*
			sight 3s 3.01s
		`, "I3"},

		// I4
		{"the entry of one who waits", `
			acquire 0 10ms ttl=5 value=a got=1
			acquire 0 4s ttl=5 timeout=4 value=b status=423 client=2
			sight 3.9s 3.91s 1:a* 2:b
			sight 7s 7.01s
		`, ""},
		{"who has gone is still there within a second", `
			acquire 0 10ms ttl=9 value=a got=1
			acquire 0 3s ttl=5 value=b left client=2
			sight 3.99s 4s 1:a* 2:b
			sight 10s 10.01s
		`, ""},
		{"who has gone is still there after a second", `
			acquire 0 10ms ttl=9 value=a got=1
			acquire 0 3s ttl=5 value=b left client=2
			sight 4.01s 4.02s 1:a* 2:b
			sight 10s 10.01s
		`, "I4"},
		{"who has gone is still there after a second, in which the recorder was not run", `
			acquire 0 10ms ttl=9 value=a got=1
			acquire 0 3s ttl=5 value=b left client=2
			stall 3.5s 3.6s
			sight 4.01s 4.02s 1:a* 2:b
			sight 10s 10.01s
		`, ""},
		{"who has gone together with its gateway is still there within 15 s", `
			trouble 2s 4s gateway=1
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 3s ttl=5 value=b lost client=2
			sight 18.9s 19s 1:a* 2:b
			release 20s 20.1s value=a
			sight 21s 21.01s
		`, ""},
		{"who has gone together with its gateway is still there after 15 s", `
			trouble 2s 4s gateway=1
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 3s ttl=5 value=b lost client=2
			sight 19.1s 19.2s 1:a* 2:b
			release 20s 20.1s value=a
			sight 21s 21.01s
		`, "I4"},
		{"without a value, it may be the one whose gateway has died, though another has gone since", `
			trouble 2s 4s gateway=1
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 3s ttl=5 lost client=2
			acquire 5s 6s ttl=5 timeout=1 status=423 client=3
			sight 10s 10.1s 1:a* 2:-
			release 20s 20.1s value=a
			sight 21s 21.01s
		`, ""},
		{"who vanished when it got the lock may have been told", `
			acquire 0 1s ttl=5 value=a left
			sight 990ms 1s 1:a*
			sight 8.9s 8.91s 1:a*
			sight 9s 9.01s
		`, ""},
		{"who vanished when it got the lock, a long time ago", `
			acquire 0 1s ttl=5 value=a left
			sight 990ms 1s 1:a*
			sight 9.1s 9.11s 1:a*
			sight 10s 10.01s
		`, "I4"},
		{"who has not been seen for long may have got the lock just before it vanished", `
			acquire 0 5ms ttl=5 value=z got=1
			release 6ms 8ms value=z
			sight 10ms 20ms
			acquire 0 1s ttl=5 value=a left client=2
			sight 5s 5.01s 2:a*
			sight 9s 9.01s
		`, ""},
		{"who was granted the lock when it had long gone", `
			acquire 0 3.5s ttl=9 value=z got=1
			release 3.6s 3.8s value=z
			acquire 0 1s ttl=5 value=a left client=2
			sight 1.5s 1.6s 1:z* 2:a
			sight 3.5s 3.51s 1:z* 2:a
			sight 4s 4.01s 2:a*
			sight 6s 6.01s
		`, "I4"},
		{"a hold without a value that is on", `
			acquire 0 10ms ttl=9 got=1
			sight 8s 8.01s 1:-*
			sight 12s 12.01s
		`, ""},
		{"a hold that lasts two seconds longer than it should", `
			acquire 0 10ms ttl=2 got=1
			sight 5s 5.01s 1:-*
			sight 6s 6.01s
		`, ""},
		{"a hold whose TTL has begun anew with a new leader of etcd", `
			trouble 7s 8s
			acquire 0 10ms ttl=20 got=1
			sight 30s 30.01s 1:-*
			sight 32s 32.01s
		`, ""},
		{"a hold whose TTL has begun anew with a new leader of etcd, and lasts for ever", `
			trouble 7s 8s
			acquire 0 10ms ttl=20 got=1
			sight 31.1s 31.11s 1:-*
			sight 32s 32.01s
		`, "I4"},
		{"a hold that lasts for ever", `
			acquire 0 10ms ttl=2 got=1
			sight 5.1s 5.11s 1:-*
			sight 6s 6.01s
		`, "I4"},
		{"a hold that may have been renewed", `
			acquire 0 10ms ttl=2 value=a got=1
			acquire 1.5s 1.8s ttl=5 value=a left
			sight 8s 8.01s 1:a*
			sight 9s 9.01s
		`, ""},
		{"a hold that nobody was told of, and that was renewed", `
			acquire 0 1s ttl=1 value=a left
			sight 1s 1.01s 1:a*
			renew 2s 2.1s ttl=5 value=a
			sight 8s 8.01s 1:a*
			sight 9s 9.01s
		`, ""},
		{"a release that does nothing", `
			acquire 0 10ms ttl=9 value=a got=1
			release 1s 1.1s value=a
			sight 2.2s 2.21s 1:a*
			sight 3s 3.01s
		`, "I4"},
		{"a release that does nothing, while somebody waits with that value", `
			acquire 0 10ms ttl=9 value=a got=1
			release 1s 1.1s value=a
			acquire 1.2s 3s value=a ttl=9 timeout=0 left
			sight 2.2s 2.21s 1:a*
			sight 4s 4.01s
		`, "I4"},
		{"an entry that nobody has asked for", `
			acquire 0 10ms ttl=5 value=a got=1
			sight 1s 1.01s 1:a* 2:b
			release 2s 2.1s value=a
			sight 3s 3.01s
		`, "I4"},
		{"an entry that has to be given back: another one has its value", `
			acquire 0 10ms ttl=9 value=h got=1 client=3
			acquire 100ms 3s ttl=5 value=a got=2
			acquire 100ms 3s ttl=5 value=a got=2 client=2
			sight 150ms 160ms 1:h* 2:a 3:a
			sight 200ms 210ms 1:h* 2:a
			release 2.9s 3s value=h client=3
			release 3.1s 3.2s value=a
			sight 4s 4.01s
		`, ""},
		{"an entry whose request has to queue again, because its gateway's session has run out", `
			acquire 0 10ms ttl=60 value=h got=1 client=3
			acquire 100ms 20.1s ttl=5 got=3
			trouble 1s 18s
			sight 500ms 510ms 1:h* 2:-
			sight 19s 19.1s 1:h* 3:-
			release 20s 20.1s value=h client=3
			release 20.2s 20.3s index=3
			sight 21s 21.01s
		`, ""},
		{"an entry that is made while it is looked at", `
			sight 0 100ms 1:a*
			acquire 50ms 110ms ttl=5 value=a got=1
			release 200ms 300ms value=a
			sight 400ms 410ms
		`, ""},
		{"who has gone through a gateway that was well is still there after a second, whatever happened to another", `
			trouble 2s 4s gateway=2
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 3s ttl=5 value=b lost client=2
			sight 5.1s 5.2s 1:a* 2:b
			release 20s 20.1s value=a
			sight 21s 21.01s
		`, "I4"},
		{"who has gone while etcd was away is still there within a second of its return", `
			trouble 2s 4s
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 3s ttl=5 value=b lost client=2
			sight 4.9s 4.99s 1:a* 2:b
			release 20s 20.1s value=a
			sight 21s 21.01s
		`, ""},
		{"who has gone is there for long, until and after the next fault", `
			trouble 8s 9s
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 3s ttl=5 value=b left client=2
			sight 1s 1.01s 1:a* 2:b
			sight 9.5s 9.6s 1:a* 2:b
			release 20s 20.1s value=a
			sight 21s 21.01s
		`, "I4"},
		{"who has gone is there since the next fault", `
			trouble 3.5s 9s
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 3s ttl=5 value=b left client=2
			sight 1s 1.01s 1:a* 2:b
			sight 9.5s 9.6s 1:a* 2:b
			release 20s 20.1s value=a
			sight 21s 21.01s
		`, ""},
		{"a dead gateway's session may have begun anew with a new leader of etcd", `
			trouble 2s 4s gateway=1
			election 10s 11s
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 3s ttl=5 value=b lost client=2
			sight 25.9s 25.99s 1:a* 2:b
			release 30s 30.1s value=a
			sight 31s 31.01s
		`, ""},
		{"a hold whose TTL can't have begun anew: it was a gateway's fault", `
			trouble 7s 8s gateway=1
			acquire 0 10ms ttl=20 got=1
			sight 30s 30.01s 1:-*
			sight 32s 32.01s
		`, "I4"},
		{"more entries without a value than requests that may have one", `
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 3s ttl=5 left client=2
			acquire 0 9s ttl=5 left client=3
			sight 5s 5.01s 1:a* 2:- 3:-
			release 9s 9.1s value=a
			sight 11s 11.01s
		`, "I4"},
		{"as many entries without a value as requests that may have one", `
			acquire 0 10ms ttl=60 value=a got=1
			acquire 0 4.1s ttl=5 left client=2
			acquire 0 9s ttl=5 left client=3
			sight 5s 5.01s 1:a* 2:- 3:-
			release 9s 9.1s value=a
			sight 11s 11.01s
		`, ""},

		// I5
		{"the next one is told within a second", `
			acquire 0 10ms ttl=9 got=1
			acquire 20ms 2.1s ttl=9 got=2 client=2
			release 1s 1.1s index=1
		`, ""},
		{"the next one is not told within a second", `
			acquire 0 10ms ttl=9 got=1
			acquire 20ms 2.2s ttl=9 got=2 client=2
			release 1s 1.1s index=1
		`, "I5"},
		{"the next one is not told within a second, in which the recorder was not run", `
			acquire 0 10ms ttl=9 got=1
			acquire 20ms 2.2s ttl=9 got=2 client=2
			release 1s 1.1s index=1
			stall 1.5s 1.7s
		`, ""},
		{"the next one is not told within a second, under a fault", `
			acquire 0 10ms ttl=9 got=1
			acquire 20ms 2.2s ttl=9 got=2 client=2
			release 1s 1.1s index=1
			trouble 2s 2.1s
		`, ""},
		{"the next one is not told within a second of a reload", `
			acquire 0 10ms ttl=9 got=1
			acquire 20ms 2.2s ttl=9 got=2 client=2
			reload 1s 1.1s
			release 1s 1.1s index=1
		`, "I5"},
		{"one in between gives up", `
			acquire 0 10ms ttl=9 got=1
			acquire 15ms 1.9s ttl=9 left client=3
			acquire 20ms 2.2s ttl=9 got=2 client=2
			release 1s 1.1s index=1
		`, ""},
		{"one in between gave up before", `
			acquire 0 10ms ttl=9 got=1
			acquire 15ms 900ms ttl=9 timeout=0 status=423 client=3
			acquire 20ms 2.2s ttl=9 got=2 client=2
			release 1s 1.1s index=1
		`, "I5"},
		{"one in between whose gateway died before may still stand there", `
			trouble 1s 4s gateway=1
			acquire 0 2s ttl=9 lost client=3
			acquire 0 4.1s ttl=9 got=2
			acquire 5ms 12s ttl=9 got=4 client=2
			release 5s 5.1s index=2
		`, ""},
		{"one in between whose gateway died, more than 15 s ago", `
			trouble 1s 4s gateway=1
			acquire 0 2s ttl=9 lost client=3
			acquire 0 4.1s ttl=30 got=2
			acquire 5ms 22s ttl=9 got=4 client=2
			release 20s 20.1s index=2
		`, "I5"},
		{"one in between that went more than a second ago, when nothing was the matter", `
			acquire 0 2s ttl=9 left client=3
			acquire 0 4.1s ttl=30 got=2
			acquire 5ms 22s ttl=9 got=4 client=2
			release 20s 20.1s index=2
		`, "I5"},
		{"one in between got the lock, and was not there to be told: it has it for its TTL", `
			acquire 0 10ms ttl=9 got=1
			acquire 15ms 1.05s ttl=5 left client=3
			acquire 20ms 8s ttl=9 got=3 client=2
			release 1s 1.1s index=1
		`, ""},
		{"one in between was cancelled", `
			acquire 0 10ms ttl=9 got=1
			acquire 15ms 1.5s ttl=5 value=c status=410 client=3
			release 1.4s 1.5s value=c client=3
			acquire 20ms 2.2s ttl=9 got=3 client=2
			release 1s 1.1s index=1
		`, ""},
		{"the next one is told three seconds after the TTL's end", `
			acquire 0 100ms ttl=2 got=1
			acquire 0 5.1s ttl=9 got=2 client=2
		`, ""},
		{"the next one is told more than three seconds after the TTL's end", `
			acquire 0 100ms ttl=2 got=1
			acquire 0 5.2s ttl=9 got=2 client=2
		`, "I5"},
		{"the TTL may have begun anew", `
			acquire 0 100ms ttl=2 value=a got=1
			acquire 1s 1.2s ttl=2 value=a left
			acquire 0 6s ttl=9 got=2 client=2
		`, ""},
		{"the head of the queue is not granted", `
			acquire 0 3s ttl=9 value=a got=2
			sight 1s 1.01s 2:a
			sight 2.1s 2.11s 2:a 3:b
			acquire 2s 4s ttl=9 value=b timeout=2 status=423 client=2
			release 3s 3.1s value=a
			sight 5s 5.1s
		`, "I5"},
		{"the head of the queue is granted within a second", `
			acquire 0 3s ttl=9 value=a got=2
			sight 1s 1.01s 2:a
			sight 2s 2.01s 2:a
			sight 2.1s 2.11s 2:a*
			release 3s 3.1s value=a
			sight 5s 5.1s
		`, ""},
		{"the head of the queue is granted, and not told", `
			acquire 0 3s ttl=9 value=a got=2
			sight 1s 1.01s 2:a*
			sight 2.1s 2.11s 2:a*
			release 3s 3.1s value=a
			sight 5s 5.1s
		`, "I5"},
		{"the head of the queue is not granted between two faults", `
			trouble 500ms 2s
			trouble 4s 5s
			acquire 0 9s ttl=9 value=a got=2
			sight 1s 1.01s 2:a
			sight 4.5s 4.51s 2:a
			sight 8s 8.01s 2:a*
			release 9s 9.1s value=a
			sight 10s 10.1s
		`, "I5"},
		{"the head of the queue is granted soon after a fault", `
			trouble 500ms 2s
			acquire 0 2.9s ttl=9 value=a got=2
			sight 1s 1.01s 2:a
			sight 2.9s 2.91s 2:a
			sight 3s 3.01s 2:a*
			release 9s 9.1s value=a
			sight 10s 10.1s
		`, ""},
		{"nobody waits in the head of the queue any more: its gateway has died", `
			trouble 500ms 1s gateway=1
			acquire 0 900ms ttl=9 value=a lost
			acquire 0 9s ttl=9 value=b got=3 client=2
			sight 1s 1.01s 2:a 3:b
			sight 8s 8.01s 2:a 3:b
			sight 8.2s 8.21s 3:b
			release 9s 9.1s value=b client=2
			sight 9.2s 9.3s
		`, ""},
		{"one waits until the end of the run", `
			acquire 0 10s ttl=9 waiting
		`, "I5"},
		{"one waits until the end of the run, under a fault", `
			trouble 0 10s
			acquire 0 10s ttl=9 waiting
		`, "I5"},

		{"locks can't be had quickly for some seconds, through any gateway", `
			unwell 20s 24s gateway=1
			unwell 20s 24s gateway=2
			unwell 20.1s 23.9s gateway=3
			release 40s 40.1s index=7 status=404
		`, ""},
		{"and for longer", `
			unwell 20s 30.5s
			release 40s 40.1s index=7 status=404
		`, "I5"},
		{"and again and again", `
			unwell 10s 14s gateway=1
			unwell 20s 24s gateway=2
			unwell 30s 34s gateway=1
			release 40s 40.1s index=7 status=404
		`, "I5"},
		{"which is less than a tenth of the run", `
			unwell 10s 14s gateway=1
			unwell 20s 24s gateway=2
			unwell 30s 34s gateway=1
			release 140s 140.1s index=7 status=404
		`, ""},
		{"there is a fault meanwhile", `
			trouble 19s 25s
			unwell 20s 35s
			release 40s 40.1s index=7 status=404
		`, ""},

		// timeout
		{"told within a second of the timeout", `
			acquire 0 3s ttl=9 timeout=2 status=423
			acquire 0 1s ttl=9 timeout=0 status=423
		`, ""},
		{"told later than that", `
			acquire 0 5ms ttl=60 value=h got=1 client=9
			acquire 0 3.1s ttl=9 timeout=2 status=423
		`, "timeout"},
		{"told later than that, under a fault", `
			trouble 1s 2s
			acquire 0 3.1s ttl=9 timeout=2 status=423
		`, ""},
		{"an answer that takes no time takes more than a second", `
			release 0 1.1s index=7 status=404
		`, "timeout"},
		{"a renewal of what has just run out takes until it is gone", `
			acquire 0 5ms ttl=2 got=1
			renew 2.1s 3.5s ttl=2 index=1 status=404
		`, ""},
		{"but not longer", `
			acquire 0 5ms ttl=2 got=1
			renew 2.1s 5.2s ttl=2 index=1 status=404
		`, "timeout"},
		{"who asks for what takes no time goes when it has waited for very long", `
			get 0 10s left
		`, "I8 timeout"},
		{"told that somebody else has the lock, and nobody has", `
			acquire 0 10ms ttl=60 got=1
			release 1s 1.1s index=1
			acquire 2.2s 2.3s ttl=5 timeout=0 status=423 client=2
		`, "I5"},
		{"told that somebody else has the lock, who has just gone", `
			acquire 0 10ms ttl=60 got=1
			release 1s 1.1s index=1
			acquire 2s 2.1s ttl=5 timeout=0 status=423 client=2
		`, ""},
		{"told that somebody else has the lock, who has it without knowing", `
			trouble 0 1s gateway=1
			acquire 500ms 900ms ttl=9 lost
			acquire 2s 2.1s ttl=5 timeout=0 status=423 client=2
		`, ""},
		{"told before the time is over", `
			acquire 0 5ms ttl=60 value=h got=1 client=9
			acquire 0 1.9s ttl=9 timeout=2 status=423
		`, "timeout"},
		{"told that the time is over that was without end", `
			acquire 0 5ms ttl=60 value=h got=1 client=9
			acquire 0 1.9s ttl=9 status=423
		`, "timeout"},

		// I7
		{"a value has two places for a moment", `
			acquire 0 4s ttl=9 timeout=4 value=a status=423
			acquire 0 4s ttl=9 timeout=4 value=a status=423 client=2
			acquire 0 10ms ttl=9 value=h got=1 client=3
			release 4s 4.1s value=h client=3
			sight 1s 1.01s 1:h* 2:a 3:a
			sight 2s 2.01s 1:h* 2:a 3:a
			sight 2.1s 2.11s 1:h* 2:a
			sight 5s 5.01s
		`, ""},
		{"a value has two places, beside others who come and go", `
			acquire 0 4s ttl=9 timeout=4 value=a status=423
			acquire 0 4s ttl=9 timeout=4 value=a status=423 client=2
			acquire 0 10ms ttl=9 value=h got=1 client=3
			acquire 1.4s 1.5s timeout=0 value=b status=423 client=4
			release 4s 4.1s value=h client=3
			sight 1s 1.01s 1:h* 2:a 3:a
			sight 1.5s 1.51s 1:h* 2:a 3:a 4:b
			sight 2.1s 2.11s 1:h* 2:a 3:a
			sight 5s 5.01s
		`, "I7"},
		{"those without a value have a place each", `
			acquire 0 4s ttl=9 timeout=4 status=423
			acquire 0 4s ttl=9 timeout=4 status=423 client=2
			acquire 0 10ms ttl=9 value=h got=1 client=3
			release 4s 4.1s value=h client=3
			sight 1s 1.01s 1:h* 2:- 3:-
			sight 3s 3.01s 1:h* 2:- 3:-
			sight 5s 5.01s
		`, ""},

		// I8
		{"answers that say something", `
			acquire 0 10ms ttl=1 timeout=0 status=423
			renew 0 10ms ttl=1 index=9 status=404
			renew 0 10ms ttl=1 value=a status=409
			release 0 10ms index=9 status=404
			get 0 10ms
			holds 0 10ms index=9 status=412
		`, ""},
		{"an error during a reload", `
			reload 0 1s
			release 10ms 20ms index=9 status=503
		`, "I8"},
		{"a broken connection", `
			get 10ms 20ms lost
		`, "I8"},
		{"a broken connection, under a fault", `
			trouble 15ms 16ms
			get 10ms 20ms lost
		`, ""},
		{"an answer that this request never gets", `
			holds 10ms 20ms index=1 status=404
		`, "I8"},
		{"a 410 that is another one than that of a cancelled request", `
			acquire 0 1s ttl=1 status=410 code=401
		`, "I8"},
		{"a client that goes", `
			acquire 0 2s ttl=1 left
		`, ""},

		// I9
		{"who waits is told that the gateway stops", `
			acquire 0 2s ttl=1 timeout=9 status=503
			stop 1.5s 8s gateway=1 healed=6.4s
		`, ""},
		{"the gateway takes too long", `
			stop 1.5s 8s gateway=1 healed=6.6s
		`, "I9"},
		{"who waited there has no entry when the gateway has stopped", `
			acquire 0 2s ttl=1 value=a status=503
			stop 1.5s 8s gateway=1 healed=6.4s
			sight 1s 1.1s 1:a
			sight 6.5s 6.6s
		`, ""},
		{"who waited there has an entry when the gateway has stopped", `
			acquire 0 2s ttl=1 value=a status=503
			stop 1.5s 8s gateway=1 healed=6.4s
			sight 1s 1.1s 1:a
			sight 6.5s 6.6s 1:a
			sight 7s 7.1s
		`, "I9"},
		{"who waited there asks again through another gateway", `
			acquire 0 2s ttl=1 value=a status=503
			acquire 6s 7s ttl=5 value=a gateway=2 got=1
			stop 1.5s 8s gateway=1 healed=6.4s
			sight 1s 1.1s 1:a
			sight 6.5s 6.6s 1:a
			release 7.1s 7.2s index=1
			sight 7.3s 7.4s
		`, ""},
		{"who waits is told nothing", `
			acquire 0 2s ttl=1 lost
			stop 1.5s 8s gateway=1 healed=2s
		`, "I9"},
		{"who waits at another gateway, or had only just asked", `
			acquire 0 2s ttl=1 gateway=2 lost
			acquire 600ms 2s ttl=1 gateway=1 lost
			stop 1.5s 8s gateway=1 healed=2s
		`, ""},

		// I10
		{"something is left", `
			acquire 0 10ms ttl=5 value=a got=1
			sight 1s 1.1s 1:a*
		`, "I10"},

		// 410
		{"one that was cancelled, by its value or by an index that nobody knows whose it is", `
			acquire 0 1s ttl=5 value=a status=410
			acquire 0 1s ttl=5 status=410 client=2
			release 900ms 1s value=a
			release 900ms 1s index=7
		`, ""},
		{"one that was cancelled by a request that was lost before", `
			trouble 0 10ms
			release 0 10ms value=a lost
			acquire 1s 2s ttl=5 value=a status=410
		`, ""},
		{"one that nobody has cancelled", `
			acquire 0 1s ttl=5 value=a status=410
			release 900ms 1s value=b
		`, "410"},
		{"one that nobody has cancelled while it waited", `
			acquire 1.1s 2s ttl=5 value=a status=410
			release 0 90ms value=a
			release 2.1s 2.2s value=a status=404
		`, "410"},
		{"one whose gateway has not heard yet of what was cancelled just before", `
			acquire 1s 2s ttl=5 value=a status=410
			release 0 90ms value=a
		`, ""},
		{"one that nobody could cancel: there was nothing", `
			acquire 100ms 1s ttl=5 value=a status=410
			release 900ms 950ms value=a status=404
		`, "410"},
		{"one without a value, while somebody else was released", `
			acquire 0 10ms ttl=5 got=1
			acquire 0 1s ttl=5 client=2 status=410
			release 900ms 1s index=1
		`, "410"},
		{"one with the value of the index that was released", `
			acquire 0 10ms ttl=5 value=a got=1
			acquire 0 1s ttl=5 value=a status=410 client=2
			release 900ms 1s index=1
		`, ""},

		{"what the run itself has found", `
			wrong 1s 1s invariant=CPU
		`, "CPU"},
	} {
		t.Run(c.name, func(t *testing.T) {
			violations := Check(sketch.History(c.history))
			found := []string{}
			for _, v := range violations {
				found = append(found, v.Invariant)
			}
			slices.Sort(found)
			if by := strings.Join(slices.Compact(found), " "); by != c.by {
				t.Errorf("found by %q, and not by %q: %v", by, c.by, violations)
			}
		})
	}
}
