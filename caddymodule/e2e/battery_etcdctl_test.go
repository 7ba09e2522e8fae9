package e2e

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// commands are what etcdctl does with the v3 API, today's and Debian's, and Go's
// client.
var commands = []group{
	{"first, etcdctl 3.7", commanding(etcdtest.V37, "3", fresh)},
	{"first, etcdctl 3.4", commanding(etcdtest.V34, "3", fresh)},
	{"etcdctl 3.7", commanding(etcdtest.V37, "3", slices.Concat(keys, watches, leases, members, maintenance, authentication))},
	{"etcdctl 3.4", commanding(etcdtest.V34, "3", slices.Concat(keys, watches, leases, members, maintenance, authentication))},
	{"today's etcdctl", commanding(etcdtest.V37, "3", today)},
	{"progress", progress},
	{"waiting, etcdctl 3.7", waiting(etcdtest.V37)},
	{"waiting, etcdctl 3.4", waiting(etcdtest.V34)},
}

// fresh are commands whose answers are equal only as long as nothing has been
// written that etcd has made up.
var fresh = []command{
	{line: "put hash one", want: "OK"},
	{line: "endpoint hashkv", want: "HOST, "},
	{line: "endpoint hashkv -w json", want: `"hash"`},
	{line: "endpoint status", want: "HOST, 18872ab49415b7e4, 3."},
	{line: "endpoint status -w json", want: `"Endpoint"`},
	{line: "endpoint status -w fields", want: `"MemberID"`},
	{line: "endpoint status -w table", want: "ENDPOINT"},
}

// keys are commands for keys.
var keys = []command{
	{line: "put a/1 one", want: "OK"},
	{line: "put a/2 two -w json", want: `"raft_term":2`, note: `"revision":(?P<two>\d+)`},
	{line: "put a/2 second --prev-kv", want: "two"},
	{line: "put a/1 --ignore-value", want: "OK"},
	{line: "put a/none --ignore-value", want: "key not found"},
	{line: "put a/3 --ignore-lease three", want: "key not found"},
	{line: "put a/stdin", stdin: "a line\nand another", want: "OK"},
	{line: "put a/large", stdin: strings.Repeat("large", 200_000), want: "OK"},
	{line: "put a/too-large", stdin: strings.Repeat("large", 320_000), want: "request is too large"},
	{line: "get a/1", want: "one"},
	{line: "get a/stdin", want: "and another"},
	{line: "get a/large", want: "largelarge"},
	{line: "get nothing", want: "exit 0\n\n"},
	{line: "get a/ a/3", want: "second"},
	{line: "get a/ --prefix --keys-only", want: "a/stdin"},
	{line: "get a/ --prefix --limit 1", want: "one"},
	{line: "get a/ --prefix --order DESCEND --sort-by MODIFY --keys-only", want: "a/stdin"},
	{line: "get a/1 --from-key --keys-only", want: "a/stdin"},
	{line: "get a/2 --rev $two", want: "two"},
	{line: "get a/2 --consistency s", want: "second"},
	{line: "get a/2 --print-value-only", want: "second"},
	{line: "get a/2 --hex", want: `\x61\x2f\x32`},
	{line: "get a/2 -w json", want: `"kvs":[{"key":"YS8y"`},
	{line: "get a/2 -w fields", want: `"Value" : "second"`},
	{line: "get a/2 -w protobuf", want: "second"},
	{line: "get a/2 -w table", want: "Error"},
	{line: "get a/2 --rev 1000000", want: "future revision"},
	{line: "del a/1 --prev-kv", want: "one"},
	{line: "del a/1", want: "0"},
	{line: "del a/ --prefix -w json", want: `"deleted":3`},
	{line: "txn", stdin: "mod(\"t\") = \"0\"\n\nput t made\nget t\n\nget t\n\n", want: "SUCCESS"},
	{line: "txn", stdin: "mod(\"t\") = \"0\"\n\nput t made\nget t\n\nget t\n\n", want: "FAILURE"},
	{line: "txn -w json", stdin: "value(\"t\") = \"made\"\nver(\"t\") = \"1\"\n\ndel t\n\n\n", want: `"succeeded":true`},
	{line: "txn", stdin: "\n\nput t one\nput t two\n\n\n\n", want: "duplicate key given in txn request"},
	{line: "compaction 1000000", want: "future revision"},
	{line: "compaction $two", want: "compacted revision"},
	{line: "compaction $two --physical", want: "has been compacted"},
	{line: "get a/2 --rev 1", want: "required revision has been compacted"},
}

// watches are commands that watch. They begin with history, so that nothing happens
// before they see it.
var watches = []command{
	{line: "put w/1 one -w json", want: `"revision"`, note: `"revision":(?P<start>\d+)`},
	{line: "put w/1 two", want: "OK"},
	{line: "put w/2 three", want: "OK"},
	{line: "del w/1", want: "1"},
	{line: "watch w/1 --rev $start", until: "DELETE\nw/1\n\n", want: "PUT\nw/1\none\nPUT\nw/1\ntwo\nDELETE"},
	{line: "watch w/ --prefix --rev $start --prev-kv", until: "DELETE\nw/1\ntwo\nw/1\n\n", want: "three"},
	{line: "watch w/ w/2 --rev $start -w json", until: `"type":1`, want: `"Events":[{"`},
	{line: "watch -i", stdin: "watch w/2 --rev $start\n", open: true, until: "three", want: "w/2"},
	{line: "watch w/ --prefix --rev 1", want: "compacted"},
	{line: "watch w/2 --rev $start -- sh -c 'printenv | grep ETCD_WATCH | sort'", until: "VALUE", want: `ETCD_WATCH_KEY="w/2"`},
}

// leases are commands with leases. Etcdctl cannot choose a lease's id.
var leases = []command{
	{line: "lease grant 600", want: "granted with TTL(600s)", learn: "lease (?P<lease>[0-9a-f]+) granted"},
	{line: "put l --lease $lease v", want: "OK"},
	{line: "put l --ignore-lease other", want: "OK"},
	{line: "get l -w json", want: `"lease":<lease>`},
	{line: "put l --lease 123456 v", want: "requested lease not found"},
	{line: "lease timetolive $lease", want: "granted with TTL(600s), remaining(TTL)"},
	{line: "lease timetolive $lease --keys", want: "attached keys([l])"},
	{line: "lease timetolive 123456", want: "already expired"},
	{line: "lease list", want: "<lease>"},
	{line: "lease list -w json", want: `"leases":[`},
	{line: "lease keep-alive --once $lease", want: "keepalived with TTL(600)"},
	{line: "lease keep-alive $lease", until: "keepalived", want: "keepalived with TTL(600)"},
	{line: "lease keep-alive 123456", want: "expired or revoked"},
	{line: "lease revoke $lease", want: "revoked"},
	{line: "lease revoke $lease", want: "requested lease not found"},
	{line: "get l", want: "exit 0\n\n"},
}

// members are commands about the cluster.
var members = []command{
	{line: "member list", want: "started, test, http://127.0.0.1:0"},
	{line: "member list -w json", want: `"members":[{`},
	{line: "member list -w fields", want: `"Name" : "test"`},
	{line: "member list -w table", want: "started"},
	{line: "member list -w protobuf", want: "test"},
	{line: "member add other --peer-urls http://127.0.0.1:0", want: "Peer URLs already exists"},
	{line: "member remove 123456", want: "member not found"},
	{line: "member update 123456 --peer-urls http://127.0.0.1:1", want: "member not found"},
	{line: "member promote 18872ab49415b7e4", want: "can only promote a learner member"},
	{line: "move-leader 123456", want: "bad leader transferee"},
}

// maintenance are commands for whoever looks after an etcd.
var maintenance = []command{
	{line: "endpoint health", want: "is healthy: successfully committed proposal"},
	{line: "endpoint health --cluster", want: "HOST is healthy"},
	{line: "endpoint health -w json", want: `"health":true`},
	{line: "endpoint status --cluster", want: "HOST, 18872ab49415b7e4"},
	{line: "alarm list", want: "exit 0"},
	{line: "alarm disarm", want: "exit 0"},
	{line: "defrag", want: "Finished defragmenting etcd member[http"},
	{line: "snapshot save $DIR/snapshot", want: "Snapshot saved at DIR/snapshot"},
	{line: "snapshot save /no/such/directory/snapshot", want: "no such file or directory"},
}

// authentication is commands with users and roles. In the end they are gone.
var authentication = []command{
	{line: "auth enable", want: "root user does not exist"},
	{line: "user add root:secret", want: "User root created"},
	{line: "user add alice:wonder", want: "User alice created"},
	{line: "user add alice:again", want: "user name already exists"},
	{line: "user add bob --no-password", want: "User bob created"},
	{line: "role add reader", want: "Role reader created"},
	{line: "role add reader", want: "role name already exists"},
	{line: "role grant-permission reader read r/ --prefix", want: "Role reader updated"},
	{line: "role grant-permission reader readwrite rw", want: "Role reader updated"},
	{line: "role get reader", want: "[r/, r0)"},
	{line: "role list", want: "reader"},
	{line: "user grant-role root root", want: "Role root is granted to user root"},
	{line: "user grant-role alice reader", want: "granted to user alice"},
	{line: "user grant-role alice nobody", want: "role name not found"},
	{line: "user get alice --detail", want: "[r/, r0)"},
	{line: "user list", want: "alice"},
	{line: "auth enable", want: "Authentication Enabled"},
	{line: "get r/1", want: "user name is empty"},
	{line: "get r/1 --user alice:wrong", want: "invalid user ID or password"},
	{line: "get r/1 --user nobody:wonder", want: "invalid user ID or password"},
	{line: "get r/1 --user bob:", want: "Error"},
	{line: "get r/1 --user alice:wonder", want: "exit 0\n\n"},
	{line: "put r/1 v --user alice:wonder", want: "permission denied"},
	{line: "put rw v --user alice:wonder", want: "OK"},
	{line: "get secret --user alice --password wonder", want: "permission denied"},
	{line: "watch secret --user alice:wonder", want: "permission denied"},
	{line: "lease list --user alice:wonder", want: "exit 0"},
	{line: "user list --user alice:wonder", want: "permission denied"},
	{line: "snapshot save $DIR/denied --user alice:wonder", want: "permission denied"},
	{line: "role revoke-permission reader rw --user root:secret", want: "revoked from role reader"},
	{line: "put rw v --user alice:wonder", want: "permission denied"},
	{line: "user passwd alice --interactive=false --user root:secret", stdin: "land", want: "Password updated"},
	{line: "get r/1 --user alice:wonder", want: "invalid user ID or password"},
	{line: "user delete alice --user root:secret", want: "User alice deleted"},
	{line: "auth disable --user root:secret", want: "Authentication Disabled"},
	{line: "user delete bob", want: "User bob deleted"},
	{line: "user revoke-role root root", want: "Role root is revoked"},
	{line: "user delete root", want: "User root deleted"},
	{line: "role delete reader", want: "Role reader deleted"},
}

// today are commands that etcdctl has not had for long.
var today = []command{
	{line: "put n/1 one -w json", want: "header", note: `"revision":(?P<new>\d+)`},
	{line: "get n/ --prefix --count-only -w fields", want: `"Count" : 1`},
	{line: "get n/ --prefix --min-mod-rev 1", want: "one"},
	{line: "get n/ --prefix --stream", want: ""},
	{line: "watch n/ --prefix --rev 1 --progress-notify", until: "progress notify", want: "compacted"},
	{line: "watch n/ --prefix --progress-notify", until: "progress notify", repeats: true, want: "progress notify"},
	{line: "auth status", want: "Authentication Status: false"},
	{line: "auth status -w json", want: `"header"`},
	{line: "downgrade validate 3.0", want: "Error"},
}

// progress has an interactive watch ask how far it is, until it is told: it is not
// as long as it reads history.
func progress() []step {
	return []step{{"watch -i", "progress notify", func(ctx context.Context, s *side) string {
		r := s.startEtcdctl(ctx, etcdtest.V37, "3", command{stdin: "watch n/1 --rev $new\n", line: "watch -i", open: true})
		r.await("one")
		for !strings.Contains(r.out.String(), "progress notify") && r.write("progress\n") == nil {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond): // before it asks again
			}
		}
		r.interrupt()
		told, _, _ := strings.Cut(r.transcript(), "\nprogress notify: ")
		return told + "\nprogress notify"
	}}}
}

// waiting are commands that hold something until they are interrupted.
func waiting(ctl etcdtest.Version) func() []step {
	return func() []step {
		first := commanding(ctl, "3", []command{
			{line: "lock busy -- echo locked", want: "locked"},
			{line: "lock busy -- sh -c 'exit 3'", want: "exit status 3"},
			{line: "lock --ttl 5 busy", until: "busy/", learn: "busy/(?P<holder>[0-9a-f]+)", want: "busy/<holder>"},
			{line: "elect chair me", until: "me", learn: "chair/(?P<chairman>[0-9a-f]+)", want: "chair/<chairman>\nme"},
			{line: "get --prefix chair", want: "exit 0\n\n"},
		})()
		return append(first,
			step{"a lock waits for its turn", "locked", func(ctx context.Context, s *side) string {
				holds := s.startEtcdctl(ctx, ctl, "3", command{line: "lock queue"})
				holds.await("queue/")
				waits := s.startEtcdctl(ctx, ctl, "3", command{line: "lock queue -- echo locked"})
				s.etcdctl(ctx, ctl, "3", command{line: "watch queue/ --prefix --rev 1", until: "queue/"})
				holds.interrupt()
				holds.transcript()
				return waits.transcript()
			}},
			step{"an election is observed", "first", func(ctx context.Context, s *side) string {
				first := s.startEtcdctl(ctx, ctl, "3", command{line: "elect board first"})
				first.await("first")
				observes := s.startEtcdctl(ctx, ctl, "3", command{line: "elect -l board"})
				observes.await("first\n")
				second := s.startEtcdctl(ctx, ctl, "3", command{line: "elect board second"})
				first.interrupt()
				second.await("second\n")
				observes.await("second\n")
				observes.interrupt()
				second.interrupt()
				said := first.said() + second.said() + observes.said()
				s.remember("board/(?P<first>[0-9a-f]+)\nfirst", said, s.known)
				s.remember("board/(?P<second>[0-9a-f]+)\nsecond", said, s.known)
				return said
			}},
		)
	}
}
