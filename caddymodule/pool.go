package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-etcd/caddy-etcd/dashboard"
	"github.com/caddy-etcd/caddy-etcd/leadermod"
	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// Together these leave a gateway that stops less than 5 s (I9), the embedded
// etcd's end included. What is left in etcd then goes with the session's lease.
const (
	serviceGrace = time.Second
	storeGrace   = 2 * time.Second
)

// settings are what makes one connection another one. A reload that changes
// anything else keeps the connection.
type settings struct {
	Embedded  string // the embedded server's identity
	Endpoints []string
	Secure    bool // endpoints are HTTPS
	API       string
	Prefix    string
	Username  string
	Password  string
	TLS       TLS
	CA        string // a hash of what the file of that name in TLS has
}

// key is the settings' place in the pool, of which it tells nothing.
func (s settings) key(l *life) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a struct of strings
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]) + "/" + strconv.Itoa(l.number)
}

// connections has a reference for every app, and for every request for as long
// as it is served: Caddy unloads a configuration under its requests.
var connections = caddy.NewUsagePool()

// connection is a session with an etcd cluster, and the services on it.
type connection struct {
	key      string
	settings settings
	logger   *zap.Logger
	followed *atomic.Pointer[zapcore.Core]

	store       store.Store
	closeClient func() error // after the store
	locks       *lockmod.Service
	leaders     *lockmod.Service
	survey      *dashboard.Survey

	endServices func()        // once; answers all that wait
	end         func()        // once; begins the end, in the background
	unhook      func() bool   // from the life's end
	closed      chan struct{} // when all of it has ended

	ctx    context.Context // of what is done in the background
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu           sync.Mutex
	stopEmbedded func() error // if it has been started
	checked      bool         // etcd has told that it can keep the locks
	asking       bool         // in the background, whether it can
}

// connect takes a reference to the connection with these settings, and makes it
// if there is none. It does no I/O but to read certificates.
func connect(key string, s settings, l *life, logger *zap.Logger) (*connection, error) {
	c, _, err := connections.LoadOrNew(key, func() (caddy.Destructor, error) {
		return newConnection(key, s, l, logger)
	})
	if err != nil {
		return nil, err
	}
	return c.(*connection), nil
}

// giveBack gives a request's reference back. It does not wait for anything.
func (c *connection) giveBack() { _, _ = connections.Delete(c.key) }

// disconnect gives an app's reference back. If it was the last, it waits for the
// end of the connection, for a few seconds.
func (c *connection) disconnect() {
	if last, _ := connections.Delete(c.key); last {
		<-c.closed
	}
}

func newConnection(key string, s settings, l *life, logger *zap.Logger) (*connection, error) {
	c := &connection{key: key, settings: s, closed: make(chan struct{})}
	c.logger, c.followed = newFollower(logger)
	var err error
	if c.survey, err = s.survey(); err != nil {
		return nil, err
	}
	if c.store, c.closeClient, err = apis[s.API].open(s, c.logger); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.locks = lockmod.New(c.store, "lock", c.logger)
	c.leaders = lockmod.New(c.store, leadermod.Space, c.logger)
	c.endServices = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), serviceGrace)
		defer cancel()
		var services sync.WaitGroup
		services.Go(func() { c.locks.Close(ctx) })
		services.Go(func() { c.leaders.Close(ctx) })
		services.Wait()
	})
	c.end = sync.OnceFunc(func() {
		closing.Store(c, nil)
		go c.close()
	})
	c.unhook = context.AfterFunc(l.ctx, c.endServices)
	return c, nil
}

// survey asks the members what they are doing.
func (s settings) survey() (*dashboard.Survey, error) {
	tls, err := s.tls()
	if err != nil {
		return nil, err
	}
	return dashboard.NewSurvey(dashboard.Options{
		API:       s.API,
		Endpoints: s.Endpoints,
		TLS:       tls,
		Prefix:    s.Prefix,
		Username:  s.Username,
		Password:  s.Password,
	}), nil
}

// start starts the embedded server, once.
func (c *connection) start(server Embedded) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopEmbedded != nil {
		return nil
	}
	var err error
	c.stopEmbedded, err = server.Start(c.logger)
	return err
}

// closing are the connections that have begun to end, and have not ended yet.
var closing sync.Map

// Destruct ends the connection, in the background: the last reference may be a
// request's.
func (c *connection) Destruct() error {
	c.end()
	return nil
}

func (c *connection) close() {
	defer closing.Delete(c)
	defer close(c.closed)
	c.unhook()
	c.cancel()
	c.endServices()
	c.survey.Close()
	c.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), storeGrace)
	defer cancel()
	if err := c.store.Close(ctx); err != nil {
		c.logger.Warn("leaving the session with etcd to its lease", zap.Error(err))
	}
	_ = c.closeClient()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopEmbedded != nil {
		if err := c.stopEmbedded(); err != nil {
			c.logger.Error("stopping the embedded etcd", zap.Error(err))
		}
	}
}

// closeAll ends all connections, for the exit: a grace_period may have ended
// before the requests that have references. They get a moment to end themselves.
func closeAll() {
	var all []*connection
	connections.Range(func(_, c any) bool {
		all = append(all, c.(*connection))
		return true
	})
	moment, cancel := context.WithTimeout(context.Background(), serviceGrace)
	defer cancel()
	for _, c := range all {
		select {
		case <-c.closed:
		case <-moment.Done():
			c.end()
		}
	}
	awaitClosing()
}

// awaitClosing waits for the end of all connections that have begun to end.
func awaitClosing() {
	closing.Range(func(c, _ any) bool {
		<-c.(*connection).closed
		return true
	})
}

// Interface guard
var _ caddy.Destructor = (*connection)(nil)
