package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	clientv2 "go.etcd.io/etcd/client/v2"
	"golang.org/x/sync/errgroup"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// version2 is what is done with the v2 API.
var version2 = []group{
	{"requests", requesting(keysV2)},
	{"watches", requesting(watchesV2)},
	{"service", requesting(serviceV2)},
	{"etcdctl 3.4", commanding(etcdtest.V34, "2", commandsV2)},
	{"Go", goV2},
	{"users", commanding(etcdtest.V34, "2", usersV2)},
	{"passwords", requesting(passwordsV2)},
}

const asForm = "Content-Type: application/x-www-form-urlencoded\r\n"

var keysV2 = []query{
	{line: "PUT /v2/keys/a/1", head: asForm, body: "value=one", want: `"action":"set"`},
	{line: "PUT /v2/keys/a/1?value=two", want: `"prevNode"`},
	{line: "PUT /v2/keys/a/2", head: asForm, body: "value=x&ttl=600", want: `"action":"set"`},
	{line: "PUT /v2/keys/a/2", head: asForm, body: "ttl=700&refresh=true&prevExist=true", want: `"action":"update"`},
	{line: "PUT /v2/keys/a/1", head: asForm, body: "value=v&prevExist=false", want: `"errorCode":105`},
	{line: "PUT /v2/keys/none", head: asForm, body: "value=v&prevExist=true", want: `"errorCode":100`},
	{line: "PUT /v2/keys/a/1?prevValue=wrong", head: asForm, body: "value=v", want: `"errorCode":101`},
	{line: "PUT /v2/keys/a/1?prevValue=two", head: asForm, body: "value=three", want: `"action":"compareAndSwap"`},
	{line: "PUT /v2/keys/a/1?prevIndex=1", head: asForm, body: "value=v", want: `"errorCode":101`},
	{line: "PUT /v2/keys/a/1?prevIndex=nonsense", head: asForm, body: "value=v", want: `"errorCode":203`},
	{line: "PUT /v2/keys/a/1?ttl=nonsense", head: asForm, body: "value=v", want: `"errorCode":202`},
	{line: "PUT /v2/keys/a?dir=true", want: `"errorCode":102`},
	{line: "PUT /v2/keys/dir?dir=true&ttl=600", want: `"dir":true`},
	{line: "PUT /v2/keys/a/1/below", head: asForm, body: "value=v", want: `"errorCode":104`},
	{line: "PUT /v2/keys/", head: asForm, body: "value=v", want: `"errorCode":107`},
	{line: "POST /v2/keys/queue", head: asForm, body: "value=first", want: `"action":"create"`},
	{line: "POST /v2/keys/queue", head: asForm, body: "value=second", want: `"action":"create"`},
	{line: "GET /v2/keys/queue?recursive=true&sorted=true", want: `"value":"second"`},
	{line: "GET /v2/keys/a/1", want: "X-Etcd-Index: "},
	{line: "HEAD /v2/keys/a/1", want: "X-Etcd-Index: "},
	{line: "GET /v2/keys/a/1?quorum=true", want: `"value":"three"`},
	{line: "GET /v2/keys/a/?recursive=true&sorted=true", want: `"nodes":[`},
	{line: "GET /v2/keys/?sorted=true", want: `"dir":true`},
	{line: "GET /v2/keys?sorted=true", want: `"dir":true`},
	{line: "GET /v2/keys/none", want: `"errorCode":100`},
	{line: "GET /v2/keys/_etcd/hidden", want: `"errorCode":100`},
	{line: "GET /v2/keys/a/1?recursive=nonsense", want: `"errorCode":209`},
	{line: "PUT /v2/keys/a%2Fb", head: asForm, body: "value=v", want: `"key":"/a/b"`},
	{line: "PUT /v2/keys/sp%20ace/%C3%BC", head: asForm, body: "value=%C3%BC%26", want: "ü"},
	{line: "GET /v2/keys//a//1", want: "HTTP/1.1"},
	{line: "GET /v2/keys/a/../a/1", want: "HTTP/1.1"},
	{line: "PUT /v2/keys/semi?value=a;b", want: "HTTP/1.1"},
	{line: "PUT /v2/keys/chunked", head: asForm + "Transfer-Encoding: chunked\r\n", raw: true, body: "6\r\nvalue=\r\n1\r\nv\r\n0\r\n\r\n", want: `"value":"v"`},
	{line: "PUT /v2/keys/plain", head: "Content-Type: text/plain\r\n", body: "value=v", want: "HTTP/1.1"},
	{line: "DELETE /v2/keys/a/1?prevValue=wrong", want: `"errorCode":101`},
	{line: "DELETE /v2/keys/a/1?prevValue=three", want: `"action":"compareAndDelete"`},
	{line: "DELETE /v2/keys/a", want: `"errorCode":102`},
	{line: "DELETE /v2/keys/queue?dir=true", want: `"errorCode":108`},
	{line: "DELETE /v2/keys/queue?recursive=true", want: `"action":"delete"`},
	{line: "DELETE /v2/keys/none", want: `"errorCode":100`},
	{line: "PATCH /v2/keys/a", want: "405"},
	{line: "OPTIONS /v2/keys/a", want: "200 OK"},
}

var watchesV2 = []query{
	{line: "PUT /v2/keys/w/1", head: asForm, body: "value=one", want: `"action":"set"`, note: `"createdIndex":(?P<start>\d+)`},
	{line: "PUT /v2/keys/w/2", head: asForm, body: "value=two", want: `"action":"set"`},
	{line: "DELETE /v2/keys/w/1", want: `"action":"delete"`},
	{line: "GET /v2/keys/w/1?wait=true&waitIndex=$start", want: `"value":"one"`},
	{line: "GET /v2/keys/w?wait=true&recursive=true&waitIndex=$start", want: `"value":"one"`},
	{line: "GET /v2/keys/w?wait=true&recursive=true&stream=true&waitIndex=$start", events: 1, want: `"value":"one"`},
	{line: "GET /v2/keys/w?wait=true&waitIndex=nonsense", want: `"errorCode":203`},
	{line: "GET /v2/keys/w?wait=nonsense", want: `"errorCode":209`},
}

var serviceV2 = []query{
	{line: "GET /v2/members", want: `"clientURLs":["http://HOST"]`},
	{line: "GET /v2/members/leader", want: `"name":"test"`},
	{line: "POST /v2/members", head: "Content-Type: application/json\r\n", body: `{"peerURLs":["http://127.0.0.1:0"]}`, want: "409"},
	{line: "POST /v2/members", body: `{}`, want: "415"},
	{line: "DELETE /v2/members/99", want: "404"},
	{line: "GET /v2/machines", want: "http://HOST"},
	{line: "GET /v2/stats/store", names: true, want: "200 OK"},
	{line: "GET /v2/stats/self", names: true, want: "200 OK"},
	{line: "GET /v2/stats/leader", want: `"leader"`},
	{line: "GET /v2/nothing", want: "404"},
	{line: "GET /v2", want: "404"},
	{line: "GET /v2/auth/enable", want: `{"enabled":false}`},
	{line: "GET /version", want: `"etcdserver":"3.5.`},
	{line: "GET /debug/vars", names: true, want: "memstats"},
}

var commandsV2 = []command{
	{line: "set c/1 one", want: "one"},
	{line: "set c/1 two --swap-with-value one", want: "two"},
	{line: "set c/1 three --swap-with-value one", want: "Compare failed"},
	{line: "set c/ttl v --ttl 600", want: "v"},
	{line: "get c/1", want: "two"},
	{line: "-o extended get c/1", want: "Modified-Index: "},
	{line: "-o json get c/1", want: `"node":`},
	{line: "get --quorum c/1", want: "two"},
	{line: "get none", want: "100: Key not found"},
	{line: "mk c/2 made", want: "made"},
	{line: "mk c/2 made", want: "105: Key already exists"},
	{line: "mk --in-order c/queue v", want: "v"},
	{line: "mkdir c/dir", want: "exit 0"},
	{line: "mkdir c/dir", want: "105: Key already exists"},
	{line: "setdir c/dir2 --ttl 600", want: "exit 0"},
	{line: "updatedir c/dir2 --ttl 700", want: "has no leader"},
	{line: "update c/2 again", want: "again"},
	{line: "update none v", want: "100: Key not found"},
	{line: "ls --sort", want: "/c"},
	{line: "ls -r -p --sort c", want: "/c/dir/"},
	{line: "ls none", want: "100: Key not found"},
	{line: "watch c/1 --after-index 1", want: "one"},
	{line: "watch c --after-index 1 --recursive", want: "one"},
	{line: "-o json watch c --after-index 1 --recursive", want: `"action":"set"`},
	{line: "watch c --after-index 1 --recursive --forever", until: "again", want: "[set] /c/1"},
	{line: "rm c/1 --with-value wrong", want: "Compare failed"},
	{line: "rm c/1", want: "PrevNode.Value: two"},
	{line: "rm c", want: "102: Not a file"},
	{line: "rmdir c", want: "108: Directory not empty"},
	{line: "rmdir c/dir", want: "exit 0"},
	{line: "rm -r c", want: "exit 0"},
	{line: "member list", want: "clientURLs=http://HOST isLeader=true"},
	{line: "cluster-health", want: "cluster is healthy"},
	{line: "--debug get none", want: "curl"},
}

var usersV2 = []command{
	{line: "user list", want: "exit 0"},
	{line: "user add root:secret", want: "User root created"},
	{line: "user add alice:wonder", want: "User alice created"},
	{line: "role add reader", want: "Role reader created"},
	{line: "role grant reader --path /r/* --read", want: "Role reader updated"},
	{line: "role get reader", want: "/r/*"},
	{line: "user grant alice --roles reader", want: "User alice updated"},
	{line: "user get alice", want: "reader"},
	{line: "auth enable", want: "Authentication Enabled"},
	{line: "--username root:secret role revoke guest --path /* --readwrite", want: "Role guest updated"},
	{line: "get r/1", want: "Insufficient credentials"},
	{line: "--username alice:wrong get r/1", want: "Insufficient credentials"},
	{line: "--username alice:wonder get r/1", want: "Key not found"},
	{line: "--username alice:wonder set r/1 v", want: "Insufficient credentials"},
	{line: "--username root:secret set r/1 v", want: "v"},
}

var passwordsV2 = []query{
	{line: "GET /v2/keys/r/1", want: "Insufficient credentials"},
	{line: "GET /v2/keys/r/1", head: "Authorization: Basic YWxpY2U6d29uZGVy\r\n", want: `"value":"v"`},
	{line: "GET /v2/keys/r/1", head: "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n", want: "401"},
	{line: "PUT /v2/keys/r/1", head: "Authorization: Basic YWxpY2U6d29uZGVy\r\n" + asForm, body: "value=w", want: "401"},
	{line: "GET /v2/auth/users", want: "401"},
	{line: "DELETE /v2/auth/enable", head: "Authorization: Basic cm9vdDpzZWNyZXQ=\r\n", want: "200 OK"},
}

// goV2 are the steps of Go's client for the v2 API.
func goV2() []step {
	with := func(name, want string, do func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error)) step {
		return step{name, want, func(ctx context.Context, s *side) string {
			transport := new(http.Transport)
			defer transport.CloseIdleConnections()
			c, err := clientv2.New(clientv2.Config{Endpoints: []string{s.url}, Transport: transport, HeaderTimeoutPerRequest: 10 * time.Second})
			if err != nil {
				return err.Error()
			}
			resp, err := do(ctx, clientv2.NewKeysAPI(c))
			if known := (clientv2.Error{}); errors.As(err, &known) {
				return fmt.Sprintf("error %d: %+v", known.Code, known)
			}
			if err != nil {
				return err.Error()
			}
			return fmt.Sprintf("%s %+v %+v %d %s", resp.Action, resp.Node, resp.PrevNode, resp.Index, resp.ClusterID)
		}}
	}
	return []step{
		with("set", "set", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			return keys.Set(ctx, "/g/1", "one", nil)
		}),
		with("compare and swap", "compareAndSwap", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			return keys.Set(ctx, "/g/1", "two", &clientv2.SetOptions{PrevValue: "one"})
		}),
		with("compare and swap what is another", "error 101", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			return keys.Set(ctx, "/g/1", "three", &clientv2.SetOptions{PrevValue: "one"})
		}),
		with("a TTL, refreshed", "update", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			if _, err := keys.Set(ctx, "/g/ttl", "v", &clientv2.SetOptions{TTL: 600 * time.Second}); err != nil {
				return nil, err
			}
			return keys.Set(ctx, "/g/ttl", "", &clientv2.SetOptions{TTL: 700 * time.Second, Refresh: true, PrevExist: clientv2.PrevExist})
		}),
		with("in order", "create", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			return keys.CreateInOrder(ctx, "/g/queue", "v", &clientv2.CreateInOrderOptions{TTL: 600 * time.Second})
		}),
		with("a quorum read", "get", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			return keys.Get(ctx, "/g/1", &clientv2.GetOptions{Quorum: true, Recursive: true, Sort: true})
		}),
		with("a key that is not there", "error 100", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			return keys.Get(ctx, "/g/none", nil)
		}),
		with("a recursive watch", "/g/deep/down", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			now, err := keys.Get(ctx, "/g", nil)
			if err != nil {
				return nil, err
			}
			watcher := keys.Watcher("/g", &clientv2.WatcherOptions{Recursive: true, AfterIndex: now.Index})
			if _, err := keys.Set(ctx, "/g/deep/down", "new", nil); err != nil {
				return nil, err
			}
			return watcher.Next(ctx)
		}),
		with("a watch from what is gone", "error 401", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			many, setting := errgroup.WithContext(ctx)
			many.SetLimit(16)
			for i := range 1001 {
				many.Go(func() error {
					_, err := keys.Set(setting, "/g/many", fmt.Sprint(i), nil)
					return err
				})
			}
			if err := many.Wait(); err != nil {
				return nil, err
			}
			return keys.Watcher("/g", &clientv2.WatcherOptions{Recursive: true, AfterIndex: 1}).Next(ctx)
		}),
		with("compare and delete", "compareAndDelete", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			return keys.Delete(ctx, "/g/1", &clientv2.DeleteOptions{PrevValue: "two"})
		}),
		with("a large value", "set", func(ctx context.Context, keys clientv2.KeysAPI) (*clientv2.Response, error) {
			return keys.Set(ctx, "/g/large", strings.Repeat("v", 1_000_000), nil)
		}),
	}
}
