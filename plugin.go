// Package caddyetcd is what a build of Caddy imports for all of this project's
// modules. A build that wants no embedded etcd imports package caddymodule alone.
package caddyetcd

import (
	_ "github.com/caddy-etcd/caddy-etcd/caddymodule"
	_ "github.com/caddy-etcd/caddy-etcd/caddymodule/embedded"
)
