package cluster

import (
	"slices"
	"testing"
)

// Over v2, all that stays is left, but for what the gateways' design lets stay.
func TestLeft_v2(t *testing.T) {
	s := &System{API: "v2", Etcd: startEtcd(t, "v2"), t: t}
	if left, err := s.Left(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("in an etcd that is empty: %q, %v", left, err)
	}
	for _, may := range []string{
		"parties/lock/a/00000000000000000001?ttl=60", "observed?value=x", "tidied?value=1", "lock/empty?dir=true", "gateway?dir=true",
	} {
		if err := s.put(t.Context(), 0, "/v2/keys"+prefix+"/"+may); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := s.Left(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("what may stay: %q, %v", left, err)
	}
	want := []string{
		"/_etcd/mod/gateway/1", "/_etcd/mod/lock/a/00000000000000000001", "/_etcd/mod/parties/lock/a/00000000000000000002",
	}
	for _, key := range want {
		if err := s.put(t.Context(), 0, "/v2/keys"+key+"?value=x"); err != nil {
			t.Fatal(err)
		}
	}
	left, err := s.Left(t.Context())
	slices.Sort(left)
	if err != nil || !slices.Equal(left, want) {
		t.Errorf("%q, %v, want %q", left, err, want)
	}
}
