// The last etcd that has the v2 API, for tests, which run it as a process. It is a
// module of its own, because it cannot be linked with today's etcd, nor its
// libraries with today's Caddy.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
