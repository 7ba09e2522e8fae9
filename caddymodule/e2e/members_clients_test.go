package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	clientv2 "go.etcd.io/etcd/client/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// cluster is three members and a gateway that has all of them.
type cluster struct {
	members []*etcdtest.Process
	ids     []string // of the members
	g       *gateway
	v2      bool
}

func startCluster(t testing.TB, version etcdtest.Version, v2 bool, flags ...string) *cluster {
	t.Helper()
	c := &cluster{v2: v2}
	options := ""
	if v2 {
		flags, options = append(flags, "--enable-v2=true"), "\n\t\tapi v2"
	}
	c.members = etcdtest.StartCluster(t, version, etcdtest.WithFlags(flags...))
	var endpoints []string
	for _, m := range c.members {
		endpoints = append(endpoints, m.Endpoint)
		_, id := answered(t, m.Endpoint)
		c.ids = append(c.ids, id)
	}
	c.g = start(t, onEtcd(strings.Join(endpoints, " "))+options)
	return c
}

// status asks a member for the leader and itself, on a connection of its own.
func status(url string) (leader, member string, err error) {
	ctx, cancel := context.WithTimeout(bg, time.Second)
	defer cancel()
	var answer struct {
		Leader string
		Header struct {
			Member string `json:"member_id"`
		}
	}
	err = ask(ctx, client, url+"/v3/maintenance/status", "{}", &answer)
	return answer.Leader, answer.Header.Member, err
}

// answered is status of one that may be busy.
func answered(t testing.TB, url string) (leader, member string) {
	t.Helper()
	patience.Until(t, 10*time.Second, func() (err error) {
		leader, member, err = status(url)
		return err
	})
	return leader, member
}

// serving is the member that serves the clients here.
func (c *cluster) serving(t testing.TB) int {
	t.Helper()
	_, id := answered(t, c.g.url)
	return c.index(t, id)
}

func (c *cluster) index(t testing.TB, id string) int {
	t.Helper()
	for i := range c.ids {
		if c.ids[i] == id {
			return i
		}
	}
	t.Fatalf("no member has the id %s", id)
	return 0
}

// others are the members but for one.
func (c *cluster) others(i int) []*etcdtest.Process {
	return []*etcdtest.Process{c.members[(i+1)%3], c.members[(i+2)%3]}
}

// servedBy waits until a member serves the clients, over HTTP/1.1 and gRPC.
func (c *cluster) servedBy(t testing.TB, which func(i int) bool, within time.Duration) {
	t.Helper()
	v3 := open(t, c.g.url)
	clock := patience.Start(t)
	for kind, ask := range map[string]func() (string, error){
		"HTTP/1.1": func() (string, error) {
			_, id, err := status(c.g.url)
			return id, err
		},
		"gRPC": func() (string, error) {
			ctx, cancel := context.WithTimeout(bg, 500*time.Millisecond)
			defer cancel()
			resp, err := v3.Status(ctx, c.g.url)
			if err != nil {
				return "", err
			}
			return fmt.Sprint(resp.Header.MemberId), nil
		},
	} {
		patience.Until(t, within-clock.Took(), func() error {
			id, err := ask()
			if err == nil && !which(c.index(t, id)) {
				err = fmt.Errorf("%s goes to member %s", kind, id)
			}
			return err
		})
		t.Logf("after %v for %s", clock.Took().Round(10*time.Millisecond), kind)
	}
}

// open is a client of etcd, at an endpoint.
func open(t testing.TB, endpoint string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// askers ask through a gateway again and again, each in its way.
type askers struct {
	c       *cluster
	dir     string // where they write; nothing if they read
	stop    context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	requests []request
}

type request struct {
	by    string
	begin time.Time
	took  time.Duration
	err   error
}

// writing has clients of all kinds write, each time another key, until the test ends
// or they are ended.
func (c *cluster) writing(t *testing.T, dir string) *askers {
	a := &askers{c: c, dir: dir}
	v3, kept, etcdctl := open(t, c.g.url), keeping(t), c.etcdctl(t)
	ways := map[string]func(ctx context.Context, key string) error{
		"v3 JSON": func(ctx context.Context, key string) error {
			body := fmt.Sprintf(`{"key":%q,"value":"dg=="}`, base64.StdEncoding.EncodeToString([]byte(key)))
			return ask(ctx, kept, c.g.url+"/v3/kv/put", body, nil)
		},
		"client/v3": func(ctx context.Context, key string) error {
			_, err := v3.Put(ctx, key, "v")
			return err
		},
		"etcdctl": func(ctx context.Context, key string) error { return etcdctl(ctx, "put", key, "v") },
	}
	if c.v2 {
		keys := c.keysV2(t, kept)
		ways["client/v2"] = func(ctx context.Context, key string) error {
			_, err := keys.Set(ctx, key, "v", nil)
			return err
		}
	}
	a.run(t, ways)
	return a
}

// reading has them read.
func (c *cluster) reading(t *testing.T) *askers {
	a := &askers{c: c}
	v3, kept, etcdctl := open(t, c.g.url), keeping(t), c.etcdctl(t)
	ways := map[string]func(ctx context.Context, key string) error{
		"v3 JSON": func(ctx context.Context, _ string) error {
			return ask(ctx, kept, c.g.url+"/v3/kv/range", `{"key":"aw=="}`, nil)
		},
		"client/v3": func(ctx context.Context, key string) error {
			_, err := v3.Get(ctx, key)
			return err
		},
		"etcdctl": func(ctx context.Context, key string) error {
			return etcdctl(ctx, "get", key, "--command-timeout", "15s")
		},
	}
	if c.v2 {
		keys := c.keysV2(t, kept)
		ways["client/v2"] = func(ctx context.Context, _ string) error {
			_, err := keys.Get(ctx, "/", nil)
			return err
		}
	}
	a.run(t, ways)
	return a
}

// keeping is a client that keeps its connections.
func keeping(t testing.TB) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (c *cluster) etcdctl(t *testing.T) func(ctx context.Context, args ...string) error {
	program := etcdtest.Etcdctl(t, etcdtest.V37)
	return func(ctx context.Context, args ...string) error {
		out, err := exec.CommandContext(ctx, program, append([]string{"--endpoints", c.g.site}, args...)...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
}

func (c *cluster) keysV2(t testing.TB, kept *http.Client) clientv2.KeysAPI {
	t.Helper()
	v2, err := clientv2.New(clientv2.Config{Endpoints: []string{c.g.url}, Transport: kept.Transport.(*http.Transport)})
	if err != nil {
		t.Fatal(err)
	}
	return clientv2.NewKeysAPI(v2)
}

// run has them go on.
func (a *askers) run(t *testing.T, ways map[string]func(ctx context.Context, key string) error) {
	ctx, cancel := context.WithCancel(t.Context())
	a.stop = cancel
	t.Cleanup(a.end)
	for by, way := range ways {
		a.running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				begin := time.Now()
				limited, cancel := context.WithTimeout(bg, 20*time.Second)
				err := way(limited, fmt.Sprintf("%s%s%d", a.dir, strings.ReplaceAll(by, "/", ""), i))
				cancel()
				a.mu.Lock()
				a.requests = append(a.requests, request{by, begin, time.Since(begin), err})
				a.mu.Unlock()
				time.Sleep(10 * time.Millisecond) // others want to run, too
			}
		})
	}
}

// end ends them.
func (a *askers) end() {
	a.stop()
	a.running.Wait()
}

// eachHas waits until each has begun so many requests after that moment, and has its
// answers.
func (a *askers) eachHas(t testing.TB, n int, since time.Time) {
	t.Helper()
	patience.Until(t, 20*time.Second, func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		done := make(map[string]int)
		for _, r := range a.requests {
			done[r.by] += 0
			if r.begin.After(since) {
				done[r.by]++
			}
		}
		for by, m := range done {
			if m < n {
				return fmt.Errorf("%s has %d answers, want %d", by, m, n)
			}
		}
		return nil
	})
}

// etcdsOwn is an error that etcd's own clients see as well when another member leads.
const etcdsOwn = "etcdserver: leader changed"

// wantAll ends them, and fails the test for what was asked after that moment and
// failed, and for what etcd has got twice. It logs the longest of the others.
func (a *askers) wantAll(t testing.TB, since time.Time) {
	t.Helper()
	a.end()
	longest, earlier := make(map[string]time.Duration), 0
	for _, r := range a.requests {
		switch {
		case !r.begin.After(since):
			if r.err != nil {
				earlier++
			}
		case r.err != nil && !strings.Contains(r.err.Error(), etcdsOwn):
			t.Errorf("%v after %v failed after %v: %v", r.by, r.begin.Sub(since), r.took, r.err)
		default:
			longest[r.by] = max(longest[r.by], r.took.Round(time.Millisecond))
		}
	}
	t.Logf("of %d requests, %d failed that were begun before; the longest of the others took %v", len(a.requests), earlier, longest)
	if a.dir != "" {
		a.wantOnce(t)
	}
}

// wantOnce fails the test if something has been written twice.
func (a *askers) wantOnce(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, 10*time.Second)
	defer cancel()
	resp, err := open(t, a.c.g.url).Get(ctx, a.dir, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	n := len(resp.Kvs)
	for _, kv := range resp.Kvs {
		if kv.Version != 1 {
			t.Errorf("%s has been written %d times", kv.Key, kv.Version)
		}
	}
	if a.c.v2 {
		resp, err := a.c.keysV2(t, keeping(t)).Get(ctx, a.dir, &clientv2.GetOptions{Quorum: true})
		if err != nil {
			t.Fatal(err)
		}
		n += len(resp.Node.Nodes)
		for _, node := range resp.Node.Nodes {
			if node.CreatedIndex != node.ModifiedIndex {
				t.Errorf("%s has been written twice", node.Key)
			}
		}
	}
	for _, r := range a.requests {
		if r.err == nil {
			n--
		}
	}
	if n < 0 {
		t.Errorf("%d writes more were answered than etcd has", -n)
	}
}

// ask sends JSON, and decodes the answer.
func ask(ctx context.Context, client *http.Client, url, body string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s", resp.Status, text)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(text, answer)
}
