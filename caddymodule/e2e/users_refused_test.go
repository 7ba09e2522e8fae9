package e2e

import "testing"

// What etcd refuses, it refuses in the same words through the gateway.
func TestUsers_refused(t *testing.T) {
	t.Parallel()
	e := guard37(t)
	g := start(t, onEtcd(e.Endpoint)+asGateway)
	e.sameThrough(g.url, "", 1, "put", "a", "c")
	e.sameThrough(g.url, "", 1, "get", "/_etcd/mod/lock/k")
	e.sameThrough(g.url, "", 1, "auth", "disable")
	e.sameThrough(g.url, "", 5, "watch", "a")
	e.sameThrough(g.url, "app:wrong", 2, "get", "a")
	e.sameThrough(g.url, "nobody:apps", 2, "get", "a")
	e.sameThrough(g.url, "app:apps", 1, "user", "list")
	e.sameThrough(g.url, "app:apps", 1, "get", "/_etcd/mod/lock/k")
	e.sameThrough(g.url, "app:apps", 1, "del", "--prefix", "")
	e.sameThrough(g.url, "app:apps", 1, "compact", "1")
}
