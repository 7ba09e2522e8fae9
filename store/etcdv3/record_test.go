package etcdv3

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// TestRecordSaysSinceWhen has a record say when the hold began: at the grant, and
// not when another gateway joins it or its TTL changes.
func TestRecordSaysSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waiting := record{State: stateWaiting}.waitedBy("g1")
		if waiting.Since != 0 {
			t.Errorf("an entry that waits says %d", waiting.Since)
		}
		time.Sleep(time.Minute)
		granted := time.Now().Unix()
		held := waiting.heldBy("g1", 60)
		time.Sleep(time.Minute)
		if joined := held.heldBy("g2", 30); held.Since != granted || joined.Since != granted {
			t.Errorf("since %d, and %d when another gateway had joined; want %d", held.Since, joined.Since, granted)
		}
	})
}

// FuzzRecord: whatever somebody has written under an entry's key, it is an entry that
// holds up the queue, with the index that etcd has given it; what is no record waits,
// and shows itself. A record comes back from etcd as it was written, and so does the
// client's value, byte for byte.
func FuzzRecord(f *testing.F) {
	now := func(r record, value string) { f.Add([]byte(r.encode(value)), value, "g1") }
	now(record{State: stateWaiting, Made: "m"}.waitedBy("g1"), "bar")
	now(record{Made: "m"}.heldBy("g1", 60), "")
	now(record{State: stateWaiting, Made: "m", Shared: true}.waitedBy("g1").waitedBy("g2"), "a\nb")
	for _, text := range []string{
		"by hand", "", "\n", "null\nbar", "{}\n", "[]\n", `{"state":"held"}`, "{\"state\":\"held\"}\nbar", "{\"state\":\"held\",\"ttl\":-1}\n",
		"{\"state\":\"held\",\"ttl\":9223372036854775807}\n", "{\"state\":\"held\",\"ttl\":1e3}\n", "{\"STATE\":\"held\"}\r\n\n",
		"{\"waiting\":[null,\"\xff\"],\"claims\":{}}\n", "{\"state\":\"later\",\"new\":[1]}\n\xff",
	} {
		f.Add([]byte(text), text, "")
	}
	f.Fuzz(func(t *testing.T, text []byte, value, gateway string) {
		q := queue{prefix: "/p/lock/k/"}
		decoded := func(name, text string) (store.Entry, record) {
			t.Helper()
			kv := &mvccpb.KeyValue{Key: []byte(q.entry(name)), CreateRevision: 5, ModRevision: 7, Lease: 9, Value: []byte(text)}
			e := q.decode(kv)
			r := refOf(e)
			if e.Name != name || e.Index != 5 || r.rev != 7 || r.lease != 9 || e.Held != r.rec.held() || e.TTL < 0 || !e.Held && e.TTL != 0 {
				t.Fatalf("%q is %+v with %+v", text, e, r)
			}
			return e, r.rec
		}
		for _, name := range []string{valuedName(value), anonymousHold} {
			valued := name != anonymousHold
			e, r := decoded(name, string(text))
			header, rest, _ := strings.Cut(string(text), "\n")
			if e.Held && (!strings.HasPrefix(strings.TrimLeft(header, " \t\r"), "{") || e.Value != rest || e.HasValue != valued) {
				t.Errorf("%q is held: %+v", text, e)
			}
			if !e.Held && e.Value != string(text) && e.Value != rest {
				t.Errorf("%q shows itself as %q", text, e.Value)
			}
			for what, r := range map[string]record{"as it is": r, "waited for": r.waitedBy(gateway), "held": r.heldBy(gateway, 60), "left": r.leftBy(gateway)} {
				e, back := decoded(name, r.encode(value))
				if e.Value != value || e.HasValue != valued || !same(back, r) {
					t.Errorf("%s, %q was written as %+v with %q, and is %+v with %q", what, text, r, value, back, e.Value)
				}
			}
		}
	})
}

// same says whether two records say the same. JSON tells no empty list from none, and
// has one character for all bytes that are no text, which no gateway's name has.
func same(a, b record) bool {
	for _, r := range []*record{&a, &b} {
		for _, list := range []*[]string{&r.Waiting, &r.Claims} {
			var text []string
			for _, s := range *list {
				text = append(text, string([]rune(s)))
			}
			*list = text
		}
	}
	return reflect.DeepEqual(a, b)
}
