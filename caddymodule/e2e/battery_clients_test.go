package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// clients are what Go's client does.
var clients = []group{
	{"Go", goClient},
	{"Go's concurrency", goConcurrency},
	{"gRPC", bareGRPC},
}

// with makes a step of what is done with Go's client. It reports with say.
func with(name, want string, do func(ctx context.Context, c *clientv3.Client, say func(...any)) error) step {
	return step{name, want, func(ctx context.Context, s *side) string {
		config := clientv3.Config{Endpoints: []string{s.url}, Logger: zap.NewNop(), Context: ctx}
		if s.certificates != nil {
			config.TLS = s.certificates.Config(s.t)
		}
		c, err := clientv3.New(config)
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		var transcript strings.Builder
		var mu sync.Mutex
		say := func(what ...any) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(&transcript, what...)
		}
		if err := do(ctx, c, say); err != nil {
			say("error:", err)
		}
		return transcript.String()
	}}
}

func goClient() []step {
	return []step{
		with("put, get and delete", "deleted:1", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			put, err := c.Put(ctx, "g/1", "one")
			if err != nil {
				return err
			}
			say((*etcdserverpb.PutResponse)(put))
			get, err := c.Get(ctx, "g/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
			if err != nil {
				return err
			}
			say((*etcdserverpb.RangeResponse)(get))
			del, err := c.Delete(ctx, "g/1", clientv3.WithPrevKV())
			say((*etcdserverpb.DeleteRangeResponse)(del))
			return err
		}),
		with("a transaction", "succeeded:true", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			txn, err := c.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision("g/t"), "=", 0)).
				Then(clientv3.OpPut("g/t", "v"), clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet("g/t")}, nil)).Commit()
			say((*etcdserverpb.TxnResponse)(txn))
			return err
		}),
		with("errors are the client's own", "true true true true", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			_, future := c.Get(ctx, "g/t", clientv3.WithRev(1_000_000))
			_, lease := c.Put(ctx, "g/t", "v", clientv3.WithLease(99))
			_, duplicate := c.Txn(ctx).Then(clientv3.OpPut("g/t", "1"), clientv3.OpPut("g/t", "2")).Commit()
			_, empty := c.Put(ctx, "", "v")
			say(future, lease, duplicate, empty)
			say(errors.Is(future, rpctypes.ErrFutureRev), errors.Is(lease, rpctypes.ErrLeaseNotFound),
				errors.Is(duplicate, rpctypes.ErrDuplicateKey), errors.Is(empty, rpctypes.ErrEmptyKey))
			return nil
		}),
		with("a status, many times", "future revision", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			told := make(map[string]bool)
			for range 100 {
				_, err := c.Get(ctx, "g/t", clientv3.WithRev(1_000_000), clientv3.WithSerializable())
				told[err.Error()] = true
			}
			say(told)
			return nil
		}),
		with("a value of 1 MB", "1000000", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			if _, err := c.Put(ctx, "big/0", strings.Repeat("b", 1_000_000)); err != nil {
				return err
			}
			get, err := c.Get(ctx, "big/0")
			if err == nil {
				say(len(get.Kvs[0].Value))
			}
			return err
		}),
		with("a range of 8 MB", "8000000", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			for i := range 8 {
				if _, err := c.Put(ctx, fmt.Sprint("big/", i), strings.Repeat("b", 1_000_000)); err != nil {
					return err
				}
			}
			get, err := c.Get(ctx, "big/", clientv3.WithPrefix())
			size := 0
			for _, kv := range get.Kvs {
				size += len(kv.Value)
			}
			say(size)
			return err
		}),
		with("a watch in fragments", "events 8", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			get, err := c.Get(ctx, "big/0")
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			watch := c.Watch(ctx, "big/", clientv3.WithPrefix(), clientv3.WithRev(get.Kvs[0].ModRevision), clientv3.WithFragment())
			events := 0
			for resp := range watch {
				if events += len(resp.Events); events == 8 {
					say("events", events)
					return nil
				}
			}
			return errors.New("the watch has ended")
		}),
		with("progress of a watch", "progress", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			for resp := range c.Watch(ctx, "quiet", clientv3.WithProgressNotify(), clientv3.WithCreatedNotify()) {
				say("created", resp.Created, "progress", resp.IsProgressNotify(), resp.Header.Revision)
				if resp.IsProgressNotify() {
					return nil
				}
			}
			return nil
		}),
		with("many watches on one stream", "events 100", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			var watches []clientv3.WatchChan
			for range 100 {
				w := c.Watch(ctx, "many", clientv3.WithCreatedNotify())
				<-w
				watches = append(watches, w)
			}
			if _, err := c.Put(ctx, "many", "v"); err != nil {
				return err
			}
			events := 0
			for _, w := range watches {
				events += len((<-w).Events)
			}
			say("events", events)
			return nil
		}),
		with("a watch is cancelled", "false", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			inner, cancel := context.WithCancel(ctx)
			watch := c.Watch(inner, "quiet", clientv3.WithCreatedNotify())
			<-watch
			cancel()
			_, open := <-watch
			say(open)
			return nil
		}),
		with("a lease is kept alive", "600 600", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			lease, err := c.Grant(ctx, 600)
			if err != nil {
				return err
			}
			once, err := c.KeepAliveOnce(ctx, lease.ID)
			if err != nil {
				return err
			}
			alive, err := c.KeepAlive(ctx, lease.ID)
			if err != nil {
				return err
			}
			say(once.TTL, (<-alive).TTL)
			left, err := c.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
			if err != nil {
				return err
			}
			say(left.GrantedTTL, len(left.Keys))
			_, err = c.Revoke(ctx, lease.ID)
			return err
		}),
		with("the status", "3.", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			status, err := c.Status(ctx, c.Endpoints()[0])
			if err == nil {
				say(status.Version, status.Leader, status.RaftTerm, status.IsLearner, status.Errors)
			}
			return err
		}),
		with("a snapshot", "read", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			snapshot, err := c.Snapshot(ctx)
			if err != nil {
				return err
			}
			defer snapshot.Close()
			size, err := io.Copy(io.Discard, snapshot)
			say("read", size > 8_000_000)
			return err
		}),
		with("endpoints are found", "HOST", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			err := c.Sync(ctx)
			say(c.Endpoints())
			return err
		}),
	}
}

func goConcurrency() []step {
	return []step{
		with("a session's mutex", "in turn", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			first, err := concurrency.NewSession(c, concurrency.WithTTL(60))
			if err != nil {
				return err
			}
			defer first.Close()
			second, err := concurrency.NewSession(c, concurrency.WithTTL(60))
			if err != nil {
				return err
			}
			defer second.Close()
			m, n := concurrency.NewMutex(first, "mutex"), concurrency.NewMutex(second, "mutex")
			if err := m.Lock(ctx); err != nil {
				return err
			}
			say(errors.Is(n.TryLock(ctx), concurrency.ErrLocked))
			done := make(chan error, 1)
			go func() { done <- n.Lock(ctx) }()
			if err := m.Unlock(ctx); err != nil {
				return err
			}
			err = <-done
			say("in turn")
			return err
		}),
		with("an election", "second", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			session, err := concurrency.NewSession(c, concurrency.WithTTL(60))
			if err != nil {
				return err
			}
			defer session.Close()
			e := concurrency.NewElection(session, "election")
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			seen := e.Observe(ctx)
			if err := e.Campaign(ctx, "first"); err != nil {
				return err
			}
			say(string((<-seen).Kvs[0].Value))
			if err := e.Proclaim(ctx, "second"); err != nil {
				return err
			}
			say(string((<-seen).Kvs[0].Value))
			if err := e.Resign(ctx); err != nil {
				return err
			}
			_, err = e.Leader(ctx)
			say(errors.Is(err, concurrency.ErrElectionNoLeader))
			return nil
		}),
		with("transactional memory", "20", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			var adding sync.WaitGroup
			for range 4 {
				adding.Go(func() {
					for range 5 {
						if _, err := concurrency.NewSTM(c, func(stm concurrency.STM) error {
							stm.Put("stm", stm.Get("stm")+".")
							return nil
						}); err != nil {
							say(err)
						}
					}
				})
			}
			adding.Wait()
			get, err := c.Get(ctx, "stm")
			if err == nil {
				say(len(get.Kvs[0].Value))
			}
			return err
		}),
	}
}

// bareGRPC has the headers and trailers of calls.
func bareGRPC() []step {
	call := func(name, want string, request *etcdserverpb.RangeRequest) step {
		return with(name, want, func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			var header, trailer metadata.MD
			ctx = metadata.AppendToOutgoingContext(ctx, "x-anything", "goes", "x-bytes-bin", "\x00\x01")
			answer, err := etcdserverpb.NewKVClient(c.ActiveConnection()).Range(ctx, request, grpc.Header(&header), grpc.Trailer(&trailer))
			say(answer, heading(header), heading(trailer))
			return err
		})
	}
	return []step{
		call("a call", "application/grpc", &etcdserverpb.RangeRequest{Key: []byte("g/t")}),
		call("a call that fails", "OutOfRange", &etcdserverpb.RangeRequest{Key: []byte("g/t"), Revision: 1_000_000}),
		with("a service that is not there", "Unimplemented", func(ctx context.Context, c *clientv3.Client, _ func(...any)) error {
			return c.ActiveConnection().Invoke(ctx, "/nonsense.Service/Call", &etcdserverpb.RangeRequest{}, &etcdserverpb.RangeResponse{})
		}),
		with("a method that is not there", "Unimplemented", func(ctx context.Context, c *clientv3.Client, _ func(...any)) error {
			return c.ActiveConnection().Invoke(ctx, "/etcdserverpb.KV/Nonsense", &etcdserverpb.RangeRequest{}, &etcdserverpb.RangeResponse{})
		}),
		with("a compressed call", "identity", func(ctx context.Context, c *clientv3.Client, say func(...any)) error {
			_, err := etcdserverpb.NewKVClient(c.ActiveConnection()).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte("g/t")}, grpc.UseCompressor("identity"))
			say("identity")
			return err
		}),
	}
}

// heading is metadata without what a gateway may change.
func heading(md metadata.MD) metadata.MD {
	for name := range md {
		if hopHeader(name + ": ") {
			delete(md, name)
		}
	}
	return md
}
