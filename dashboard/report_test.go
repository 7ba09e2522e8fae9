package dashboard

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// told answers every request with one of some texts, by its path.
type told map[string]string

func (to told) RoundTrip(r *http.Request) (*http.Response, error) {
	text, ok := to[r.URL.Path]
	resp := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: io.NopCloser(strings.NewReader(text)), Request: r}
	if !ok {
		resp.StatusCode = http.StatusNotFound
	}
	for _, name := range []string{"X-Etcd-Index", "X-Raft-Term", "X-Raft-Index"} {
		resp.Header.Set(name, text)
	}
	return resp, nil
}

var (
	inHex  = regexp.MustCompile(`^([1-9a-f][0-9a-f]{0,15})?$`)
	aNull  = regexp.MustCompile(`"(alarms|members|peerURLs|clientURLs|errors|peers|activePeers)":null`)
	wordOf = map[bool]string{false: "v3", true: "v2"}
)

// FuzzReport: whatever an endpoint answers, the report is JSON in the documented form,
// with every list in it, and each member in it has a status or says why not.
func FuzzReport(f *testing.F) {
	const status = `{"header":{"member_id":"10501334649042878790","revision":"7"},"version":"3.5.21","dbSize":"20480","leader":"10501334649042878790","raftIndex":"9","raftTerm":"2","errors":["memberID:10501334649042878790 alarm:NOSPACE ","etcdserver: no leader"]}`
	const members = `{"members":[{"ID":"10501334649042878790","name":"a","peerURLs":["http://10.0.0.1:2380"],"clientURLs":["http://10.0.0.1:2379"]},{"ID":"5"}]}`
	const metrics = "# TYPE grpc_server_handled_total counter\ngrpc_server_handled_total{grpc_code=\"OK\",grpc_service=\"etcdserverpb.KV\"} 4\n" +
		"# TYPE etcd_disk_wal_fsync_duration_seconds histogram\netcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 1\netcd_disk_wal_fsync_duration_seconds_sum 0.004\netcd_disk_wal_fsync_duration_seconds_count 3\n" +
		"# TYPE etcd_network_peer_round_trip_time_seconds histogram\netcd_network_peer_round_trip_time_seconds_sum{To=\"5\"} 0.1\netcd_network_peer_round_trip_time_seconds_count{To=\"5\"} 2\n" +
		"etcd_network_active_peers{Local=\"91bc3c398fb3c146\",Remote=\"5\"} 1\netcd_server_quota_backend_bytes 2.147483648e+09\netcd_server_proposals_committed_total 12\n"
	f.Add(false, status, members, metrics, "")
	f.Add(false, `{"header":{"member_id":"1"},"dbSize":20480}`, `{"members":null}`, "etcd_server_quota_backend_bytes NaN", "")
	f.Add(false, `{"header":{"member_id":1}}`, "[]", "", "")
	f.Add(false, `{"header":{"member_id":"1"},"errors":["<b>","memberID:99999999999999999999 alarm:CORRUPT"],"isLearner":true}`, `{"members":[{"ID":"1","clientURLs":[":"]},{"ID":"1"}]}`, "grpc_server_handled_total -1e300\n", "")
	f.Add(true, `{"id":"91bc3c398fb3c146","etcdserver":"2.3.8"}`, `{"members":[{"id":"91bc3c398fb3c146","name":"a","clientURLs":["http://10.0.0.1:2379"]}]}`, metrics,
		`{"health":"true","getsSuccess":4,"getsFail":1,"deleteFail":2,"followers":{"5":{"latency":{"current":0.5,"average":1e3}}}}`)
	f.Add(true, `{"id":"1"}`, "null", "etcd_server_proposals_applied_total 1e300\n", `{"health":"false","reason":"<b>","getsSuccess":-1}`)
	f.Add(true, `{"id":"1"}`, `{"members":[{"status":{},"asked":true,"error":"x"}]}`, "# TYPE etcd_network_peer_round_trip_time_seconds summary\n", `{"followers":{"1":null},"createFail":18446744073709551615,"setsFail":1}`)
	f.Add(true, "12", "", "", "")
	f.Fuzz(func(t *testing.T, v2 bool, status, members, metrics, others string) {
		s := NewSurvey(Options{API: wordOf[v2], Prefix: "/_etcd/mod", Endpoints: []string{"http://10.0.0.1:2379", "http://10.0.0.2:2379"}})
		defer s.Close()
		answers := told{"/metrics": metrics, "/v3/maintenance/status": status, "/v3/cluster/member/list": members, "/v2/stats/self": status,
			"/v2/members": members, "/version": status, "/v2/members/leader": status, "/health": others, "/v2/stats/store": others, "/v2/stats/leader": others, "/v2/keys/_etcd/mod": status}
		for i, e := range s.endpoints {
			e.client = &http.Client{Transport: answers}
			if i > 0 {
				e.client.Transport = told{} // not an etcd
			}
		}
		text, err := s.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var c Cluster
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil || aNull.Match(text) {
			t.Fatalf("%v: %s", err, text)
		}
		if again, err := json.Marshal(c); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%s\ncomes back as\n%s %v", text, again, err)
		}
		ids := []string{c.Leader}
		asked := 0
		for _, m := range c.Members {
			ids = append(ids, m.ID)
			if m.Asked {
				asked++
			}
			if m.Asked != (m.Status != nil || m.Error != "") || m.Status != nil && m.Error != "" || m.Status == nil && (m.Metrics != nil || m.Latency != 0) || strings.Contains(m.Error, "10.0.0.") {
				t.Errorf("a member is %+v in %s", m, text)
			}
		}
		if asked < 1 || asked > 2 {
			t.Errorf("%d members have been asked in %s", asked, text)
		}
		if !slices.IsSortedFunc(c.Members, func(a, b Member) int {
			if (a.Name == "") != (b.Name == "") {
				return strings.Compare(b.Name, a.Name)
			}
			return strings.Compare(a.Name, b.Name)
		}) {
			t.Errorf("they are not by name, or without one last: %s", text)
		}
		for _, id := range ids {
			if !v2 && !inHex.MatchString(id) {
				t.Errorf("the identifier %q in %s", id, text)
			}
		}
	})
}
