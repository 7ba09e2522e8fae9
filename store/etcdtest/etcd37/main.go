// Today's etcd, for tests that run it as a process. Its etcdctl is a tool of this
// module, which is one of its own so that the gateway's needs no more of etcd than
// the gateway does.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
