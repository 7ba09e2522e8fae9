module github.com/caddy-etcd/caddy-etcd

go 1.26.0
