package e2e

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/caddy-etcd/caddy-etcd/store/etcdtest"
)

// twins are two etcds that differ in nothing but their addresses.
type twins struct {
	direct, through *side
	late            bool // a step took too long
}

// side is one of them, as its clients see it.
type side struct {
	t            testing.TB
	version      etcdtest.Version
	url          string // where they ask
	host         string // the same, without the scheme
	etcd         *etcdtest.Process
	certificates *etcdtest.Certificates // nil without TLS
	dir          string                 // for their files
	noted        map[string]string      // what steps have noted, by its name
	known        map[string]string      // what etcd has made up, such as a lease's id, by its name
}

// start runs a pair. Each of them tells its clients the address that they have
// anyway: that is how an etcd behind a gateway is to be run.
func (p pair) start(t *testing.T) *twins {
	t.Helper()
	var certificates *etcdtest.Certificates
	scheme := "http"
	if p.secure {
		c := etcdtest.NewCertificates(t)
		certificates, scheme = &c, "https"
	}
	newSide := func(etcd *etcdtest.Process, address string) *side {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return &side{
			t: t, version: p.version, url: address, host: u.Host, etcd: etcd, certificates: certificates,
			dir: t.TempDir(), noted: make(map[string]string), known: make(map[string]string),
		}
	}
	direct := p.etcd(t, certificates)
	address := etcdtest.FreeAddress(t)
	through := p.etcd(t, certificates, "--advertise-client-urls", scheme+"://"+address)
	p.gateway(t, through, certificates, address)
	return &twins{direct: newSide(direct, direct.Endpoint), through: newSide(through, scheme+"://"+address)}
}

func (p pair) etcd(t *testing.T, certificates *etcdtest.Certificates, flags ...string) *etcdtest.Process {
	t.Helper()
	notify := "--watch-progress-notify-interval=200ms"
	if p.version == etcdtest.V35 {
		notify = "--experimental" + notify[1:]
	}
	options := []etcdtest.Option{etcdtest.WithFlags(append(flags, "--enable-pprof", notify)...)}
	if certificates != nil {
		options = append(options, etcdtest.WithTLS(*certificates))
	}
	if p.v2 {
		return etcdtest.StartV2(t, p.version, options...)
	}
	return etcdtest.StartProcess(t, p.version, options...)
}

// gateway runs one at an address, before that etcd.
func (p pair) gateway(t *testing.T, etcd *etcdtest.Process, certificates *etcdtest.Certificates, address string) {
	t.Helper()
	g := newGateway(t)
	g.site = address
	options := []string{onEtcd(etcd.Endpoint)}
	if p.api != "" {
		options = append(options, "api "+p.api)
	}
	if c := certificates; c != nil {
		options = append(options, tlsOption(c.CA, *c))
		g.extra = fmt.Sprintf("\nhttps://%s {\n\ttls %s %s\n\tetcd\n}\n", address, c.Cert, c.Key)
		g.site = etcdtest.FreeAddress(t) // where it is asked whether it is ready
	}
	g.url = "http://" + g.site
	g.configure(strings.Join(options, "\n\t\t"))
	if p.secure {
		g.secure()
	}
	g.run()
}

// secure has a gateway speak HTTP/2 with TLS too, and listen nowhere else.
func (g *gateway) secure() {
	g.t.Helper()
	text, err := os.ReadFile(g.path("Caddyfile"))
	if err != nil {
		g.t.Fatal(err)
	}
	config := strings.NewReplacer("\tadmin ", "\tauto_https disable_redirects\n\tadmin ", "protocols h1 h2c", "protocols h1 h2 h2c").Replace(string(text))
	if err := os.WriteFile(g.path("Caddyfile"), []byte(config), 0o600); err != nil {
		g.t.Fatal(err)
	}
}
