package etcdv2

import (
	"encoding/json"
	"testing"

	client "go.etcd.io/etcd/client/v2"
)

// FuzzRecord: what is not a record names nobody, whoever has written it; and a record
// comes back from etcd as it was written.
func FuzzRecord(f *testing.F) {
	for _, text := range []string{
		`{"waiting":["g1","g2"],"claims":["g3"]}`, `{"claims":["?"]}`, "{}", "", "by hand", "null", "[]", `{"waiting":["g1"],"claims":5}`,
		`{"waiting":[null,1]}`, `{"WAITING":["g1"],"waiting":["g2"]}`, "{\"waiting\":[\"\xff\"]}", `{"waiting":["g1"]} x`, `{"claims":["g1","g1"]}`,
	} {
		f.Add(text, "g1")
	}
	f.Fuzz(func(t *testing.T, text, gateway string) {
		r := decodeRecord(&client.Node{Value: text})
		var anything struct {
			Waiting, Claims []string
			Cancelled       bool
		}
		isRecord := json.Unmarshal([]byte(text), &anything) == nil
		if !isRecord && !r.equal(record{}) || isRecord && !r.equal(record{anything.Waiting, anything.Claims, anything.Cancelled}) {
			t.Errorf("%q names %+v", text, r)
		}
		gateway = string([]rune(gateway)) // all are text
		left := r.leftBy(gateway)
		if left.has(gateway) {
			t.Errorf("%q has left, but not %+v", gateway, left)
		}
		for _, r := range []record{r, r.waitedBy(gateway), r.heldBy(gateway), left} {
			written, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if back := decodeRecord(&client.Node{Value: string(written)}); !back.equal(r) {
				t.Errorf("%+v comes back as %+v", r, back)
			}
		}
	})
}
