package history

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// What is saved is what is judged again: nothing of it is lost on the way.
func TestSaveLoad(t *testing.T) {
	h := &History{
		Run: Run{Seed: 1<<64 - 1, API: "v2", Etcd: "3.5", Command: "go test", Length: time.Minute},
		Ops: []Op{
			{
				Client: 3, Gateway: 2, Kind: Acquire, Space: Leader, Key: "a/b ü\n", Value: "x \"y\"", HasValue: true, Index: 1 << 63, TTL: 5,
				Timeout: Forever, Call: 1, Return: 1<<62 + 1, Status: 200, Code: 215, Got: 1<<64 - 1, Shown: "-", Left: true, Error: "EOF",
			},
			{Kind: Release},
		},
		Sights: []Sight{
			{Name: Name{Lock, "k"}, First: Span{1, 2}, Last: Span{3, 4}, Entries: []Entry{{Index: 7, Value: "v", HasValue: true, Held: true}, {Index: 8}}},
			{Name: Name{Lock, "k"}, First: Span{5, 6}, Last: Span{5, 6}},
		},
		Events: []Event{
			{Span: Span{1, 2}, Kind: Stop, Gateway: 1, Note: "note", Healed: 2, Gentle: true, Invariant: "I1"},
			{Kind: Stall},
		},
	}
	file := filepath.Join(t.TempDir(), "history")
	if err := h.Save(file); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(h, loaded) {
		t.Errorf("saved\n%+v\nloaded\n%+v", h, loaded)
	}
}

// A file that is cut off, or is something else, is not taken for a history.
func TestLoadBroken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	for _, text := range []string{`{"op":{"client":1`, "nonsense", `{"op":3}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); err == nil {
			t.Errorf("%q is loaded", text)
		}
	}
	if _, err := Load(file + "s"); err == nil {
		t.Error("a file that does not exist is loaded")
	}
}

// Looks that see the same are one sight, what has gone is seen to be, and what comes back
// is seen anew.
func TestLook(t *testing.T) {
	a, b := Name{Lock, "a"}, Name{Leader, "a"}
	one, two := []Entry{{Index: 1, Held: true}}, []Entry{{Index: 2}}
	r := NewRecorder(Run{})
	at := func(n int) Span { return Span{time.Duration(n) * time.Second, time.Duration(n)*time.Second + 1} }
	for n, queues := range []map[Name][]Entry{
		{},
		{a: one},
		{a: one, b: two},
		{b: two},
		{b: two},
		{a: one},
	} {
		r.Look(at(n), queues)
	}
	want := map[Name][]Sight{
		a: {
			{Name: a, First: at(1), Last: at(2), Entries: one},
			{Name: a, First: at(3), Last: at(4)},
			{Name: a, First: at(5), Last: at(5), Entries: one},
		},
		b: {
			{Name: b, First: at(2), Last: at(4), Entries: two},
			{Name: b, First: at(5), Last: at(5)},
		},
	}
	got := make(map[Name][]Sight)
	for _, s := range r.History().Sights {
		got[s.Name] = append(got[s.Name], s)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("seen\n%+v\nand not\n%+v", got, want)
	}
}

// The operations of each lock are judged in the order of their calls, not of their answers.
func TestByLock(t *testing.T) {
	h := &History{Ops: []Op{
		{Space: Lock, Key: "a", Call: 2, Return: 3}, {Space: Leader, Key: "a", Call: 1, Return: 4}, {Space: Lock, Key: "a", Call: 1, Return: 5},
	}}
	got := h.ByLock()
	want := map[Name][]Op{{Lock, "a"}: {h.Ops[2], h.Ops[0]}, {Leader, "a"}: {h.Ops[1]}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}
