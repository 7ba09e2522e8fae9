package etcdv3

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/caddy-etcd/caddy-etcd/store"
)

// doubts are holds that have been deleted, by their leases: it is to be found out
// whether these ran out.
type doubts map[clientv3.LeaseID][]doubt

type doubt struct {
	lease    clientv3.LeaseID
	revision int64
	change   *store.Change
}

func (d doubts) add(lease clientv3.LeaseID, revision int64, change *store.Change) {
	d[lease] = append(d[lease], doubt{lease, revision, change})
}

// drop is for when something is put on a lease: it had not run out before.
func (d doubts) drop(lease clientv3.LeaseID) { delete(d, lease) }

// settle asks etcd about those that are left.
func (o *observer) settle(ctx context.Context) error {
	if len(o.doubts) == 0 {
		return nil
	}
	var all []doubt
	for _, list := range o.doubts {
		all = append(all, list...)
	}
	clear(o.doubts)
	return each(ctx, len(all), func(ctx context.Context, i int) (err error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		all[i].change.Expired, err = o.s.ranOut(ctx, all[i].lease, all[i].revision)
		return err
	})
}
