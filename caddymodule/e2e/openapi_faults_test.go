package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-etcd/caddy-etcd/internal/patience"
)

// on is the same examiner of another gateway.
func (x *examiner) on(g *gateway) *examiner {
	return &examiner{T: x.T, contract: x.contract, gateway: g}
}

// gatewayWith is a gateway whose site has that directive.
func (x *examiner) gatewayWith(e *etcd, directive string) *gateway {
	g := e.gateway(x)
	g.directive = directive
	g.configure(g.etcd)
	g.reload()
	return g
}

// tooMany asks a gateway at which no more may wait.
func (x *examiner) tooMany(e *etcd) {
	g := x.gatewayWith(e, "etcd {\n\t\tlock {\n\t\t\tmax_waiting 1\n\t\t}\n\t\tleader {\n\t\t\tmax_waiting 1\n\t\t}\n\t}")
	x = x.on(g)
	for space, c := range map[string]probe{
		"lock":   {method: "POST", target: "lock/many?ttl=60"},
		"leader": {method: "PUT", target: "leader/many?ttl=60&name=bar"},
	} {
		s := x.listen(space+"/listened", "")
		// And one that waits for its turn.
		turn := probe{method: c.method, target: strings.NewReplacer("many", "taken", "bar", "foo").Replace(c.target)}
		x.do(turn)
		turn.target = strings.Replace(turn.target, "foo", "next", 1)
		ctx, stop := context.WithCancel(bg)
		waits := make(chan reply, 1)
		go func() {
			req, err := http.NewRequestWithContext(ctx, turn.method, g.url+"/mod/v2/"+turn.target, nil)
			if err != nil {
				waits <- reply{err: err}
				return
			}
			waits <- send(req)
		}()
		patience.Until(x, 10*time.Second, func() error {
			q, err := g.queueAt("/mod/v2/" + space + "/taken")
			if err == nil && len(q.Queue) != 2 {
				err = fmt.Errorf("%d in the queue, want 2", len(q.Queue))
			}
			return err
		})
		for _, c := range []probe{
			c,
			{method: "GET", target: space + "/many?wait=true"},
			{method: "GET", target: space + "/many", header: acceptEvents},
			{method: "GET", target: space + "/", header: acceptEvents},
		} {
			c.status, c.code = http.StatusTooManyRequests, 216
			x.do(c)
		}
		stop()
		<-waits
		s.close()
	}
}

// withoutEtcd asks a gateway whose etcd does not answer, and then one that does not
// reach it.
func (x *examiner) withoutEtcd(e *etcd) {
	g, wire := e.wire(x)
	x = x.on(g)
	for _, key := range []string{"held", "spare1", "spare2"} {
		x.each(
			probe{method: "POST", target: "lock/" + key + "?ttl=60&value=bar"},
			probe{method: "PUT", target: "leader/" + key + "?ttl=60&name=bar"},
		)
	}
	// It has a session in which something has waited, and leases to spare: all that
	// it needs to write at once.
	x.do(probe{method: "POST", target: "lock/held?ttl=60&timeout=1", status: 423, code: 215})
	for _, key := range []string{"spare1", "spare2"} {
		x.each(
			probe{method: "DELETE", target: "lock/" + key + "?value=bar"},
			probe{method: "DELETE", target: "leader/" + key + "?name=bar"},
		)
	}
	wire.Mute(true)
	x.abreast(failing(http.StatusGatewayTimeout, 301,
		probe{method: "POST", target: "lock/unknown?ttl=60"},
		probe{method: "DELETE", target: "lock/held?value=bar"},
		probe{method: "PUT", target: "leader/unknown?ttl=60&name=bar"},
		probe{method: "DELETE", target: "leader/held?name=bar"},
	)...)
	wire.Mute(false)

	wire.Refuse(true)
	// A write that is on its way when the connection breaks has an outcome that is
	// unknown. After this there are no connections.
	x.once(probe{method: "GET", target: "lock/held", status: http.StatusServiceUnavailable, code: 300})
	x.abreast(failing(http.StatusServiceUnavailable, 300,
		probe{method: "POST", target: "lock/new?ttl=60"},
		probe{method: "PUT", target: "lock/held?ttl=60&value=bar"},
		probe{method: "DELETE", target: "lock/held?value=bar"},
		probe{method: "GET", target: "lock/held"},
		probe{method: "GET", target: "lock/"},
		probe{method: "PUT", target: "leader/new?ttl=60&name=bar"},
		probe{method: "DELETE", target: "leader/held?name=bar"},
		probe{method: "GET", target: "leader/held"},
		probe{method: "GET", target: "leader/"},
	)...)
	wire.Refuse(false)
}

// failing are probes that should have that answer.
func failing(status, code int, probes ...probe) []probe {
	for i := range probes {
		probes[i].status, probes[i].code = status, code
	}
	return probes
}
