package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/dashboard"
	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// survey makes one that ends with the test.
func survey(t *testing.T, o dashboard.Options) *dashboard.Survey {
	t.Helper()
	o.Prefix = "/_etcd/mod"
	s := dashboard.NewSurvey(o)
	t.Cleanup(s.Close)
	return s
}

// nulls are lists and objects that always have to be there.
var nulls = regexp.MustCompile(`"(alarms|members|peerURLs|clientURLs|errors|peers|activePeers)":null`)

// report is what a survey finds out.
func report(t *testing.T, s *dashboard.Survey) dashboard.Cluster {
	t.Helper()
	text, err := s.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found := nulls.FindAll(text, -1); found != nil {
		t.Errorf("there are %q in %s", found, text)
	}
	var c dashboard.Cluster
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return c
}

// until asks until it is so, for some seconds: a new round begins every second, and who takes
// longer for its answer has not answered in that one.
func until(t *testing.T, s *dashboard.Survey, what string, so func(dashboard.Cluster) bool) (c dashboard.Cluster) {
	t.Helper()
	patience.UntilEvery(t, 20*time.Second, 50*time.Millisecond, func() error {
		if c = report(t, s); !so(c) {
			return fmt.Errorf("%s: it is %s", what, show(c))
		}
		return nil
	})
	return c
}

// untilMember asks until that is so of the first member.
func untilMember(t *testing.T, s *dashboard.Survey, what string, so func(dashboard.Member) bool) {
	t.Helper()
	until(t, s, what, func(c dashboard.Cluster) bool { return so(c.Members[0]) })
}

func problem(text string) func(dashboard.Member) bool {
	return func(m dashboard.Member) bool { return m.Error == text && (m.Status != nil) == (text == "") }
}

func show(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func host(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		panic(err)
	}
	return u.Host
}

func named(c dashboard.Cluster, name string) dashboard.Member {
	i := slices.IndexFunc(c.Members, func(m dashboard.Member) bool { return m.Name == name })
	if i < 0 {
		return dashboard.Member{}
	}
	return c.Members[i]
}

// settled says whether a leader is known, and all members that are asked tell so.
func settled(c dashboard.Cluster) bool {
	return c.Leader != "" && !slices.ContainsFunc(c.Members, func(m dashboard.Member) bool {
		return m.Asked && (m.Status == nil || m.Status.Leader != c.Leader)
	})
}

// each runs a test on a cluster of three, over each API.
func each(t *testing.T, test func(t *testing.T, api string, members []*etcdtest.Process)) {
	for _, c := range []struct {
		version etcdtest.Version
		api     string
	}{{etcdtest.V37, "v3"}, {etcdtest.V35, "v3"}, {etcdtest.V34, "v3"}, {etcdtest.V35, "v2"}, {etcdtest.V34, "v2"}} {
		t.Run(fmt.Sprintf("%s of %s", c.api, c.version), func(t *testing.T) {
			t.Parallel()
			var flags []string
			if c.version != etcdtest.V37 {
				flags = append(flags, "--enable-v2=true")
			}
			test(t, c.api, etcdtest.StartCluster(t, c.version, etcdtest.WithFlags(flags...)))
		})
	}
}

// Each member tells about itself. One that goes is still there, and so is one that is
// not asked; who knows of no leader says so.
func TestCluster(t *testing.T) {
	each(t, func(t *testing.T, api string, members []*etcdtest.Process) {
		// member2 is not asked, and of one endpoint nobody knows anything.
		stray := "http://" + etcdtest.FreeAddress(t)
		s := survey(t, dashboard.Options{API: api, Endpoints: []string{members[0].Endpoint, members[1].Endpoint, stray}})
		c := until(t, s, "the members are not all right", func(c dashboard.Cluster) bool {
			return c.Leader != "" && !slices.ContainsFunc(c.Members[:2], func(m dashboard.Member) bool {
				return m.Status == nil || m.Metrics == nil || m.Status.Leader != c.Leader
			})
		})
		if c.API != api || len(c.Members) != 4 || len(c.Alarms) != 0 || time.Since(time.UnixMilli(int64(c.Time*1000))) > time.Minute {
			t.Fatalf("it is %s", show(c))
		}
		for i, m := range c.Members[:3] {
			if m.Name != fmt.Sprint("member", i) || m.ID == "" || strings.TrimLeft(m.ID, "0123456789abcdef") != "" ||
				!slices.Equal(m.ClientURLs, []string{members[i].Endpoint}) || len(m.PeerURLs) != 1 || m.Learner || m.Error != "" {
				t.Errorf("member %d is %s", i, show(m))
			}
			if m.Asked != (i < 2) || (m.Status != nil) != m.Asked || (m.Metrics != nil) != m.Asked {
				t.Errorf("member %d is asked: %s", i, show(m))
			}
			if m.Status == nil {
				continue
			}
			if st := m.Status; !strings.HasPrefix(st.Version, "3.") || st.RaftIndex == 0 || st.RaftAppliedIndex == 0 || st.Revision == 0 ||
				len(st.Alarms)+len(st.Errors) > 0 || api == "v3" && (st.RaftTerm == 0 || st.DBSize == 0 || st.DBSizeInUse == 0 || st.DBSizeQuota == 0) {
				t.Errorf("the status of member %d is %s", i, show(st))
			}
			if m.Latency <= 0 || m.Latency > 1 {
				t.Errorf("member %d took %v", i, m.Latency)
			}
			got := m.Metrics
			if got.Requests == nil || got.Failed == nil || got.FSync == nil || got.FSync.Count == 0 || got.FSync.Sum <= 0 || got.Commit == nil || got.Commit.Count == 0 {
				t.Errorf("the metrics of member %d are %s", i, show(got))
			}
			if len(got.ActivePeers) != 2 || slices.Contains(got.ActivePeers, m.ID) {
				t.Errorf("member %d has the peers %v", i, got.ActivePeers)
			}
			if api == "v2" && m.ID == c.Leader && (len(got.Peers) != 2 || got.Peers[c.Members[2].ID].Latency == nil) {
				t.Errorf("the leader has %s", show(got.Peers))
			}
		}
		if m := c.Members[3]; m.Name != "" || m.ID != "" || !m.Asked || m.Status != nil || !slices.Equal(m.ClientURLs, []string{host(stray)}) ||
			m.Error != "cannot be reached: nothing listens at its address" {
			t.Errorf("the stray endpoint is %s", show(m))
		}

		members[1].Hang(true)
		defer members[1].Hang(false)
		c = until(t, s, "member1 answers", func(c dashboard.Cluster) bool { return named(c, "member1").Status == nil })
		if m := named(c, "member1"); len(c.Members) != 4 || m.Error != "does not answer" || !m.Asked || m.ID == "" || m.Metrics != nil {
			t.Errorf("with member1 hanging: %s", show(c))
		}
		// A gateway that has never had an answer of it knows it by its address.
		another := survey(t, dashboard.Options{API: api, Endpoints: []string{members[0].Endpoint, members[1].Endpoint}})
		until(t, another, "with member1 hanging, for a new gateway", func(c dashboard.Cluster) bool {
			m := named(c, "member1")
			return m.Error == "does not answer" && m.Asked
		})
		members[2].Stop()
		c = until(t, s, "there is a leader", func(c dashboard.Cluster) bool {
			return c.Leader == "" && named(c, "member0").Status != nil
		})
		if m := named(c, "member0"); m.Status == nil || m.Status.Leader != "" || len(m.Status.Errors) == 0 || len(c.Members) != 4 {
			t.Errorf("without a leader: %s", show(c))
		}
		members[0].Stop()
		c = until(t, s, "member0 answers", func(c dashboard.Cluster) bool { return named(c, "member0").Status == nil })
		if len(c.Members) != 4 || c.Leader != "" || named(c, "member0").ID == "" {
			t.Errorf("with nobody there: %s", show(c))
		}
		members[1].Hang(false)
		members[0].Restart(t)
		until(t, s, "it does not recover", func(c dashboard.Cluster) bool {
			c.Members = slices.DeleteFunc(c.Members, func(m dashboard.Member) bool { return m.Name == "" })
			return settled(c)
		})
	})
}

// An alarm is its member's, and shows also if that is not asked.
func TestCluster_alarm(t *testing.T) {
	for _, version := range []etcdtest.Version{etcdtest.V37, etcdtest.V34} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			etcd := etcdtest.StartProcess(t, version)
			s := survey(t, dashboard.Options{API: "v3", Endpoints: []string{etcd.Endpoint}})
			own, err := strconv.ParseUint(until(t, s, "it is not well", settled).Members[0].ID, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []uint64{own, 0x11} {
				post(t, etcd.Endpoint+"/v3/maintenance/alarm", fmt.Sprintf(`{"action":"ACTIVATE","alarm":"NOSPACE","memberID":"%d"}`, id))
			}
			c := until(t, s, "there is no alarm", func(c dashboard.Cluster) bool { return len(c.Alarms) == 2 })
			if m := c.Members[0]; !slices.Equal(m.Status.Alarms, []string{"NOSPACE"}) ||
				!slices.Contains(c.Alarms, dashboard.Alarm{Member: m.ID, Alarm: "NOSPACE"}) || !slices.Contains(c.Alarms, dashboard.Alarm{Member: "11", Alarm: "NOSPACE"}) {
				t.Errorf("it is %s", show(c))
			}
			if len(c.Members[0].Status.Errors) > 0 {
				t.Errorf("it is %s", show(c))
			}
		})
	}
}

func post(t *testing.T, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
}

// Where etcd asks for a user, the gateway's is enough. Without one, or with a wrong
// password, it says what is wrong.
func TestCluster_user(t *testing.T) {
	for _, version := range []etcdtest.Version{etcdtest.V37, etcdtest.V35} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			etcd := etcdtest.StartProcess(t, version)
			client, err := clientv3.New(clientv3.Config{Endpoints: []string{etcd.Endpoint}, Logger: zap.NewNop()})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			for _, step := range []func() error{
				func() error { _, err := client.UserAdd(ctx, "root", "secret"); return err },
				func() error { _, err := client.RoleAdd(ctx, "root"); return err },
				func() error { _, err := client.UserGrantRole(ctx, "root", "root"); return err },
				func() error { _, err := client.UserAdd(ctx, "gateway", "pass"); return err }, // with no rights
				func() error { _, err := client.AuthEnable(ctx); return err },
			} {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range []struct{ user, password, problem string }{
				{"gateway", "pass", ""},
				{"gateway", "wrong", "refuses the gateway's username or password"},
				{"", "", "asks for a user, and the gateway has no username and password for it"},
			} {
				s := survey(t, dashboard.Options{API: "v3", Endpoints: []string{etcd.Endpoint}, Username: c.user, Password: c.password})
				untilMember(t, s, fmt.Sprintf("for %q", c.user), problem(c.problem))
				if c.problem == "" {
					etcd.Stop() // which forgets the token
					etcd.Restart(t)
					until(t, s, "it does not log in again", settled)
				}
			}
		})
	}
}

// TLS is the gateway's own, and what is wrong with it is said.
func TestCluster_tls(t *testing.T) {
	certificates := etcdtest.NewCertificates(t)
	etcd := etcdtest.StartProcess(t, etcdtest.V35, etcdtest.WithTLS(certificates))
	config := certificates.Config(t)
	for _, c := range []struct {
		problem string
		change  func()
	}{
		{"", func() {}},
		{"refuses the gateway's TLS connection", func() { config.Certificates, config.GetClientCertificate = nil, nil }},
		{"shows a TLS certificate that the gateway does not trust", func() { config.RootCAs = nil }},
	} {
		c.change()
		s := survey(t, dashboard.Options{API: "v3", Endpoints: []string{etcd.Endpoint}, TLS: config.Clone()})
		untilMember(t, s, fmt.Sprintf("it does not say %q", c.problem), problem(c.problem))
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	address := "https://" + host(plain.URL)
	untilMember(t, survey(t, dashboard.Options{API: "v3", Endpoints: []string{address}, TLS: config}), "without TLS", problem("does not speak TLS"))
}

// Whatever something that is no etcd answers does no harm, and it takes not long.
func TestCluster_garbage(t *testing.T) {
	etcd := etcdtest.StartProcess(t, etcdtest.V35, etcdtest.WithFlags("--enable-v2=true"))
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(strings.Repeat("garbage 1\n", 10_000))); err != nil {
				return
			}
		}
	}
	silent := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until then, the server would not notice that the client goes
		<-r.Context().Done()
	}
	// It is an etcd, but for its metrics.
	status := `{"header":{"member_id":"1"},"version":"<img src=x>","raftTerm":"1","errors":["<b>"]}`
	odd := "# TYPE grpc_server_handled_total counter\ngrpc_server_handled_total{grpc_code=\"OK\"} NaN\ngrpc_server_handled_total{grpc_code=\"No\"} -1e300\n" +
		"# TYPE etcd_disk_wal_fsync_duration_seconds histogram\netcd_disk_wal_fsync_duration_seconds_sum +Inf\netcd_disk_wal_fsync_duration_seconds_count 1\n" +
		"# TYPE etcd_server_quota_backend_bytes gauge\netcd_server_quota_backend_bytes 1e300\n"
	half := func(metrics string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/metrics":
				fmt.Fprint(w, metrics)
			case "/v2/stats/self":
				fmt.Fprint(w, `{"id":"1"}`)
			default:
				fmt.Fprint(w, status)
			}
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		answers bool
	}{
		"nothing":     {func(http.ResponseWriter, *http.Request) {}, false},
		"not found":   {http.NotFound, false},
		"text":        {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, false},
		"null":        {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "null") }, false},
		"other types": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"header":1,"id":1}`) }, false},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, false},
		"endless":     {endless, false},
		"silence":     {silent, false},
		"broken":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
		"odd metrics": {half(odd), true},
		"no metrics":  {half("<html>"), true},
		"half a line": {half("grpc_server_handled_total{grpc_code="), true},
		"many metrics": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/metrics" {
				endless(w, r)
			}
			half("")(w, r)
		}, true},
	} {
		for _, api := range []string{"v3", "v2"} {
			t.Run(name+", "+api, func(t *testing.T) {
				t.Parallel()
				server := httptest.NewServer(c.handler)
				defer server.Close()
				s := survey(t, dashboard.Options{API: api, Endpoints: []string{server.URL, etcd.Endpoint}})
				clock := patience.Start(t)
				report(t, s) // the first waits for a round
				if took := clock.Took(); took > 3*time.Second {
					t.Errorf("it took %v", took)
				}
				until(t, s, "etcd, or what is none", func(now dashboard.Cluster) bool {
					i := slices.IndexFunc(now.Members, func(m dashboard.Member) bool { return slices.Equal(m.ClientURLs, []string{host(server.URL)}) })
					if i < 0 || named(now, "test").Status == nil {
						return false
					}
					m := now.Members[i]
					if strings.Contains(m.Error, "127.0.0.1") {
						t.Errorf("it tells the address: %s", show(m))
					}
					return (m.Status != nil) == c.answers && (m.Error == "") == c.answers
				})
			})
		}
	}
}
